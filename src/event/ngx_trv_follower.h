
/*
 * The follower of a set: runs trv_follow over two links, in the worker that
 * holds the writer lock.
 */

#ifndef NGX_TRV_FOLLOWER_H
#define NGX_TRV_FOLLOWER_H

#include "ngx_trv_set.h"
#include "trv_follow.h"


/* the replica is locked and taken; NULL: no memory */
ngx_trv_follower_t *ngx_trv_follower_create(ngx_trv_set_t *set);

/* ends writing; the lock is the caller's to give up */
void ngx_trv_follower_destroy(ngx_trv_follower_t *fl);

/* signs this edge off in Redis, as far as that is possible at once */
void ngx_trv_follower_sign_off(ngx_trv_follower_t *fl);

/* the worker shuts down: no more following, but signing off is possible yet */
void ngx_trv_follower_stop(ngx_trv_follower_t *fl);


#endif /* NGX_TRV_FOLLOWER_H */


/*
 * Revoking, whoever asks for it: ask the script, for a scope in batches ->
 * proof -> answer.
 */

#ifndef NGX_HTTP_TRV_REVOKE_H
#define NGX_HTTP_TRV_REVOKE_H

#include "ngx_http_trv_proof.h"
#include "trv_request.h"


#define NGX_HTTP_TRV_REVOKE_LISTED  TRV_REQUEST_MAX_IDS  /* items of an answer,
                                                            at most */


typedef struct {
    trv_request_t            request;
    ngx_http_trv_proof_t    *proof;
    trv_owner_t              owner;      /* whose tokens may be revoked */
    ngx_str_t                by;

    ngx_http_trv_admin_pt    answer;     /* all done, nothing is amiss */
    ngx_http_trv_admin_pt    unknown;    /* `ids` are, nothing was changed */

    /* of these tokens, the first `done` have been revoked, `batch` are now */
    trv_id_t                *ids;
    size_t                   n;
    size_t                   done;
    size_t                   batch;

    /* of a scope */
    ngx_str_t                serial;     /* of the first page; empty: none */
    ngx_str_t                cursor;     /* of the next page; empty: the last */

    uint64_t                 hits;       /* all that it is to hit */

    /* results */
    uint64_t                 count;      /* revoked, those from before too */
    uint64_t                 already;    /* of these, from before */
    size_t                   listed;
    json_t                  *revoked;
    json_t                  *also_active;
    json_t                  *unknown_ids;
    unsigned                 also_more:1;
} ngx_http_trv_revoke_t;


/* ad->data; ends with the request; NULL: no memory */
ngx_http_trv_revoke_t *ngx_http_trv_revoke_create(ngx_http_trv_admin_t *ad);

/* the request is known and allowed, answer and unknown are set */
void ngx_http_trv_revoke_start(ngx_http_trv_admin_t *ad);

/* revokes the next of `ids`, or what remains to be done */
void ngx_http_trv_revoke_next(ngx_http_trv_admin_t *ad);

/* Redis did not do it; says what is known about the outcome */
void ngx_http_trv_revoke_failed(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent);


/* 409: the request hits another number of tokens than it expects */
void ngx_http_trv_revoke_unexpected(ngx_http_trv_admin_t *ad, uint64_t hits);

/* ngx_http_trv_revoke_scope.c: fetches the next page of a scope */
void ngx_http_trv_revoke_scope(ngx_http_trv_admin_t *ad);

/* begins anew, as Redis has failed over */
void ngx_http_trv_revoke_restart(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_revoke_items.c: what the script says; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_trv_revoke_items(ngx_http_trv_revoke_t *rv,
    redisReply *items);
ngx_int_t ngx_http_trv_revoke_also(ngx_http_trv_revoke_t *rv,
    redisReply *also);


#endif /* NGX_HTTP_TRV_REVOKE_H */

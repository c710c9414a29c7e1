
/*
 * Proof of enforcement: after the script has answered, that Redis replicas
 * have a revocation, that this edge refuses its tokens, and which others do.
 *
 *     (WAIT) -> until this edge refuses -> ask for the other edges, with
 *     "Prefer: wait" until all that are alive have confirmed -> done
 */

#ifndef NGX_HTTP_TRV_PROOF_H
#define NGX_HTTP_TRV_PROOF_H

#include "ngx_http_trv_admin.h"
#include "trv_replica.h"


#define NGX_HTTP_TRV_PROOF_REPEATS  3    /* fail-overs of Redis in a request */


typedef struct {
    ngx_uint_t  live;                    /* heard from in 5 s */
    ngx_uint_t  confirmed;               /* live, and at the position */
    ngx_uint_t  lost;                    /* not heard from, not signed off */
    ngx_uint_t  settled;                 /* all of them had time to report */
    ngx_uint_t  moved;                   /* Redis has failed over since */
} ngx_http_trv_edges_count_t;


typedef struct {
    /* what is to be proven */
    trv_id_t                    *ids;
    size_t                       n;
    unsigned                     more:1;         /* than ids: by position */
    trv_position_t               position;       /* that the script returned */
    char                         repl_id[TRV_REPL_ID_LEN + 1];
    ngx_int_t                    wait_sec;       /* of Prefer, 0: none */

    /* what is proven */
    unsigned                     durable:1;
    unsigned                     in_force:1;     /* refused here */
    unsigned                     counted:1;      /* edges is known */
    ngx_http_trv_edges_count_t   edges;

    ngx_http_trv_admin_pt        done;
    ngx_http_trv_admin_pt        again;  /* revokes once more, as the server
                                            that was asked is no longer the
                                            master; NULL: cannot */
    /* private */
    size_t                       refused;        /* ids that are, here */
    ngx_uint_t                   repeated;
    ngx_msec_t                   deadline;       /* for this edge to refuse */
    ngx_msec_t                   patience;       /* for the others */
    ngx_msec_t                   pause;
} ngx_http_trv_proof_t;


/* reads "Prefer: wait"; the time runs from here; NULL: no memory */
ngx_http_trv_proof_t *ngx_http_trv_proof_create(ngx_http_trv_admin_t *ad);

/* takes position and replication id from a reply; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_trv_proof_position(ngx_http_trv_proof_t *pf,
    redisReply *position, redisReply *repl_id);

/* whether this is another master than that of the position taken before */
ngx_uint_t ngx_http_trv_proof_moved(ngx_http_trv_proof_t *pf,
    redisReply *repl_id);

/* calls done() in the end, once */
void ngx_http_trv_proof_start(ngx_http_trv_admin_t *ad);

/* the edges only, for what changes nothing */
void ngx_http_trv_proof_edges(ngx_http_trv_admin_t *ad);


/* live, confirmed and lost; null: nobody knows, Redis did not say */
json_t *ngx_http_trv_proof_json(ngx_http_trv_proof_t *pf);


/*
 * ngx_http_trv_edges.c: what the reply of the script "edges" says about a
 * position.  `here`: this edge is known to refuse, whatever it has reported.
 */
ngx_int_t ngx_http_trv_edges_count(ngx_trv_set_t *set, redisReply *reply,
    const trv_position_t *position, const char *repl_id, ngx_uint_t here,
    ngx_http_trv_edges_count_t *count);


#endif /* NGX_HTTP_TRV_PROOF_H */

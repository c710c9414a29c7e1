
/*
 * The HTTP API below an admin location: routes, principals, bodies, and the
 * ways to answer.  Every handler ends by exactly one of the answering
 * functions, at once or from a reply of Redis.
 */

#ifndef NGX_HTTP_TRV_ADMIN_H
#define NGX_HTTP_TRV_ADMIN_H

#include <jansson.h>
#include <hiredis/hiredis.h>

#include "ngx_http_trv_answer.h"
#include "trv_command.h"
#include "trv_position.h"


typedef struct ngx_http_trv_admin_s  ngx_http_trv_admin_t;

typedef void (*ngx_http_trv_admin_pt)(ngx_http_trv_admin_t *ad);

/* reply == NULL: none came; sent: the command may have been executed */
typedef void (*ngx_http_trv_admin_reply_pt)(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);


struct ngx_http_trv_admin_s {
    ngx_http_request_t           *request;
    ngx_trv_set_t                *set;
    trv_principal_t               principal;
    ngx_str_t                     rest;  /* of the path: an id */
    ngx_str_t                     body;

    ngx_trv_redis_t              *link;  /* that was asked */
    ngx_http_trv_admin_reply_pt   reply;
    ngx_http_trv_admin_pt         wake;
    ngx_event_t                   timer; /* not cancelable: an answer is due */
    void                         *data;  /* of the resource */
};


ngx_int_t ngx_http_trv_admin_handler(ngx_http_request_t *r);

/* all memory is the request's; what is allocated fails with an answer of 500 */
void ngx_http_trv_admin_json(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    json_t *root);

/* RFC 9457; `name` ends the type */
void ngx_http_trv_admin_problem(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    const char *name, const char *detail);
void ngx_http_trv_admin_error(ngx_http_trv_admin_t *ad);

/* Redis did not answer, or with an error, to a command that only reads */
void ngx_http_trv_admin_unavailable(ngx_http_trv_admin_t *ad,
    redisReply *reply);

/* asks Redis over ad->link, by default the one for requests */
void ngx_http_trv_admin_ask(ngx_http_trv_admin_t *ad,
    const trv_command_t *command, ngx_http_trv_admin_reply_pt reply);
void ngx_http_trv_admin_sleep(ngx_http_trv_admin_t *ad, ngx_msec_t ms,
    ngx_http_trv_admin_pt wake);
void ngx_http_trv_admin_timer_handler(ngx_event_t *ev);

trv_words_t *ngx_http_trv_admin_words(ngx_http_trv_admin_t *ad,
    trv_script_e script);

/* the principal as it is written into Redis: "merchant STORE"; NGX_ERROR */
ngx_int_t ngx_http_trv_admin_by(ngx_http_trv_admin_t *ad, ngx_str_t *by);

/* seconds as RFC 3339 text; null if they are no moment */
json_t *ngx_http_trv_admin_time(int64_t sec);

/*
 * The query, one argument a call: NGX_OK: name is raw, value is decoded;
 * NGX_DONE: that was all; NGX_ERROR: no memory.  *p begins at NULL.
 */
ngx_int_t ngx_http_trv_admin_arg(ngx_http_trv_admin_t *ad, u_char **p,
    ngx_str_t *name, ngx_str_t *value);


/* the next request header field of this name (lower case); after == NULL: the
   first one */
ngx_table_elt_t *ngx_http_trv_admin_header(ngx_http_request_t *r,
    const char *name, ngx_table_elt_t *after);


/* ngx_http_trv_body.c: reads the body, then calls done */
ngx_int_t ngx_http_trv_body_read(ngx_http_trv_admin_t *ad, size_t max,
    ngx_http_trv_admin_pt done);

/*
 * ngx_http_trv_prefer.c: seconds of "Prefer: wait" (RFC 7240, 4.3), at most
 * 30; 0: none, or not to be understood and so ignored
 */
ngx_int_t ngx_http_trv_prefer_wait(ngx_http_request_t *r);

/* says that it was heeded; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_trv_prefer_applied(ngx_http_request_t *r, ngx_int_t sec);

/* ngx_http_trv_revoke.c */
void ngx_http_trv_revoke(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_revocations.c */
void ngx_http_trv_revocations(ngx_http_trv_admin_t *ad);
void ngx_http_trv_revocation(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_edges.c */
void ngx_http_trv_edges(ngx_http_trv_admin_t *ad);

typedef struct {
    ngx_uint_t  live;                    /* heard from in 5 s */
    ngx_uint_t  confirmed;               /* live ones that reached the position */
    ngx_uint_t  lost;                    /* not heard from, not signed off */
} ngx_http_trv_edges_count_t;

/*
 * What the reply of the script "edges" says about a position.  `here`: this
 * edge is known to refuse, whatever it has reported.
 */
ngx_int_t ngx_http_trv_edges_count(ngx_trv_set_t *set, redisReply *reply,
    const trv_position_t *position, const char *repl_id, ngx_uint_t here,
    ngx_http_trv_edges_count_t *count);


#endif /* NGX_HTTP_TRV_ADMIN_H */

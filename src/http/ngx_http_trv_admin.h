
/*
 * The HTTP API below an admin location: routes, principals, bodies, and the
 * ways to answer.  Every handler ends by exactly one of the answering
 * functions, at once or from a reply of Redis.
 */

#ifndef NGX_HTTP_TRV_ADMIN_H
#define NGX_HTTP_TRV_ADMIN_H

#include <ngx_core.h>
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
    ngx_str_t                     body;  /* what is not used of it yet */
    void                         *reader;        /* of the body */
    unsigned                      lines:1;       /* the body is NDJSON */

    ngx_uint_t                    route; /* number of it */
    unsigned                      revokes:1;
    unsigned                      dry_run:1;     /* nothing is to change */

    trv_words_t                  *words; /* of the last command */
    ngx_trv_redis_t              *link;  /* that was asked */
    ngx_http_trv_admin_reply_pt   reply;
    ngx_http_trv_admin_pt         wake;
    ngx_event_t                   timer; /* not cancelable: an answer is due */
    void                         *data;  /* of the resource */
    void                         *proof; /* ngx_http_trv_proof_t or NULL */
};


ngx_int_t ngx_http_trv_admin_handler(ngx_http_request_t *r);

/* of a request that the handler has begun with */
ngx_http_trv_admin_t *ngx_http_trv_admin_get(ngx_http_request_t *r);

/* all memory is the request's; what is allocated fails with an answer of 500 */
void ngx_http_trv_admin_json(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    json_t *root);

void ngx_http_trv_admin_text(ngx_http_trv_admin_t *ad, const char *type,
    ngx_str_t *body);

/* RFC 9457; `name` ends the type */
void ngx_http_trv_admin_problem(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    const char *name, const char *detail);

/* the same with members beside those, which are consumed; NULL: none */
void ngx_http_trv_admin_problem_with(ngx_http_trv_admin_t *ad,
    ngx_uint_t status, const char *name, const char *detail, json_t *members);
void ngx_http_trv_admin_error(ngx_http_trv_admin_t *ad);

/* Redis did not answer, or with an error, to a command that only reads */
void ngx_http_trv_admin_unavailable(ngx_http_trv_admin_t *ad,
    redisReply *reply);

/*
 * The first word of an error that Redis gives before anything has changed, and
 * logs it; NULL: of another one, after which nobody knows.
 */
const char *ngx_http_trv_admin_refusal(ngx_http_trv_admin_t *ad,
    redisReply *reply);

/* asks Redis over ad->link, by default the one for requests */
void ngx_http_trv_admin_ask(ngx_http_trv_admin_t *ad,
    const trv_command_t *command, ngx_http_trv_admin_reply_pt reply);
void ngx_http_trv_admin_sleep(ngx_http_trv_admin_t *ad, ngx_msec_t ms,
    ngx_http_trv_admin_pt wake);
void ngx_http_trv_admin_timer_handler(ngx_event_t *ev);

/* words of a command; valid until the next one is begun */
trv_words_t *ngx_http_trv_admin_words(ngx_http_trv_admin_t *ad,
    trv_script_e script);

/* seconds as RFC 3339 text; null if they are no moment */
json_t *ngx_http_trv_admin_time(int64_t sec);

/* `,route="...",method="..."` behind p; NULL: there is no such number */
u_char *ngx_http_trv_admin_route_label(u_char *p, u_char *last, ngx_uint_t i);


/*
 * ngx_http_trv_admin_request.c: what a request says.
 */

/* the principal as it is written into Redis: "merchant STORE"; NGX_ERROR */
ngx_int_t ngx_http_trv_admin_by(ngx_http_trv_admin_t *ad, ngx_str_t *by);

/*
 * The query, one argument a call: NGX_OK: name is raw, value is decoded;
 * NGX_DECLINED: the value has a broken escape; NGX_DONE: that was all;
 * NGX_ERROR: no memory.  *p begins at NULL.
 */
ngx_int_t ngx_http_trv_admin_arg(ngx_http_trv_admin_t *ad, u_char **p,
    ngx_str_t *name, ngx_str_t *value);

/* the next request header field of this name (lower case); after == NULL: the
   first one */
ngx_table_elt_t *ngx_http_trv_admin_header(ngx_http_request_t *r,
    const char *name, ngx_table_elt_t *after);

/* whether the Content-Type is this one, with or without parameters */
ngx_uint_t ngx_http_trv_admin_is_type(ngx_http_request_t *r, const char *type);

/* whether a page of another site sends it */
ngx_uint_t ngx_http_trv_admin_cross_site(ngx_http_request_t *r);

/*
 * ngx_http_trv_prefer.c: seconds of "Prefer: wait" (RFC 7240, 4.3), at most
 * 30; 0: none, or not to be understood and so ignored
 */
ngx_int_t ngx_http_trv_prefer_wait(ngx_http_request_t *r);

/* says that it was heeded; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_trv_prefer_applied(ngx_http_request_t *r, ngx_int_t sec);


#endif /* NGX_HTTP_TRV_ADMIN_H */


/*
 * What all lists of the HTTP API share: the arguments of the query, pages and
 * their cursors, and the fields of a reply of Redis that become JSON.
 */

#ifndef NGX_HTTP_TRV_LIST_H
#define NGX_HTTP_TRV_LIST_H

#include "ngx_http_trv_admin.h"


#define NGX_HTTP_TRV_LIST_LIMIT  100
#define NGX_HTTP_TRV_LIST_MAX    1000

/* of a token, in a reply of Redis: as item_add() in prelude.lua adds them */
#define NGX_HTTP_TRV_TOKEN_FIELDS  14

/* arguments that a resource takes beside "limit" and "cursor" */
#define NGX_HTTP_TRV_LIST_SINCE    0x01
#define NGX_HTTP_TRV_LIST_PARTNER  0x02
#define NGX_HTTP_TRV_LIST_STORE    0x04
#define NGX_HTTP_TRV_LIST_STATE    0x08
#define NGX_HTTP_TRV_LIST_PREFIX   0x10  /* "q" */


/* empty where it was not given */
typedef struct {
    uint64_t    limit;
    ngx_str_t   cursor;                  /* decoded */
    int64_t     since;                   /* seconds; 0: from the beginning */
    ngx_str_t   partner;
    ngx_str_t   store;
    ngx_str_t   state;                   /* "all" where it was not given */
    ngx_str_t   prefix;
} ngx_http_trv_list_t;


/* NGX_OK, or NGX_DONE: answered, because an argument is wrong */
ngx_int_t ngx_http_trv_list_args(ngx_http_trv_admin_t *ad, ngx_uint_t takes,
    ngx_http_trv_list_t *list);

/*
 * Whose items a list is about is not for the query to say: where one may see
 * one's own only, they are what is asked for.  NGX_DECLINED: somebody else's
 * were asked for, of which one sees none.
 */
ngx_int_t ngx_http_trv_list_own(ngx_http_trv_list_t *list,
    const trv_owner_t *owner);

/*
 * NGX_OK: nothing but strings, each item of n fields, behind the next cursor;
 * NGX_DONE: answered, because it is something else.
 */
ngx_int_t ngx_http_trv_list_check(ngx_http_trv_admin_t *ad, redisReply *reply,
    size_t n);

/* the answer; items is consumed; an empty cursor: the last page */
void ngx_http_trv_list_answer(ngx_http_trv_admin_t *ad, json_t *items,
    const char *cursor, size_t len);
json_t *ngx_http_trv_list_json(json_t *items, const char *cursor, size_t len);

/* one item of a list by its id: NGX_OK, or NGX_DONE: answered, it is no id */
ngx_int_t ngx_http_trv_list_id(ngx_http_trv_admin_t *ad);

/* an array of nothing but strings */
ngx_uint_t ngx_http_trv_list_strings(redisReply *reply);

/* text, null if it is empty or not UTF-8 */
json_t *ngx_http_trv_list_text(redisReply *field);

/* an array of the words that a character separates */
json_t *ngx_http_trv_list_words(redisReply *field, u_char separator);

/* null if it is no number */
json_t *ngx_http_trv_list_number(redisReply *field);

/* a moment in so many parts of a second as RFC 3339 text; null if it is none */
json_t *ngx_http_trv_list_time(redisReply *field, int64_t unit);


#endif /* NGX_HTTP_TRV_LIST_H */

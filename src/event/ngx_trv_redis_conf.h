
/*
 * Where Redis is, and how to get in: the directives "redis", "sentinel" and
 * "read_from" of a set.
 */

#ifndef NGX_TRV_REDIS_CONF_H
#define NGX_TRV_REDIS_CONF_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_trv_place.h"
#include "ngx_trv_said.h"
#include "ngx_trv_tls.h"


typedef struct ngx_trv_sentinel_s  ngx_trv_sentinel_t;


#define NGX_TRV_REDIS_KEYS  6            /* of every script, see prelude.lua */


/* where and how; made once at configuration, shared by all links of a set */
typedef struct ngx_trv_redis_conf_s {
    ngx_str_t              prefix;            /* keys are "{prefix}:name" */
    ngx_str_t              keys[NGX_TRV_REDIS_KEYS];
    ngx_str_t              url;          /* as configured, for messages */
    ngx_trv_place_t        place;        /* nowhere: sentinels name it */
    ngx_int_t              db;
    ngx_str_t              user;         /* empty: none */
    ngx_str_t              password;     /* from password_file */
    ngx_trv_tls_t         *tls;          /* NULL: without */
    ngx_trv_sentinel_t    *sentinel;     /* NULL: none */
    struct ngx_trv_redis_conf_s  *replicas;      /* of "read_from" */
    ngx_uint_t             nreplicas;
    ngx_resolver_t        *resolver;     /* NULL: none, place is an address */
    ngx_msec_t             timeout;      /* connect and reply */
    unsigned               is_sentinel:1;        /* the server is one */
    unsigned               is_replica:1;         /* or may be */

    /* of this worker */
    ngx_trv_place_t        owner;        /* of our slot, as a node said */
    ngx_trv_said_t         said;
} ngx_trv_redis_conf_t;


/*
 * The arguments of the directives "redis", "sentinel" and "read_from".  The
 * files that they name are read.  NGX_CONF_OK, or NGX_CONF_ERROR after logging
 * what is wrong with which value.
 */
char *ngx_trv_redis_conf_parse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *value, ngx_uint_t n);
char *ngx_trv_sentinel_conf_parse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *value, ngx_uint_t n);
char *ngx_trv_replicas_conf_parse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *value, ngx_uint_t n);

/*
 * When all directives of the set are known: completeness (a name needs a
 * resolver), the keys, what sentinels and replicas have of Redis.
 */
char *ngx_trv_redis_conf_init(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf);


#endif /* NGX_TRV_REDIS_CONF_H */


#include "ngx_http_trv.h"


/* where a call may carry its token */
typedef enum {
    NGX_HTTP_TRV_BEARER = 0,
    NGX_HTTP_TRV_ARG,
    NGX_HTTP_TRV_HEADER,
    NGX_HTTP_TRV_COOKIE
} ngx_http_trv_place_e;


typedef struct {
    ngx_http_trv_place_e   place;
    ngx_str_t              name;         /* of the argument or cookie */
    ngx_str_t              header;       /* lower case; empty: none */
    ngx_uint_t             hash;         /* of it, as nginx hashes it */
} ngx_http_trv_source_t;


typedef struct {
    ngx_uint_t   found;                  /* tokens */
    ngx_uint_t   authorizations;
    ngx_uint_t   broken;
    trv_str_t   *token;                  /* the last one */
} ngx_http_trv_search_t;


static void ngx_http_trv_token_header(ngx_http_trv_search_t *search,
    ngx_http_trv_source_t *source, ngx_str_t *value);
static ngx_uint_t ngx_http_trv_token_alike(ngx_table_elt_t *h,
    ngx_str_t *header);
static ngx_int_t ngx_http_trv_token_arg(ngx_http_trv_search_t *search,
    ngx_http_trv_source_t *source, ngx_http_request_t *r);
static trv_rc_e ngx_http_trv_token_query(ngx_http_trv_source_t *source,
    ngx_pool_t *pool, ngx_str_t *query, trv_str_t *token);
static void ngx_http_trv_token_count(ngx_http_trv_search_t *search,
    trv_rc_e rc, trv_str_t *token);
static char *ngx_http_trv_token_again(ngx_conf_t *cf, ngx_array_t *sources,
    ngx_str_t *value);
static char *ngx_http_trv_token_source(ngx_conf_t *cf,
    ngx_http_trv_source_t *source, ngx_str_t *value);


typedef struct {
    ngx_str_t               prefix;
    ngx_http_trv_place_e    place;
} ngx_http_trv_place_name_t;


static ngx_http_trv_place_name_t  ngx_http_trv_places[] = {
    { ngx_string("arg="), NGX_HTTP_TRV_ARG },
    { ngx_string("header="), NGX_HTTP_TRV_HEADER },
    { ngx_string("cookie="), NGX_HTTP_TRV_COOKIE },
    { ngx_null_string, 0 }
};


/*
 * All places are looked at, each to its end: a second token anywhere means
 * that the upstream may read another one than we do.
 */

ngx_int_t
ngx_http_trv_token_find(ngx_http_request_t *r, ngx_array_t *sources,
    trv_str_t *token)
{
    ngx_uint_t              i, n;
    ngx_list_part_t        *part;
    ngx_table_elt_t        *h;
    ngx_http_trv_search_t   search;
    ngx_http_trv_source_t  *source;

    source = sources->elts;

    search.found = 0;
    search.authorizations = 0;
    search.broken = 0;
    search.token = token;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            for (n = 0; n < sources->nelts; n++) {

                if (h[i].hash == source[n].hash
                    && h[i].key.len == source[n].header.len
                    && ngx_memcmp(h[i].lowcase_key, source[n].header.data,
                                  h[i].key.len)
                       == 0)
                {
                    ngx_http_trv_token_header(&search, &source[n],
                                              &h[i].value);

                } else if (source[n].place == NGX_HTTP_TRV_HEADER
                           && ngx_http_trv_token_alike(&h[i],
                                                       &source[n].header))
                {
                    search.broken = 1;
                }
            }
        }
    }

    for (n = 0; n < sources->nelts; n++) {
        if (source[n].place == NGX_HTTP_TRV_ARG
            && ngx_http_trv_token_arg(&search, &source[n], r) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (search.broken || search.found > 1) {
        return NGX_ABORT;
    }

    return search.found ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_trv_token_header(ngx_http_trv_search_t *search,
    ngx_http_trv_source_t *source, ngx_str_t *value)
{
    trv_rc_e   rc;
    trv_str_t  token, name;

    switch (source->place) {

    case NGX_HTTP_TRV_BEARER:

        /* a second Authorization, of any scheme, is one too many */

        search->broken |= (search->authorizations++ > 0);

        rc = trv_bearer_parse((char *) value->data, value->len, &token);
        break;

    case NGX_HTTP_TRV_COOKIE:
        name.data = (char *) source->name.data;
        name.len = source->name.len;

        rc = trv_bearer_cookie((char *) value->data, value->len, &name,
                               &token);
        break;

    default:
        token.data = (char *) value->data;
        token.len = value->len;

        rc = trv_bearer_token_check(token.data, token.len);
    }

    ngx_http_trv_token_count(search, rc, &token);
}


/* CGI and its descendants read `_` and `-` alike */

static ngx_uint_t
ngx_http_trv_token_alike(ngx_table_elt_t *h, ngx_str_t *header)
{
    size_t  i;

    if (h->key.len != header->len) {
        return 0;
    }

    for (i = 0; i < header->len; i++) {
        if (h->lowcase_key[i] != header->data[i]
            && !(h->lowcase_key[i] == '_' && header->data[i] == '-')
            && !(h->lowcase_key[i] == '-' && header->data[i] == '_'))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_trv_token_arg(ngx_http_trv_search_t *search,
    ngx_http_trv_source_t *source, ngx_http_request_t *r)
{
    u_char     *p, *last;
    ngx_str_t   line;
    trv_rc_e    rc, first;
    trv_str_t   token, other;

    p = r->unparsed_uri.data;
    last = p + r->unparsed_uri.len;

    /* arguments end there for nginx, but not for an upstream that gets it */

    if (ngx_strlchr(p, last, '#') != NULL) {
        search->broken = 1;
    }

    rc = ngx_http_trv_token_query(source, r->pool, &r->args, &token);

    /* a redirect may have others, and the upstream be given the first ones */

    p = ngx_strlchr(p, last, '?');

    line.data = p ? p + 1 : last;
    line.len = last - line.data;

    if (line.len != r->args.len
        || ngx_memcmp(line.data, r->args.data, line.len) != 0)
    {
        first = ngx_http_trv_token_query(source, r->pool, &line, &other);

        if (rc == TRV_DECLINED) {
            rc = first;
            token = other;

        } else if (rc == TRV_OK && first == TRV_OK) {
            search->broken |= (token.len != other.len
                               || ngx_memcmp(token.data, other.data, token.len)
                                  != 0);

        } else if (first != TRV_DECLINED) {
            rc = first;
        }
    }

    if (rc == TRV_ERROR) {
        return NGX_ERROR;
    }

    ngx_http_trv_token_count(search, rc, &token);

    return NGX_OK;
}


/* as trv_bearer_arg(); TRV_ERROR: no memory */

static trv_rc_e
ngx_http_trv_token_query(ngx_http_trv_source_t *source, ngx_pool_t *pool,
    ngx_str_t *query, trv_str_t *token)
{
    char       *buf;
    trv_str_t   name;

    if (query->len == 0) {
        return TRV_DECLINED;
    }

    buf = ngx_pnalloc(pool, query->len);
    if (buf == NULL) {
        return TRV_ERROR;
    }

    name.data = (char *) source->name.data;
    name.len = source->name.len;

    return trv_bearer_arg((char *) query->data, query->len, &name, buf, token);
}


static void
ngx_http_trv_token_count(ngx_http_trv_search_t *search, trv_rc_e rc,
    trv_str_t *token)
{
    switch (rc) {

    case TRV_OK:
        search->found++;
        *search->token = *token;
        break;

    case TRV_DECLINED:
        break;

    default:
        search->broken = 1;
    }
}


char *
ngx_http_trv_token_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                *value;
    ngx_uint_t                i, n;
    ngx_http_trv_source_t    *source;
    ngx_http_trv_loc_conf_t  *lcf = conf;

    if (lcf->sources != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    n = cf->args->nelts - 1;
    value = cf->args->elts;

    lcf->sources = ngx_array_create(cf->pool, n, sizeof(ngx_http_trv_source_t));
    if (lcf->sources == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i <= n; i++) {
        source = ngx_array_push(lcf->sources);

        if (ngx_http_trv_token_source(cf, source, &value[i]) != NGX_CONF_OK
            || ngx_http_trv_token_again(cf, lcf->sources, &value[i])
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* a token would be found twice there, and each call be refused for that */

static char *
ngx_http_trv_token_again(ngx_conf_t *cf, ngx_array_t *sources,
    ngx_str_t *value)
{
    ngx_uint_t              i;
    ngx_http_trv_source_t  *source, *last;

    source = sources->elts;
    last = &source[sources->nelts - 1];

    for (i = 0; i < sources->nelts - 1; i++) {

        if (source[i].header.len == last->header.len
            && ngx_strncmp(source[i].header.data, last->header.data,
                           last->header.len)
               == 0
            && (source[i].place != last->place
                || (source[i].name.len == last->name.len
                    && ngx_strncasecmp(source[i].name.data, last->name.data,
                                       last->name.len)
                       == 0)))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "place of a token \"%V\" is given twice", value);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_trv_token_conf_default(ngx_conf_t *cf, ngx_http_trv_loc_conf_t *lcf)
{
    ngx_http_trv_source_t  *source;

    static ngx_str_t  value = ngx_string("bearer");

    lcf->sources = ngx_array_create(cf->pool, 1, sizeof(ngx_http_trv_source_t));
    if (lcf->sources == NULL) {
        return NGX_CONF_ERROR;
    }

    source = ngx_array_push(lcf->sources);

    return ngx_http_trv_token_source(cf, source, &value);
}


static char *
ngx_http_trv_token_source(ngx_conf_t *cf, ngx_http_trv_source_t *source,
    ngx_str_t *value)
{
    ngx_http_trv_place_name_t  *place;

    ngx_memzero(source, sizeof(ngx_http_trv_source_t));

    if (ngx_strcmp(value->data, "bearer") == 0) {
        ngx_str_set(&source->header, "authorization");
        source->hash = ngx_hash_key(source->header.data, source->header.len);
        return NGX_CONF_OK;
    }

    for (place = ngx_http_trv_places; place->prefix.len; place++) {
        if (ngx_strncmp(value->data, place->prefix.data, place->prefix.len)
            == 0)
        {
            break;
        }
    }

    source->place = place->place;
    source->name.data = value->data + place->prefix.len;
    source->name.len = value->len - place->prefix.len;

    if (place->prefix.len == 0
        || !trv_name_check((char *) source->name.data, source->name.len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid place of a token \"%V\": it must be "
                           "\"bearer\", or \"arg=\", \"header=\" or "
                           "\"cookie=\" and a name of A-Z a-z 0-9 . _ -",
                           value);
        return NGX_CONF_ERROR;
    }

    if (source->place == NGX_HTTP_TRV_COOKIE) {
        ngx_str_set(&source->header, "cookie");
        source->hash = ngx_hash_key(source->header.data, source->header.len);
    }

    if (source->place == NGX_HTTP_TRV_HEADER) {
        source->header = source->name;
        source->hash = ngx_hash_strlow(source->header.data,
                                       source->header.data,
                                       source->header.len);
    }

    return NGX_CONF_OK;
}

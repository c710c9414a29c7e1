
#include "ngx_http_trv_admin.h"
#include "trv_time.h"


static void ngx_http_trv_admin_dump(ngx_http_trv_admin_t *ad, ngx_uint_t
    status, const char *type, json_t *root);
static void ngx_http_trv_admin_send(ngx_http_trv_admin_t *ad, ngx_uint_t
    status, const char *type, ngx_str_t *body);
static void ngx_http_trv_admin_finish(ngx_http_trv_admin_t *ad, ngx_int_t rc);


void
ngx_http_trv_admin_json(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    json_t *root)
{
    ngx_http_trv_admin_dump(ad, status, "application/json", root);
}


void
ngx_http_trv_admin_problem(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    const char *name, const char *detail)
{
    ngx_http_trv_admin_problem_with(ad, status, name, detail, NULL);
}


void
ngx_http_trv_admin_problem_with(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    const char *name, const char *detail, json_t *members)
{
    json_t      *root;
    ngx_uint_t   i;

    static const struct {
        ngx_uint_t   status;
        const char  *title;
    } titles[] = {
        { NGX_HTTP_BAD_REQUEST, "Bad Request" },
        { NGX_HTTP_FORBIDDEN, "Forbidden" },
        { NGX_HTTP_NOT_FOUND, "Not Found" },
        { NGX_HTTP_NOT_ALLOWED, "Method Not Allowed" },
        { NGX_HTTP_CONFLICT, "Conflict" },
        { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "Content Too Large" },
        { NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type" },
        { NGX_HTTP_SERVICE_UNAVAILABLE, "Service Unavailable" },
        { NGX_HTTP_GATEWAY_TIME_OUT, "Outcome Unknown" }
    };

    i = 0;

    while (titles[i].status != status) {
        i++;
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_trv_retry_after(ad->request) != NGX_OK)
    {
        ngx_http_trv_admin_error(ad);
        return;
    }

    root = json_pack("{s:s+, s:s, s:i, s:s}",
                     "type", "urn:token-revoke:problem:", name,
                     "title", titles[i].title, "status", (int) status,
                     "detail", detail);

    if (members) {
        (void) json_object_update(root, members);
        json_decref(members);
    }

    ngx_http_trv_admin_dump(ad, status, "application/problem+json", root);
}


void
ngx_http_trv_admin_error(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_admin_finish(ad, NGX_HTTP_INTERNAL_SERVER_ERROR);
}


void
ngx_http_trv_admin_unavailable(ngx_http_trv_admin_t *ad, redisReply *reply)
{
    if (reply) {
        ngx_log_error(NGX_LOG_ERR, ad->request->connection->log, 0,
                      "token revocation set \"%V\": redis answered \"%s\"",
                      &ad->set->name,
                      reply->type == REDIS_REPLY_ERROR ? reply->str
                                                       : "unexpectedly");
    }

    ngx_http_trv_admin_problem(ad, NGX_HTTP_SERVICE_UNAVAILABLE,
        "unavailable", "The revocation set cannot be read now: Redis does "
        "not answer. What is revoked stays refused.");
}


/*
 * The difference between "nothing was changed" and "nobody knows" is the whole
 * point of telling these apart.
 */

const char *
ngx_http_trv_admin_refusal(ngx_http_trv_admin_t *ad, redisReply *reply)
{
    size_t      len;
    ngx_uint_t  i;

    static const char *const  refusals[] = {
        "LOADING", "BUSY", "MISCONF", "OOM", "READONLY", "NOREPLICAS",
        "MASTERDOWN", "NOPERM", "NOAUTH", "WRONGPASS", "NOSCRIPT", "MOVED",
        "ASK", "TRYAGAIN", "CLUSTERDOWN", "WRONGTYPE", "FORMAT", "INVALID"
    };

    ngx_log_error(NGX_LOG_ERR, ad->set->log, 0,
                  "token revocation set \"%V\": redis refused a change: "
                  "\"%s\"", &ad->set->name, reply->str);

    len = strcspn(reply->str, " ");

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (len == ngx_strlen(refusals[i])
            && ngx_memcmp(reply->str, refusals[i], len) == 0)
        {
            return refusals[i];
        }
    }

    return NULL;
}


json_t *
ngx_http_trv_admin_time(int64_t sec)
{
    char  text[TRV_TIME_LEN + 1];

    return trv_time_format(sec, text) == TRV_OK ? json_string(text)
                                                : json_null();
}


void
ngx_http_trv_admin_text(ngx_http_trv_admin_t *ad, const char *type,
    ngx_str_t *body)
{
    ngx_http_trv_admin_send(ad, NGX_HTTP_OK, type, body);
}


static void
ngx_http_trv_admin_dump(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    const char *type, json_t *root)
{
    size_t      len;
    ngx_str_t   body;

    if (root == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    len = json_dumpb(root, NULL, 0, JSON_COMPACT);

    body.len = len + 1;
    body.data = ngx_pnalloc(ad->request->pool, body.len);

    if (body.data && len) {
        (void) json_dumpb(root, (char *) body.data, len, JSON_COMPACT);
        body.data[len] = LF;
    }

    json_decref(root);

    if (body.data == NULL || len == 0) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_admin_send(ad, status, type, &body);
}


static void
ngx_http_trv_admin_send(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    ngx_http_request_t  *r;

    if (ngx_http_trv_no_store(ad->request) != NGX_OK) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    r = ad->request;

    /*
     * A body that was not read is not waited for.  What comes of it must not
     * be taken for the next request of the connection.
     */

    r->expect_tested = 1;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    ngx_http_trv_admin_finish(ad, ngx_http_trv_answer(r, status, type, body));
}


static void
ngx_http_trv_admin_finish(ngx_http_trv_admin_t *ad, ngx_int_t rc)
{
    if (ad->timer.timer_set) {
        ngx_del_timer(&ad->timer);
    }

    ngx_http_finalize_request(ad->request, rc);
}

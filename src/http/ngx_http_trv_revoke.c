
#include "ngx_http_trv_admin.h"
#include "trv_request.h"


#define NGX_HTTP_TRV_REVOKE_POLL_MS   1  /* looks into the mapped table, at */
#define NGX_HTTP_TRV_REVOKE_POLL_MAX  5  /* growing distances */
#define NGX_HTTP_TRV_REVOKE_ASK_MS    5  /* asks for the other edges, ditto */
#define NGX_HTTP_TRV_REVOKE_ASK_MAX   50
#define NGX_HTTP_TRV_REVOKE_HEAD      2  /* values before those of the ids */


/*
 * parse -> ask the script -> (WAIT) -> until this edge refuses -> ask for the
 * other edges, with "Prefer: wait" until they all do -> answer
 */

typedef struct {
    trv_request_t                request;
    ngx_msec_t                   deadline;       /* for this edge to refuse */
    ngx_msec_t                   patience;       /* for the others */
    ngx_msec_t                   pause;
    ngx_int_t                    wait_sec;       /* of Prefer, 0: none */

    ngx_str_t                    position_text;
    trv_position_t               position;
    u_char                      *repl_id;
    int64_t                     *expiries;       /* of each id */
    u_char                      *already;
    size_t                       refused;        /* ids that are, here */
    ngx_uint_t                   durable;
    ngx_uint_t                   in_force;
    ngx_http_trv_edges_count_t   edges;
} ngx_http_trv_revoke_t;


static ngx_int_t ngx_http_trv_revoke_parse(ngx_http_trv_admin_t *ad,
    ngx_http_trv_revoke_t *rv);
static ngx_int_t ngx_http_trv_revoke_allowed(ngx_http_trv_admin_t *ad,
    ngx_http_trv_revoke_t *rv);
static void ngx_http_trv_revoke_ask(ngx_http_trv_admin_t *ad);
static ngx_int_t ngx_http_trv_revoke_words(ngx_http_trv_admin_t *ad,
    trv_words_t *words);
static void ngx_http_trv_revoke_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_revoke_failed(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static ngx_int_t ngx_http_trv_revoke_take(ngx_http_trv_admin_t *ad,
    redisReply *reply);
static void ngx_http_trv_revoke_replicas(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_revoke_replicas_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_revoke_look(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_revoke_edges(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_revoke_edges_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_revoke_answer(ngx_http_trv_admin_t *ad);
static json_t *ngx_http_trv_revoke_items(ngx_http_trv_revoke_t *rv);
static ngx_msec_t ngx_http_trv_revoke_pause(ngx_http_trv_revoke_t *rv,
    ngx_msec_t first, ngx_msec_t most);
static ngx_uint_t ngx_http_trv_revoke_passed(ngx_msec_t deadline);
static void ngx_http_trv_revoke_cleanup(void *data);


void
ngx_http_trv_revoke(ngx_http_trv_admin_t *ad)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_trv_revoke_t  *rv;

    cln = ngx_pool_cleanup_add(ad->request->pool,
                               sizeof(ngx_http_trv_revoke_t));
    if (cln == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    rv = cln->data;
    ngx_memzero(rv, sizeof(ngx_http_trv_revoke_t));

    cln->handler = ngx_http_trv_revoke_cleanup;
    ad->data = rv;

    if (ngx_http_trv_revoke_parse(ad, rv) != NGX_OK
        || ngx_http_trv_revoke_allowed(ad, rv) != NGX_OK)
    {
        return;
    }

    rv->wait_sec = ngx_http_trv_prefer_wait(ad->request);
    rv->deadline = ngx_current_msec + ad->set->redis.timeout;
    rv->patience = ngx_current_msec + rv->wait_sec * 1000;
    rv->durable = 1;

    ngx_http_trv_revoke_ask(ad);
}


/* NGX_OK, or NGX_DONE: answered */

static ngx_int_t
ngx_http_trv_revoke_parse(ngx_http_trv_admin_t *ad, ngx_http_trv_revoke_t *rv)
{
    char       error[TRV_REQUEST_ERROR_LEN];
    trv_rc_e   rc;

    rc = trv_request_parse(ad->set->hash, (char *) ad->body.data, ad->body.len,
                           ngx_time(), ad->set->max_lifetime, &rv->request,
                           error);
    if (rc == TRV_OK) {
        return NGX_OK;
    }

    if (rc == TRV_INVALID) {
        error[0] = ngx_toupper(error[0]);
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
                                   error);
    } else {
        ngx_http_trv_admin_error(ad);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_trv_revoke_allowed(ngx_http_trv_admin_t *ad,
    ngx_http_trv_revoke_t *rv)
{
    char        detail[128];
    trv_op_e    op;
    trv_role_e  role;

    role = ad->principal.role;
    op = rv->request.by_token ? TRV_OP_REVOKE_TOKEN : TRV_OP_REVOKE_ID;

    if (trv_policy_scope(role, op) == TRV_SCOPE_NOTHING) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "forbidden",
            "Only operators may revoke by \"ids\": give the full text as "
            "\"token\" or \"tokens\".");
        return NGX_DONE;
    }

    if (rv->request.expires_at
        && trv_policy_scope(role, TRV_OP_SET_EXPIRY) == TRV_SCOPE_NOTHING)
    {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "forbidden",
                               "Only operators may give \"expires_at\".");
        return NGX_DONE;
    }

    if (rv->request.expect >= 0
        && (size_t) rv->request.expect != rv->request.n)
    {
        (void) snprintf(detail, sizeof(detail),
                        "The request hits %zu tokens, not the %lld of "
                        "\"expect\". Nothing was changed.", rv->request.n,
                        (long long) rv->request.expect);

        ngx_http_trv_admin_problem(ad, NGX_HTTP_CONFLICT, "unexpected",
                                   detail);
        return NGX_DONE;
    }

    return NGX_OK;
}


static void
ngx_http_trv_revoke_ask(ngx_http_trv_admin_t *ad)
{
    trv_words_t  *words;

    /*
     * WAIT holds up its connection and counts what was written over it: such
     * a request has one of its own
     */

    if (ad->set->wait_replicas) {
        ad->link = ngx_trv_redis_create(&ad->set->redis, "wait", ad->set->log,
                                        NULL, NULL, NULL);
        if (ad->link == NULL) {
            ngx_http_trv_admin_error(ad);
            return;
        }
    }

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_REVOKE);

    if (words == NULL || ngx_http_trv_revoke_words(ad, words) != NGX_OK) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_revoke_reply);
}


static ngx_int_t
ngx_http_trv_revoke_words(ngx_http_trv_admin_t *ad, trv_words_t *words)
{
    bool                    added;
    char                    hex[TRV_ID_HEX_LEN];
    size_t                  i;
    ngx_str_t               by;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (ngx_http_trv_admin_by(ad, &by) != NGX_OK) {
        return NGX_ERROR;
    }

    added = trv_words_add(words, (char *) by.data, by.len)
            && trv_words_add_text(words, rv->request.reason
                                         ? rv->request.reason : "")
            && trv_words_add_text(words, rv->wait_sec ? "1" : "0")
            && trv_words_add_number(words, ad->set->log_length)
            && trv_words_add_number(words, ad->set->max_lifetime)
            && trv_words_add_text(words, rv->request.dry_run ? "1" : "0")
            && trv_words_add_text(words, ad->set->wait_replicas ? "1" : "0");

    for (i = 0; added && i < rv->request.n; i++) {
        trv_id_format(&rv->request.ids[i], hex);
        added = trv_words_add(words, hex, sizeof(hex))
                && trv_words_add_number(words, rv->request.expires_at);
    }

    return added ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_trv_revoke_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        ngx_http_trv_revoke_failed(ad, reply, sent);
        return;
    }

    if (ngx_http_trv_revoke_take(ad, reply) != NGX_OK) {
        ngx_http_trv_revoke_failed(ad, NULL, 1);
        return;
    }

    if (rv->request.dry_run) {
        ngx_http_trv_revoke_edges(ad);

    } else if (ad->set->wait_replicas) {
        ngx_http_trv_revoke_replicas(ad);

    } else {
        ngx_http_trv_revoke_look(ad);
    }
}


/*
 * The difference between "nothing was changed" and "nobody knows" is the whole
 * point: only an answer of Redis that is given before a script runs, or a
 * command that never left, is the first.
 */

static void
ngx_http_trv_revoke_failed(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    char        detail[160];
    size_t      len;
    ngx_uint_t  i;

    static const char *const  refusals[] = {
        "LOADING", "BUSY", "MISCONF", "OOM", "READONLY", "NOREPLICAS",
        "MASTERDOWN", "NOPERM", "NOAUTH", "NOSCRIPT", "MOVED", "ASK",
        "TRYAGAIN", "CLUSTERDOWN", "WRONGTYPE", "FORMAT", "INVALID"
    };

    if (reply == NULL && !sent) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_SERVICE_UNAVAILABLE,
            "unavailable", "Redis cannot be reached. Nothing was changed: "
            "please try again.");
        return;
    }

    if (reply) {
        ngx_log_error(NGX_LOG_ERR, ad->set->log, 0,
                      "token revocation set \"%V\": redis refused a "
                      "revocation: \"%s\"", &ad->set->name, reply->str);

        len = strcspn(reply->str, " ");

        for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {

            if (len != ngx_strlen(refusals[i])
                || ngx_memcmp(reply->str, refusals[i], len) != 0)
            {
                continue;
            }

            (void) snprintf(detail, sizeof(detail), "Redis refused the "
                            "revocation (%s). Nothing was changed: please "
                            "try again.", refusals[i]);

            ngx_http_trv_admin_problem(ad, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       "unavailable", detail);
            return;
        }
    }

    ngx_http_trv_admin_problem(ad, NGX_HTTP_GATEWAY_TIME_OUT,
        "outcome-unknown", "The revocation was sent and not answered: it may "
        "or may not be in force. Repeating it is safe and settles it.");
}


static ngx_int_t
ngx_http_trv_revoke_take(ngx_http_trv_admin_t *ad, redisReply *reply)
{
    size_t                   i, n;
    redisReply             **item;
    ngx_pool_t              *pool;
    ngx_http_trv_revoke_t   *rv;

    rv = ad->data;
    n = rv->request.n;
    pool = ad->request->pool;

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != NGX_HTTP_TRV_REVOKE_HEAD + 2 * n
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING
        || trv_position_parse(reply->element[0]->str, reply->element[0]->len,
                              &rv->position)
           != TRV_OK)
    {
        return NGX_ERROR;
    }

    rv->position_text.len = reply->element[0]->len;
    rv->position_text.data = ngx_pnalloc(pool, reply->element[0]->len);
    rv->repl_id = ngx_pnalloc(pool, reply->element[1]->len + 1);
    rv->expiries = ngx_palloc(pool, n * sizeof(int64_t));
    rv->already = ngx_pnalloc(pool, n);

    if (rv->position_text.data == NULL || rv->repl_id == NULL
        || rv->expiries == NULL || rv->already == NULL)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(rv->position_text.data, reply->element[0]->str,
               rv->position_text.len);
    ngx_memcpy(rv->repl_id, reply->element[1]->str,
               reply->element[1]->len + 1);

    item = &reply->element[NGX_HTTP_TRV_REVOKE_HEAD];

    for (i = 0; i < n; i++, item += 2) {

        if (item[0]->type != REDIS_REPLY_INTEGER
            || item[1]->type != REDIS_REPLY_INTEGER)
        {
            return NGX_ERROR;
        }

        rv->already[i] = item[0]->integer != 0;
        rv->expiries[i] = item[1]->integer;
    }

    return NGX_OK;
}


static void
ngx_http_trv_revoke_replicas(ngx_http_trv_admin_t *ad)
{
    trv_words_t            *words;
    ngx_msec_int_t          left;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_NONE);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    /* WAIT must end before the link gives up: 0 would be for ever */

    left = (ngx_msec_int_t) (rv->deadline - ngx_current_msec) / 2;

    (void) trv_words_add_text(words, "WAIT");
    (void) trv_words_add_number(words, ad->set->wait_replicas);
    (void) trv_words_add_number(words, ngx_max(left, 1));

    ngx_http_trv_admin_ask(ad, &words->command,
                           ngx_http_trv_revoke_replicas_reply);
}


static void
ngx_http_trv_revoke_replicas_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    rv->durable = (reply && reply->type == REDIS_REPLY_INTEGER
                   && reply->integer >= ad->set->wait_replicas);

    ngx_http_trv_revoke_look(ad);
}


/* until this worker sees every id in the table in force, or time is over */

static void
ngx_http_trv_revoke_look(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    while (rv->refused < rv->request.n
           && trv_replica_lookup(ad->set->replica,
                                 &rv->request.ids[rv->refused])
              == TRV_OK)
    {
        rv->refused++;
    }

    rv->in_force = (rv->refused == rv->request.n);

    if (!rv->in_force && !ngx_http_trv_revoke_passed(rv->deadline)) {
        ngx_http_trv_admin_sleep(ad,
                 ngx_http_trv_revoke_pause(rv, NGX_HTTP_TRV_REVOKE_POLL_MS,
                                           NGX_HTTP_TRV_REVOKE_POLL_MAX),
                 ngx_http_trv_revoke_look);
        return;
    }

    rv->pause = 0;

    ngx_http_trv_revoke_edges(ad);
}


static void
ngx_http_trv_revoke_edges(ngx_http_trv_admin_t *ad)
{
    trv_words_t  *words;

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_EDGES);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_admin_ask(ad, &words->command,
                           ngx_http_trv_revoke_edges_reply);
}


static void
ngx_http_trv_revoke_edges_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    /* the revocation itself is done: no answer here only means less to tell */

    if (ngx_http_trv_edges_count(ad->set, reply, &rv->position,
                                 (char *) rv->repl_id, rv->in_force,
                                 &rv->edges)
        != NGX_OK)
    {
        rv->edges.live = 1;
        rv->edges.confirmed = rv->in_force;
    }

    if (rv->request.dry_run) {
        rv->edges.confirmed = 0;
    }

    if (rv->edges.confirmed < rv->edges.live
        && rv->in_force
        && !ngx_http_trv_revoke_passed(rv->patience))
    {
        ngx_http_trv_admin_sleep(ad,
                 ngx_http_trv_revoke_pause(rv, NGX_HTTP_TRV_REVOKE_ASK_MS,
                                           NGX_HTTP_TRV_REVOKE_ASK_MAX),
                 ngx_http_trv_revoke_edges);
        return;
    }

    ngx_http_trv_revoke_answer(ad);
}


static void
ngx_http_trv_revoke_answer(ngx_http_trv_admin_t *ad)
{
    json_t                 *root;
    ngx_uint_t              done;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    done = rv->request.dry_run || (rv->in_force && rv->durable);

    root = json_pack("{s:o, s:[], s:s%, s:{s:I, s:I, s:I}}",
                     "revoked", ngx_http_trv_revoke_items(rv),
                     "also_active",
                     "position", rv->position_text.data, rv->position_text.len,
                     "edges",
                     "live", (json_int_t) rv->edges.live,
                     "confirmed", (json_int_t) rv->edges.confirmed,
                     "lost", (json_int_t) rv->edges.lost);

    if (root && !done) {
        (void) json_object_set_new(root, "durable",
                                   json_boolean(rv->durable));
        (void) json_object_set_new(root, "in_force",
                                   json_boolean(rv->in_force));
    }

    if (root && rv->request.dry_run) {
        (void) json_object_set_new(root, "dry_run", json_true());
    }

    if (rv->wait_sec
        && ngx_http_trv_prefer_applied(ad->request, rv->wait_sec) != NGX_OK)
    {
        json_decref(root);
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_admin_json(ad, done ? NGX_HTTP_OK : NGX_HTTP_ACCEPTED, root);
}


static json_t *
ngx_http_trv_revoke_items(ngx_http_trv_revoke_t *rv)
{
    char     hex[TRV_ID_HEX_LEN];
    size_t   i;
    json_t  *items;

    items = json_array();

    for (i = 0; i < rv->request.n; i++) {
        trv_id_format(&rv->request.ids[i], hex);

        (void) json_array_append_new(items,
                   json_pack("{s:s%, s:o, s:b}",
                             "id", hex, (size_t) TRV_ID_HEX_LEN,
                             "expires_at",
                             ngx_http_trv_admin_time(rv->expiries[i]),
                             "already", rv->already[i]));
    }

    return items;
}


static ngx_msec_t
ngx_http_trv_revoke_pause(ngx_http_trv_revoke_t *rv, ngx_msec_t first,
    ngx_msec_t most)
{
    rv->pause = rv->pause ? ngx_min(2 * rv->pause, most) : first;

    return rv->pause;
}


static ngx_uint_t
ngx_http_trv_revoke_passed(ngx_msec_t deadline)
{
    return (ngx_msec_int_t) (deadline - ngx_current_msec) <= 0;
}


static void
ngx_http_trv_revoke_cleanup(void *data)
{
    ngx_http_trv_revoke_t  *rv = data;

    trv_request_destroy(&rv->request);
}


#include "ngx_http_trv_revoke.h"


#define NGX_HTTP_TRV_REVOKE_BATCH  200   /* ids of a scope in one script: some
                                            3 ms */
#define NGX_HTTP_TRV_REVOKE_WORDS  6     /* of the script's reply */


static ngx_int_t ngx_http_trv_revoke_words(ngx_http_trv_admin_t *ad,
    trv_words_t *words);
static void ngx_http_trv_revoke_again(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_revoke_ask(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_revoke_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_revoke_done(ngx_http_trv_admin_t *ad,
    redisReply *reply);
static void ngx_http_trv_revoke_unknown(ngx_http_trv_admin_t *ad,
    redisReply *reply);
static void ngx_http_trv_revoke_registered(ngx_http_trv_admin_t *ad,
    redisReply *reply);
static json_t *ngx_http_trv_revoke_ids(redisReply *reply);
static void ngx_http_trv_revoke_finish(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_revoke_cleanup(void *data);


ngx_http_trv_revoke_t *
ngx_http_trv_revoke_create(ngx_http_trv_admin_t *ad)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_trv_revoke_t  *rv;

    cln = ngx_pool_cleanup_add(ad->request->pool,
                               sizeof(ngx_http_trv_revoke_t));
    if (cln == NULL) {
        return NULL;
    }

    rv = cln->data;
    ngx_memzero(rv, sizeof(ngx_http_trv_revoke_t));

    cln->handler = ngx_http_trv_revoke_cleanup;
    ad->data = rv;

    rv->owner = trv_policy_owner(&ad->principal, TRV_OP_REVOKE_TOKEN);
    rv->revoked = json_array();
    rv->also_active = json_array();
    rv->proof = ngx_http_trv_proof_create(ad);

    if (rv->revoked == NULL || rv->also_active == NULL || rv->proof == NULL
        || ngx_http_trv_admin_by(ad, &rv->by) != NGX_OK)
    {
        return NULL;
    }

    return rv;
}


void
ngx_http_trv_revoke_start(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    ad->dry_run = rv->request.dry_run;

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

    rv->proof->done = rv->answer;

    if (rv->request.ids == NULL) {
        ngx_http_trv_revoke_scope(ad);
        return;
    }

    rv->ids = rv->request.ids;
    rv->n = rv->request.n;
    rv->proof->ids = rv->ids;
    rv->proof->n = rv->n;
    rv->proof->again = ngx_http_trv_revoke_again;

    ngx_http_trv_revoke_next(ad);
}


static void
ngx_http_trv_revoke_again(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;
    rv->done = 0;

    ngx_http_trv_revoke_next(ad);
}


void
ngx_http_trv_revoke_next(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (rv->done < rv->n) {
        rv->batch = rv->n - rv->done;

        if (rv->request.ids == NULL) {
            rv->batch = ngx_min(rv->batch, NGX_HTTP_TRV_REVOKE_BATCH);
        }

        ngx_http_trv_revoke_ask(ad);
        return;
    }

    if (rv->cursor.len) {
        ngx_http_trv_revoke_scope(ad);

    } else {
        ngx_http_trv_revoke_finish(ad);
    }
}


static void
ngx_http_trv_revoke_ask(ngx_http_trv_admin_t *ad)
{
    trv_words_t  *words;

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
    ngx_uint_t              last;
    trv_request_t          *req;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;
    req = &rv->request;

    last = (rv->done + rv->batch == rv->n && rv->cursor.len == 0);

    added = trv_words_add(words, (char *) rv->by.data, rv->by.len)
            && trv_words_add_text(words, req->reason ? req->reason : "")
            && trv_words_add_text(words,
                                  rv->proof->wait_sec && last ? "1" : "")
            && trv_words_add_number(words, ad->set->log_length)
            && trv_words_add_number(words, ad->set->max_lifetime)
            && trv_words_add_text(words, req->dry_run ? "1" : "")
            && trv_words_add_text(words, ad->set->wait_replicas ? "1" : "")
            && trv_words_add_text(words, ad->set->registry ? "1" : "")
            && trv_words_add(words, rv->owner.partner.data,
                             rv->owner.partner.len)
            && trv_words_add(words, rv->owner.store.data, rv->owner.store.len)
            && trv_words_add_number(words, req->expires_at)
            && trv_words_add_text(words, req->ids ? "1" : "")
            && trv_words_add_text(words, req->partner)
            && trv_words_add_text(words, req->store);

    for (i = rv->done; added && i < rv->done + rv->batch; i++) {
        trv_id_format(&rv->ids[i], hex);
        added = trv_words_add(words, hex, sizeof(hex));
    }

    return added ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_trv_revoke_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    char                   *outcome;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        ngx_http_trv_revoke_failed(ad, reply, sent);
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        ngx_http_trv_revoke_failed(ad, NULL, 1);
        return;
    }

    outcome = reply->element[0]->str;

    if (ngx_strcmp(outcome, "done") == 0) {
        ngx_http_trv_revoke_done(ad, reply);

    } else if (ngx_strcmp(outcome, "unknown") == 0 && rv->request.ids) {
        ngx_http_trv_revoke_unknown(ad, reply);

    } else if (ngx_strcmp(outcome, "registered") == 0) {
        ngx_http_trv_revoke_registered(ad, reply);

    } else {
        ngx_http_trv_revoke_failed(ad, NULL, 1);
    }
}


static void
ngx_http_trv_revoke_done(ngx_http_trv_admin_t *ad, redisReply *reply)
{
    redisReply            **element;
    ngx_http_trv_proof_t   *pf;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;
    pf = rv->proof;
    element = reply->element;

    if (reply->elements != NGX_HTTP_TRV_REVOKE_WORDS) {
        ngx_http_trv_revoke_failed(ad, NULL, 1);
        return;
    }

    /* the batches before may have been lost with the old master */

    if (rv->request.ids == NULL && ngx_http_trv_proof_moved(pf, element[2])) {
        ngx_http_trv_revoke_restart(ad);
        return;
    }

    if (ngx_http_trv_proof_position(pf, element[1], element[2]) != NGX_OK) {
        ngx_http_trv_revoke_failed(ad, NULL, 1);
        return;
    }

    /* what a repetition says is of no interest: it is this request's own */

    if (rv->request.ids == NULL || pf->repeated == 0) {

        if (ngx_http_trv_revoke_items(rv, element[3]) != NGX_OK
            || ngx_http_trv_revoke_also(rv, element[4]) != NGX_OK)
        {
            ngx_http_trv_revoke_failed(ad, NULL, 1);
            return;
        }

        rv->also_more = (element[5]->type == REDIS_REPLY_STRING
                         && element[5]->len != 0);
    }

    rv->done += rv->batch;

    ngx_http_trv_revoke_next(ad);
}


static void
ngx_http_trv_revoke_unknown(ngx_http_trv_admin_t *ad, redisReply *reply)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;
    rv->unknown_ids = ngx_http_trv_revoke_ids(reply);

    rv->unknown(ad);
}


static void
ngx_http_trv_revoke_registered(ngx_http_trv_admin_t *ad, redisReply *reply)
{
    char  detail[160];

    (void) snprintf(detail, sizeof(detail),
                    "%zu of the tokens are on record, with an expiry of their "
                    "own: leave out \"expires_at\". Nothing was changed.",
                    reply->elements - 1);

    ngx_http_trv_admin_problem_with(ad, NGX_HTTP_CONFLICT, "registered",
               detail, json_pack("{s:o}", "ids",
                                 ngx_http_trv_revoke_ids(reply)));
}


static json_t *
ngx_http_trv_revoke_ids(redisReply *reply)
{
    size_t   i;
    json_t  *ids;

    ids = json_array();

    for (i = 1; i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            (void) json_array_append_new(ids,
                                  json_stringn(reply->element[i]->str,
                                               reply->element[i]->len));
        }
    }

    return ids;
}


static void
ngx_http_trv_revoke_finish(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (rv->count == 0) {
        rv->unknown(ad);                 /* a scope that hits nothing */
        return;
    }

    rv->proof->more = (rv->count > rv->proof->n);

    if (rv->request.dry_run) {
        rv->proof->wait_sec = 0;         /* nothing is waited for */
        ngx_http_trv_proof_edges(ad);

    } else {
        ngx_http_trv_proof_start(ad);
    }
}


/*
 * The difference between "nothing was changed" and "nobody knows" is the whole
 * point: only an answer of Redis that is given before a script runs, or a
 * command that never left, is the first.
 */

void
ngx_http_trv_revoke_failed(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    char                    detail[240];
    const char             *refusal;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;
    refusal = reply ? ngx_http_trv_admin_refusal(ad, reply) : NULL;

    if (rv->request.dry_run) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_SERVICE_UNAVAILABLE,
            "unavailable", "Redis does not answer. Nothing was changed: "
            "please try again.");
        return;
    }

    if (rv->count && rv->request.ids == NULL) {
        (void) snprintf(detail, sizeof(detail),
                        "Redis failed half-way: %llu of %llu tokens were "
                        "revoked and stay so, others may have been. Repeating "
                        "it is safe and revokes the rest.",
                        (unsigned long long) rv->count,
                        (unsigned long long) rv->hits);

        ngx_http_trv_admin_problem_with(ad, NGX_HTTP_GATEWAY_TIME_OUT,
                   "incomplete", detail,
                   json_pack("{s:I}", "count", (json_int_t) rv->count));
        return;
    }

    if (rv->proof->repeated == 0 && reply == NULL && !sent) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_SERVICE_UNAVAILABLE,
            "unavailable", "Redis cannot be reached. Nothing was changed: "
            "please try again.");
        return;
    }

    if (rv->proof->repeated == 0 && refusal) {
        (void) snprintf(detail, sizeof(detail), "Redis refused the "
                        "revocation (%s). Nothing was changed: please "
                        "try again.", refusal);

        ngx_http_trv_admin_problem(ad, NGX_HTTP_SERVICE_UNAVAILABLE,
                                   "unavailable", detail);
        return;
    }

    ngx_http_trv_admin_problem(ad, NGX_HTTP_GATEWAY_TIME_OUT,
        "outcome-unknown", "The revocation was sent and not answered: it may "
        "or may not be in force. Repeating it is safe and settles it.");
}


static void
ngx_http_trv_revoke_cleanup(void *data)
{
    ngx_http_trv_revoke_t  *rv = data;

    json_decref(rv->revoked);
    json_decref(rv->also_active);
    json_decref(rv->unknown_ids);

    trv_request_destroy(&rv->request);
}

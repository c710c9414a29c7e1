
#include "ngx_http_trv_proof.h"


#define NGX_HTTP_TRV_PROOF_POLL_MS   1   /* looks into the mapped table, at */
#define NGX_HTTP_TRV_PROOF_POLL_MAX  5   /* growing distances */
#define NGX_HTTP_TRV_PROOF_ASK_MS    5   /* asks for the other edges, ditto */
#define NGX_HTTP_TRV_PROOF_ASK_MAX   50


static void ngx_http_trv_proof_replicas(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_proof_replicas_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_proof_look(ngx_http_trv_admin_t *ad);
static ngx_uint_t ngx_http_trv_proof_seen(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_proof_edges_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static ngx_uint_t ngx_http_trv_proof_waits(ngx_http_trv_proof_t *pf);
static ngx_msec_t ngx_http_trv_proof_pause(ngx_http_trv_proof_t *pf,
    ngx_msec_t first, ngx_msec_t most);
static ngx_uint_t ngx_http_trv_proof_passed(ngx_msec_t deadline);


ngx_http_trv_proof_t *
ngx_http_trv_proof_create(ngx_http_trv_admin_t *ad)
{
    ngx_msec_t             wait;
    ngx_http_trv_proof_t  *pf;

    pf = ngx_pcalloc(ad->request->pool, sizeof(ngx_http_trv_proof_t));
    if (pf == NULL) {
        return NULL;
    }

    pf->wait_sec = ngx_http_trv_prefer_wait(ad->request);
    wait = pf->wait_sec * 1000;

    pf->patience = ngx_current_msec + wait;
    pf->deadline = ngx_current_msec + ngx_max(wait, ad->set->redis.timeout);

    ad->proof = pf;

    return pf;
}


ngx_int_t
ngx_http_trv_proof_position(ngx_http_trv_proof_t *pf, redisReply *position,
    redisReply *repl_id)
{
    if (position->type != REDIS_REPLY_STRING
        || repl_id->type != REDIS_REPLY_STRING
        || (size_t) repl_id->len >= sizeof(pf->repl_id)
        || trv_position_parse(position->str, position->len, &pf->position)
           != TRV_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(pf->repl_id, repl_id->str, repl_id->len + 1);

    return NGX_OK;
}


ngx_uint_t
ngx_http_trv_proof_moved(ngx_http_trv_proof_t *pf, redisReply *repl_id)
{
    return pf->repl_id[0] != '\0'
           && (repl_id->type != REDIS_REPLY_STRING
               || ngx_strcmp(repl_id->str, pf->repl_id) != 0);
}


void
ngx_http_trv_proof_start(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_proof_t  *pf;

    pf = ad->proof;

    pf->durable = 1;
    pf->refused = 0;
    pf->pause = 0;

    if (ad->set->wait_replicas) {
        ngx_http_trv_proof_replicas(ad);

    } else {
        ngx_http_trv_proof_look(ad);
    }
}


static void
ngx_http_trv_proof_replicas(ngx_http_trv_admin_t *ad)
{
    trv_words_t  *words;

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_NONE);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    /* WAIT must end before the link gives up: 0 would be for ever */

    (void) trv_words_add_text(words, "WAIT");
    (void) trv_words_add_number(words, ad->set->wait_replicas);
    (void) trv_words_add_number(words, ngx_max(ad->set->redis.timeout / 2, 1));

    ngx_http_trv_admin_ask(ad, &words->command,
                           ngx_http_trv_proof_replicas_reply);
}


static void
ngx_http_trv_proof_replicas_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent)
{
    ngx_http_trv_proof_t  *pf;

    pf = ad->proof;

    pf->durable = (reply && reply->type == REDIS_REPLY_INTEGER
                   && reply->integer >= ad->set->wait_replicas);

    ngx_http_trv_proof_look(ad);
}


/* until this worker sees every id in the table in force, or time is over */

static void
ngx_http_trv_proof_look(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_proof_t  *pf;

    pf = ad->proof;

    pf->in_force = ngx_http_trv_proof_seen(ad);

    if (!pf->in_force && !ngx_http_trv_proof_passed(pf->deadline)) {
        ngx_http_trv_admin_sleep(ad,
                 ngx_http_trv_proof_pause(pf, NGX_HTTP_TRV_PROOF_POLL_MS,
                                          NGX_HTTP_TRV_PROOF_POLL_MAX),
                 ngx_http_trv_proof_look);
        return;
    }

    pf->pause = 0;

    ngx_http_trv_proof_edges(ad);
}


static ngx_uint_t
ngx_http_trv_proof_seen(ngx_http_trv_admin_t *ad)
{
    trv_replica_t         *replica;
    trv_replica_state_t    state;
    ngx_http_trv_proof_t  *pf;

    pf = ad->proof;
    replica = ad->set->replica;

    while (pf->refused < pf->n
           && trv_replica_lookup(replica, &pf->ids[pf->refused]) == TRV_OK)
    {
        pf->refused++;
    }

    if (pf->refused < pf->n || !pf->more) {
        return pf->refused == pf->n;
    }

    trv_replica_state(replica, &state);

    return state.position_known
           && ngx_strcmp(state.repl_id, pf->repl_id) == 0
           && trv_position_cmp(&state.position, &pf->position) >= 0;
}


void
ngx_http_trv_proof_edges(ngx_http_trv_admin_t *ad)
{
    trv_words_t  *words;

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_EDGES);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_admin_ask(ad, &words->command,
                           ngx_http_trv_proof_edges_reply);
}


static void
ngx_http_trv_proof_edges_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    ngx_http_trv_proof_t  *pf;

    pf = ad->proof;

    /* the revocation itself is done: no answer here only means less to tell */

    pf->counted = ngx_http_trv_edges_count(ad->set, reply, &pf->position,
                                           pf->repl_id, pf->in_force,
                                           &pf->edges)
                  == NGX_OK;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_ERR, ad->set->log, 0,
                      "token revocation set \"%V\": redis does not tell the "
                      "edges: \"%s\"", &ad->set->name, reply->str);
    }

    /*
     * Another master: what the old one took may have been lost with it, and
     * its positions say nothing here
     */

    if (pf->counted && pf->edges.moved && pf->again
        && pf->repeated < NGX_HTTP_TRV_PROOF_REPEATS)
    {
        pf->repeated++;
        pf->again(ad);
        return;
    }

    if (ngx_http_trv_proof_waits(pf)) {
        ngx_http_trv_admin_sleep(ad,
                 ngx_http_trv_proof_pause(pf, NGX_HTTP_TRV_PROOF_ASK_MS,
                                          NGX_HTTP_TRV_PROOF_ASK_MAX),
                 ngx_http_trv_proof_edges);
        return;
    }

    if (pf->wait_sec
        && ngx_http_trv_prefer_applied(ad->request, pf->wait_sec) != NGX_OK)
    {
        ngx_http_trv_admin_error(ad);
        return;
    }

    pf->done(ad);
}


/* whether somebody who can confirm has not done so yet, and there is time */

static ngx_uint_t
ngx_http_trv_proof_waits(ngx_http_trv_proof_t *pf)
{
    return pf->in_force
           && !(pf->counted && pf->edges.settled
                && pf->edges.confirmed == pf->edges.live)
           && !ngx_http_trv_proof_passed(pf->patience);
}


json_t *
ngx_http_trv_proof_json(ngx_http_trv_proof_t *pf)
{
    if (!pf->counted) {
        return json_null();
    }

    return json_pack("{s:I, s:I, s:I}",
                     "live", (json_int_t) pf->edges.live,
                     "confirmed", (json_int_t) pf->edges.confirmed,
                     "lost", (json_int_t) pf->edges.lost);
}


static ngx_msec_t
ngx_http_trv_proof_pause(ngx_http_trv_proof_t *pf, ngx_msec_t first,
    ngx_msec_t most)
{
    pf->pause = pf->pause ? ngx_min(2 * pf->pause, most) : first;

    return pf->pause;
}


static ngx_uint_t
ngx_http_trv_proof_passed(ngx_msec_t deadline)
{
    return (ngx_msec_int_t) (deadline - ngx_current_msec) <= 0;
}

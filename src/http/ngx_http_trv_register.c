
#include "ngx_http_trv_body.h"
#include "ngx_http_trv_routes.h"
#include "trv_record.h"


#define NGX_HTTP_TRV_REGISTER_MAX_LEN  (64 * 1024 * 1024)    /* of lines */
#define NGX_HTTP_TRV_REGISTER_BATCH    200       /* lines a script: 4 ms */
#define NGX_HTTP_TRV_REGISTER_TURN     (128 * 1024)  /* bytes parsed at once:
                                                        1 ms */
#define NGX_HTTP_TRV_REGISTER_HEAD     3         /* words before the records */
#define NGX_HTTP_TRV_REGISTER_COUNTS   4         /* of the script's reply */


/*
 * JSON is parsed whole and put into Redis in one step: all or nothing.  Lines
 * are put there in batches, each of them all or nothing: read until there is a
 * batch -> ask the script -> read on -> answer.  At a line that will not do
 * the batch ends before it, so that all lines before it are on record, and
 * none after.
 */

typedef struct {
    trv_records_t       records;         /* the batch */
    trv_record_conf_t   conf;
    ngx_str_t           by;
    trv_command_t       command;
    u_char              length[NGX_INT64_LEN];
    u_char              kept[NGX_INT64_LEN];

    ngx_uint_t          line;            /* the last one parsed */
    size_t              parsed;          /* bytes, since the last batch */
    unsigned            any:1;           /* not only empty ones */
    ngx_uint_t         *lines;           /* of each record of the batch */
    json_int_t          counts[NGX_HTTP_TRV_REGISTER_COUNTS];

    ngx_uint_t          status;          /* of a refusal; 0: none yet */
    const char         *problem;
    char                detail[TRV_JSON_ERROR_LEN + 64];
    ngx_uint_t          refused;         /* the line it is about; 0: none */
} ngx_http_trv_register_t;


static ngx_int_t ngx_http_trv_register_init(ngx_http_trv_admin_t *ad,
    ngx_http_trv_register_t *rg);
static void ngx_http_trv_register_whole(ngx_http_trv_admin_t *ad);
static ngx_int_t ngx_http_trv_register_take(ngx_http_trv_admin_t *ad,
    ngx_int_t state);
static void ngx_http_trv_register_broken(ngx_http_trv_register_t *rg,
    ngx_uint_t status);
static ngx_int_t ngx_http_trv_register_lines(ngx_http_trv_admin_t *ad,
    ngx_int_t state);
static trv_rc_e ngx_http_trv_register_line(ngx_http_trv_register_t *rg,
    ngx_str_t *line);
static ngx_int_t ngx_http_trv_register_flush(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_register_ask(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_register_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_register_conflict(ngx_http_trv_admin_t *ad,
    const char *text);
static void ngx_http_trv_register_failed(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_register_refuse(ngx_http_trv_register_t *rg,
    ngx_uint_t status, const char *problem, const char *format, ...);
static void ngx_http_trv_register_answer(ngx_http_trv_admin_t *ad);
static json_t *ngx_http_trv_register_counts(ngx_http_trv_register_t *rg);
static void ngx_http_trv_register_cleanup(void *data);


static const char *const  ngx_http_trv_register_names[] = {
    "registered", "changed", "already", "skipped"
};


void
ngx_http_trv_register(ngx_http_trv_admin_t *ad)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_trv_register_t  *rg;

    cln = ngx_pool_cleanup_add(ad->request->pool,
                               sizeof(ngx_http_trv_register_t));
    if (cln == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    rg = cln->data;
    ngx_memzero(rg, sizeof(ngx_http_trv_register_t));

    cln->handler = ngx_http_trv_register_cleanup;
    ad->data = rg;

    if (ngx_http_trv_register_init(ad, rg) != NGX_OK) {
        ngx_http_trv_admin_error(ad);

    } else if (ad->lines) {
        ngx_http_trv_body_stream(ad, NGX_HTTP_TRV_REGISTER_MAX_LEN,
                                 ngx_http_trv_register_take);
    } else {
        ngx_http_trv_register_whole(ad);
    }
}


static ngx_int_t
ngx_http_trv_register_init(ngx_http_trv_admin_t *ad,
    ngx_http_trv_register_t *rg)
{
    size_t       n;
    ngx_pool_t  *pool;

    pool = ad->request->pool;
    n = NGX_HTTP_TRV_REGISTER_HEAD + TRV_RECORD_MAX_ARRAY;

    rg->conf.max_lifetime = ad->set->max_lifetime;

    rg->command.script = TRV_SCRIPT_REGISTER;
    rg->command.argv = ngx_palloc(pool, n * sizeof(char *));
    rg->command.argvlen = ngx_palloc(pool, n * sizeof(size_t));
    rg->lines = ngx_palloc(pool,
                           NGX_HTTP_TRV_REGISTER_BATCH * sizeof(ngx_uint_t));

    if (rg->command.argv == NULL || rg->command.argvlen == NULL
        || rg->lines == NULL
        || ngx_http_trv_admin_by(ad, &rg->by) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rg->command.argv[0] = (char *) rg->by.data;
    rg->command.argvlen[0] = rg->by.len;

    rg->command.argv[1] = (char *) rg->length;
    rg->command.argvlen[1] = ngx_sprintf(rg->length, "%i", ad->set->log_length)
                             - rg->length;

    rg->command.argv[2] = (char *) rg->kept;
    rg->command.argvlen[2] = ngx_sprintf(rg->kept, "%T",
                                         ad->set->token_records)
                             - rg->kept;

    return NGX_OK;
}


static void
ngx_http_trv_register_whole(ngx_http_trv_admin_t *ad)
{
    char                      error[TRV_JSON_ERROR_LEN];
    trv_rc_e                  rc;
    ngx_http_trv_register_t  *rg;

    rg = ad->data;
    rg->conf.now = ngx_time();

    rc = trv_records_parse(&rg->records, &rg->conf, (char *) ad->body.data,
                           ad->body.len, error);

    if (rc == TRV_OK) {
        ngx_http_trv_register_ask(ad);

    } else if (rc == TRV_INVALID) {
        error[0] = ngx_toupper(error[0]);
        ngx_http_trv_register_refuse(rg, NGX_HTTP_BAD_REQUEST, "bad-request",
                                     "%s", error);
        ngx_http_trv_register_answer(ad);

    } else {
        ngx_http_trv_admin_error(ad);
    }
}


static ngx_int_t
ngx_http_trv_register_take(ngx_http_trv_admin_t *ad, ngx_int_t state)
{
    ngx_int_t                 rc;
    ngx_http_trv_register_t  *rg;

    rg = ad->data;

    if (state >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_trv_register_broken(rg, state);
        return ngx_http_trv_register_flush(ad);
    }

    rc = ngx_http_trv_register_lines(ad, state);

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    if (rc == NGX_ERROR) {
        ngx_http_trv_admin_error(ad);
        return NGX_DONE;
    }

    if (!rg->any && rg->status == 0 && ad->body.len == 0) {
        ngx_http_trv_register_refuse(rg, NGX_HTTP_BAD_REQUEST, "bad-request",
                                     "The body holds no records");
    }

    return ngx_http_trv_register_flush(ad);
}


/* the lines end here, with this status */

static void
ngx_http_trv_register_broken(ngx_http_trv_register_t *rg, ngx_uint_t status)
{
    rg->refused = rg->line + 1;

    if (status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        ngx_http_trv_register_refuse(rg, status, "too-large", "The body must "
            "have at most %d bytes, and no more than client_max_body_size",
            NGX_HTTP_TRV_REGISTER_MAX_LEN);

    } else {
        ngx_http_trv_register_refuse(rg, status, "bad-request", "From line %ui "
                                     "on the body is not one of HTTP",
                                     rg->refused);
    }
}


/*
 * NGX_OK: there is a batch, or a refusal, or that was all; NGX_AGAIN: more is
 * to be read; NGX_ERROR: no memory.
 */

static ngx_int_t
ngx_http_trv_register_lines(ngx_http_trv_admin_t *ad, ngx_int_t state)
{
    size_t                    len;
    u_char                   *lf;
    trv_rc_e                  rc;
    ngx_str_t                 line;
    ngx_http_trv_register_t  *rg;

    rg = ad->data;
    rg->conf.now = ngx_time();

    while (ad->body.len) {

        if (rg->records.n == NGX_HTTP_TRV_REGISTER_BATCH
            || rg->parsed >= NGX_HTTP_TRV_REGISTER_TURN)
        {
            return NGX_OK;
        }

        lf = memchr(ad->body.data, LF, ad->body.len);

        /* one that is too long is refused before it has come to its end */

        if (lf == NULL && state == NGX_AGAIN
            && ad->body.len <= TRV_RECORD_MAX_LINE)
        {
            return NGX_AGAIN;
        }

        line.data = ad->body.data;
        line.len = lf ? (size_t) (lf - line.data) : ad->body.len;

        rc = ngx_http_trv_register_line(rg, &line);

        if (rc != TRV_OK) {
            return rc == TRV_INVALID ? NGX_OK : NGX_ERROR;
        }

        len = line.len + (lf != NULL);

        ad->body.data += len;
        ad->body.len -= len;
        rg->parsed += len;
    }

    return state;
}


/* TRV_OK; TRV_INVALID: refused; TRV_ERROR: no memory */

static trv_rc_e
ngx_http_trv_register_line(ngx_http_trv_register_t *rg, ngx_str_t *line)
{
    char      error[TRV_JSON_ERROR_LEN];
    size_t    i;
    trv_rc_e  rc;

    rg->line++;

    for (i = 0; i < line->len; i++) {
        if (line->data[i] != ' ' && line->data[i] != '\t'
            && line->data[i] != CR)
        {
            break;
        }
    }

    if (i == line->len) {
        return TRV_OK;                   /* an empty one */
    }

    rc = trv_records_add(&rg->records, &rg->conf, (char *) line->data,
                         line->len, error);

    if (rc == TRV_OK) {
        rg->lines[rg->records.n - 1] = rg->line;
        rg->any = 1;
    }

    if (rc == TRV_INVALID) {
        rg->refused = rg->line;
        ngx_http_trv_register_refuse(rg, NGX_HTTP_BAD_REQUEST, "bad-request",
                                     "Line %ui: %s", rg->line, error);
    }

    return rc;
}


/* what there is into Redis, then on; always NGX_DONE */

static ngx_int_t
ngx_http_trv_register_flush(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_register_t  *rg;

    rg = ad->data;
    rg->parsed = 0;

    if (rg->records.n) {
        ngx_http_trv_register_ask(ad);

    } else if (rg->status || (ad->body.len == 0
                              && !ad->request->reading_body))
    {
        ngx_http_trv_register_answer(ad);

    } else {
        /* nothing but empty lines: others have their turn too */
        ngx_http_trv_admin_sleep(ad, 1, ngx_http_trv_body_resume);
    }

    return NGX_DONE;
}


static void
ngx_http_trv_register_ask(ngx_http_trv_admin_t *ad)
{
    size_t                    i;
    trv_str_t                 record;
    trv_command_t            *command;
    ngx_http_trv_register_t  *rg;

    rg = ad->data;
    command = &rg->command;
    command->argc = NGX_HTTP_TRV_REGISTER_HEAD;

    for (i = 0; i < rg->records.n; i++) {
        record = trv_records_get(&rg->records, i);
        command->argv[command->argc] = record.data;
        command->argvlen[command->argc] = record.len;
        command->argc++;
    }

    ngx_http_trv_admin_ask(ad, command, ngx_http_trv_register_reply);
}


static void
ngx_http_trv_register_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    size_t                    i;
    ngx_http_trv_register_t  *rg;

    rg = ad->data;

    if (reply && reply->type == REDIS_REPLY_ERROR
        && ngx_strncmp(reply->str, "CONFLICT ", 9) == 0)
    {
        ngx_http_trv_register_conflict(ad, reply->str + 9);
        return;
    }

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != NGX_HTTP_TRV_REGISTER_COUNTS)
    {
        ngx_http_trv_register_failed(ad, reply, sent);
        return;
    }

    for (i = 0; i < NGX_HTTP_TRV_REGISTER_COUNTS; i++) {
        rg->counts[i] += reply->element[i]->integer;
    }

    trv_records_cut(&rg->records, 0);

    if (ad->lines && rg->status == 0) {
        ngx_http_trv_body_resume(ad);

    } else {
        ngx_http_trv_register_answer(ad);
    }
}


/* text: the number of a record, and what is the matter with it */

static void
ngx_http_trv_register_conflict(ngx_http_trv_admin_t *ad, const char *text)
{
    char                     *kind;
    ngx_uint_t                n, i;
    ngx_http_trv_register_t  *rg;

    static const struct {
        const char  *kind;
        const char  *detail;
    } details[] = {
        { " owner", "the token is on record with another partner or store, "
                    "and never changes its owner" },
        { " renews", "the token is on record as the renewal of another one" },
        { " original", "the token that it renews is of another partner or "
                       "store" },
        { "", "it does not fit what is on record" }
    };

    rg = ad->data;

    n = strtoul(text, &kind, 10);
    n = ngx_min(ngx_max(n, 1), rg->records.n);

    i = 0;

    while (details[i].kind[0] && ngx_strcmp(details[i].kind, kind) != 0) {
        i++;
    }

    if (ad->lines) {
        rg->refused = rg->lines[n - 1];
        ngx_http_trv_register_refuse(rg, NGX_HTTP_CONFLICT, "conflict",
                                     "Line %ui: %s", rg->refused,
                                     details[i].detail);
        trv_records_cut(&rg->records, n - 1);
        (void) ngx_http_trv_register_flush(ad);
        return;
    }

    ngx_http_trv_register_refuse(rg, NGX_HTTP_CONFLICT, "conflict",
                                 "Record number %ui: %s", n,
                                 details[i].detail);
    ngx_http_trv_register_answer(ad);
}


static void
ngx_http_trv_register_failed(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    const char               *refusal;
    ngx_http_trv_register_t  *rg;

    rg = ad->data;

    if (ad->lines) {
        rg->refused = rg->lines[0];
    }

    refusal = reply && reply->type == REDIS_REPLY_ERROR
              ? ngx_http_trv_admin_refusal(ad, reply) : NULL;

    if (refusal) {
        ngx_http_trv_register_refuse(rg, NGX_HTTP_SERVICE_UNAVAILABLE,
            "unavailable", "Redis refused it (%s): please try again", refusal);

    } else if (reply == NULL && !sent) {
        ngx_http_trv_register_refuse(rg, NGX_HTTP_SERVICE_UNAVAILABLE,
            "unavailable", "Redis cannot be reached: please try again");

    } else if (ad->lines) {
        ngx_http_trv_register_refuse(rg, NGX_HTTP_GATEWAY_TIME_OUT,
            "outcome-unknown", "Lines %ui to %ui were sent to Redis and not "
            "answered: they may or may not be on record. Repeating is safe "
            "and settles it", rg->refused, rg->lines[rg->records.n - 1]);

    } else {
        ngx_http_trv_register_refuse(rg, NGX_HTTP_GATEWAY_TIME_OUT,
            "outcome-unknown", "The records were sent to Redis and not "
            "answered: they may or may not be there. Repeating is safe and "
            "settles it");
    }

    ngx_http_trv_register_answer(ad);
}


/* replaces an earlier one, which was about lines behind those of the batch */

static void
ngx_http_trv_register_refuse(ngx_http_trv_register_t *rg, ngx_uint_t status,
    const char *problem, const char *format, ...)
{
    u_char   *p;
    va_list   args;

    rg->status = status;
    rg->problem = problem;

    va_start(args, format);
    p = ngx_vslprintf((u_char *) rg->detail,
                      (u_char *) rg->detail + sizeof(rg->detail) - 1, format,
                      args);
    va_end(args);

    *p = '\0';
}


static void
ngx_http_trv_register_answer(ngx_http_trv_admin_t *ad)
{
    u_char                   *p, detail[sizeof(((ngx_http_trv_register_t *) 0)
                                               ->detail) + 192];
    json_t                   *counts;
    ngx_http_trv_register_t  *rg;

    rg = ad->data;

    counts = ngx_http_trv_register_counts(rg);

    if (rg->status == 0) {
        ngx_http_trv_admin_json(ad, NGX_HTTP_OK, counts);
        return;
    }

    if (rg->refused == 0) {
        json_decref(counts);
        counts = NULL;

        p = ngx_sprintf(detail, "%s.%s", rg->detail,
                        rg->status == NGX_HTTP_GATEWAY_TIME_OUT
                        ? "" : " Nothing was changed.");

    } else {
        (void) json_object_set_new(counts, "line", json_integer(rg->refused));

        p = ngx_sprintf(detail, "%s. The lines before line %ui are on record: "
                        "repeating them is safe.", rg->detail, rg->refused);
    }

    *p = '\0';

    ngx_http_trv_admin_problem_with(ad, rg->status, rg->problem,
                                    (char *) detail, counts);
}


static json_t *
ngx_http_trv_register_counts(ngx_http_trv_register_t *rg)
{
    size_t   i;
    json_t  *counts;

    counts = json_object();

    for (i = 0; i < NGX_HTTP_TRV_REGISTER_COUNTS; i++) {
        (void) json_object_set_new(counts, ngx_http_trv_register_names[i],
                                   json_integer(rg->counts[i]));
    }

    return counts;
}


static void
ngx_http_trv_register_cleanup(void *data)
{
    ngx_http_trv_register_t  *rg = data;

    trv_records_destroy(&rg->records);
}

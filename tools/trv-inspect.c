
/*
 * trv-inspect DIR       what the replica in DIR holds: header, counts, days
 * trv-inspect DIR ID    whether this token id is in it
 * trv-inspect DIR -     the same for a token, read from standard input, so
 *                       that no list of processes shows it
 *
 * Reads only, takes no lock, and may look at a replica that is in use.
 *
 * Exit status: 0 printed, or revoked; 1 not in the set; 2 cannot be read.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trv_digest.h"
#include "trv_replica.h"
#include "trv_time.h"


#define INSPECT_IN     0
#define INSPECT_OUT    1
#define INSPECT_ERROR  2

#define INSPECT_DAYS       65536         /* UTC days are 16 bits */
#define INSPECT_TOKEN_MAX  65536         /* bytes of a token */


static int inspect_usage(void);
static trv_replica_t *inspect_open(const char *dir, trv_replica_state_t *state);
static int inspect_lookup(trv_replica_t *replica, const char *text);
static int inspect_id_read(const char *text, trv_id_t *id);
static int inspect_token_read(trv_id_t *id);
static int inspect_print(trv_replica_t *replica, const char *dir,
    const trv_replica_state_t *state);
static void inspect_print_state(const char *dir,
    const trv_replica_state_t *state);
static int inspect_print_days(trv_replica_t *replica,
    const trv_replica_state_t *state);
static trv_digest_t *inspect_count(const trv_table_t *table);
static const char *inspect_age(uint64_t ms, char text[32]);
static void inspect_day(uint32_t day, char text[TRV_TIME_LEN + 1]);


int
main(int argc, char **argv)
{
    int                   status;
    trv_replica_t        *replica;
    trv_replica_state_t   state;

    if (argc < 2 || argc > 3 || argv[1][0] == '-') {
        return inspect_usage();
    }

    replica = inspect_open(argv[1], &state);
    if (replica == NULL) {
        return INSPECT_ERROR;
    }

    status = (argc == 3) ? inspect_lookup(replica, argv[2])
                         : inspect_print(replica, argv[1], &state);

    trv_replica_close(replica);

    return status;
}


static int
inspect_usage(void)
{
    fprintf(stderr, "usage: trv-inspect DIR       what the replica holds\n"
                    "       trv-inspect DIR ID    whether the token id is in\n"
                    "       trv-inspect DIR -     ditto, a token on standard "
                    "input\n");

    return INSPECT_ERROR;
}


static trv_replica_t *
inspect_open(const char *dir, trv_replica_state_t *state)
{
    trv_rc_e        rc;
    trv_replica_t  *replica;

    replica = trv_replica_open(dir);
    if (replica == NULL) {
        fprintf(stderr, "trv-inspect: no memory\n");
        return NULL;
    }

    /* not a worker of an edge: leaves before it is counted as one */

    (void) trv_replica_leave(replica);

    rc = trv_replica_refresh(replica);

    if (rc == TRV_OK) {
        trv_replica_state(replica, state);
        return replica;
    }

    fprintf(stderr, "trv-inspect: \"%s\" %s%s\n", dir,
            rc == TRV_DECLINED ? "holds no replica of this version"
            : rc == TRV_CORRUPT ? "holds a file that fails its checks"
            : "cannot be read: ",
            rc == TRV_ERROR ? strerror(errno) : "");

    trv_replica_close(replica);

    return NULL;
}


static int
inspect_lookup(trv_replica_t *replica, const char *text)
{
    int       rc;
    char      hex[TRV_ID_HEX_LEN];
    trv_id_t  id;

    rc = strcmp(text, "-") == 0 ? inspect_token_read(&id)
                                : inspect_id_read(text, &id);
    if (rc != 0) {
        return INSPECT_ERROR;
    }

    trv_id_format(&id, hex);

    switch (trv_replica_lookup(replica, &id)) {

    case TRV_OK:
        printf("%.*s revoked\n", TRV_ID_HEX_LEN, hex);
        return INSPECT_IN;

    case TRV_DECLINED:
        printf("%.*s not in the set\n", TRV_ID_HEX_LEN, hex);
        return INSPECT_OUT;

    default:
        fprintf(stderr, "trv-inspect: the table cannot be mapped\n");
        return INSPECT_ERROR;
    }
}


static int
inspect_id_read(const char *text, trv_id_t *id)
{
    if (trv_id_parse(text, strlen(text), id) == TRV_OK) {
        return 0;
    }

    /* it may be a token, which is not repeated */

    fprintf(stderr, "trv-inspect: not a token id: %d lower-case hexadecimal "
                    "digits, not beginning with 16 zeros (a token goes to "
                    "standard input, with \"-\")\n", TRV_ID_HEX_LEN);

    return -1;
}


static int
inspect_token_read(trv_id_t *id)
{
    char      *token;
    size_t     len;
    trv_rc_e   rc;

    token = malloc(INSPECT_TOKEN_MAX);
    rc = TRV_ERROR;

    if (token != NULL) {
        len = fread(token, 1, INSPECT_TOKEN_MAX, stdin);

        if (len && token[len - 1] == '\n') {
            len--;
        }

        if (len == 0 || len >= INSPECT_TOKEN_MAX - 1) {
            rc = TRV_INVALID;
        } else {
            rc = trv_id_digest(token, len, id);
        }
    }

    free(token);

    if (rc != TRV_OK) {
        fprintf(stderr, "trv-inspect: %s\n",
                rc == TRV_INVALID ? "no token on standard input, or too long"
                                  : "no memory");
        return -1;
    }

    return 0;
}


static int
inspect_print(trv_replica_t *replica, const char *dir,
    const trv_replica_state_t *state)
{
    inspect_print_state(dir, state);

    if (state->generation == 0) {
        printf("table        none yet\n");
        return INSPECT_IN;
    }

    return inspect_print_days(replica, state);
}


static void
inspect_print_state(const char *dir, const trv_replica_state_t *state)
{
    char  contact[32], beat[32];

    printf("replica      %s\n", dir);
    printf("format       %d\n", TRV_FORMAT_VERSION);
    printf("instance     %s\n", state->instance);
    printf("set id       %s\n", state->set_id[0] ? state->set_id : "none yet");
    printf("filled       %s\n", state->away ? "yes, not merged since it was away"
                                         : state->filled ? "yes" : "no");
    printf("full         %s\n", state->full ? "yes" : "no");
    printf("agrees       %s\n", state->agrees ? "yes" : "no");

    if (state->position_known) {
        printf("position     %" PRIu64 "-%" PRIu64 ", replication id %s\n",
               state->position.ms, state->position.seq, state->repl_id);

    } else {
        printf("position     not known, will merge\n");
    }

    printf("contact      %s\n", inspect_age(state->contact_ms, contact));
    printf("writer       %s\n", inspect_age(state->beat_ms, beat));
}


static int
inspect_print_days(trv_replica_t *replica, const trv_replica_state_t *state)
{
    int            dir_fd;
    char           name[TRV_TABLE_NAME_LEN];
    char           day[TRV_TIME_LEN + 1], text[TRV_DIGEST_LEN + 1];
    uint32_t       i;
    trv_rc_e       rc;
    trv_table_t    table;
    trv_digest_t  *days, total;

    trv_table_name(state->generation, name);

    dir_fd = trv_replica_dir_open(replica);
    rc = trv_table_open(&table, dir_fd, name, state->generation, false);

    if (dir_fd != -1) {
        close(dir_fd);
    }

    days = (rc == TRV_OK) ? inspect_count(&table) : NULL;

    if (days == NULL) {
        fprintf(stderr, "trv-inspect: cannot read \"%s\"\n", name);
        return INSPECT_ERROR;
    }

    memset(&total, 0, sizeof(total));

    for (i = 0; i < INSPECT_DAYS; i++) {
        trv_digest_join(&total, &days[i]);
    }

    printf("table        %s: %" PRIu64 " of %" PRIu64 " slots (%.1f %%), "
           "%" PRIu64 " bytes\n", name, total.count, state->capacity,
           100.0 * (double) total.count / (double) state->capacity,
           state->bytes);

    printf("\nexpires      count:xor\n");

    for (i = 0; i < INSPECT_DAYS; i++) {
        if (days[i].count == 0) {
            continue;
        }

        inspect_day(i, day);
        (void) trv_digest_format(&days[i], text);
        printf("%-12s %s\n", day, text);
    }

    (void) trv_digest_format(&total, text);
    printf("total        %s\n", text);

    free(days);
    trv_table_close(&table);

    return INSPECT_IN;
}


/* a digest for each UTC day; NULL: no memory */

static trv_digest_t *
inspect_count(const trv_table_t *table)
{
    uint16_t       day;
    uint64_t       slot;
    trv_id_t       id;
    trv_digest_t  *days;

    days = calloc(INSPECT_DAYS, sizeof(trv_digest_t));

    for (slot = 0; days && slot < table->capacity; slot++) {
        if (trv_table_entry(table, slot, &id, &day) == TRV_OK) {
            trv_digest_add(&days[day], &id);
        }
    }

    return days;
}


/* the moments in a replica are of the clock that starts with the machine */

static const char *
inspect_age(uint64_t ms, char text[32])
{
    int64_t          age_ms;
    struct timespec  ts;

    if (ms == 0) {
        return "never";
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    age_ms = (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000 - (int64_t) ms;

    (void) snprintf(text, 32, "%.1f s ago", (double) age_ms / 1000);

    return text;
}


static void
inspect_day(uint32_t day, char text[TRV_TIME_LEN + 1])
{
    if (day == 0) {
        strcpy(text, "not written");     /* after a power loss: refused */
        return;
    }

    (void) trv_time_format((int64_t) day * TRV_DAY_SEC, text);
    text[sizeof("2027-03-01") - 1] = '\0';
}


#include <stdlib.h>
#include <string.h>

#include "trv_policy.h"
#include "trv_record.h"


#define NOW       1800000000
#define LIFETIME  (1826 * (int64_t) TRV_DAY_SEC)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* the next of the words that single blanks part */

static size_t
trv_fuzz_word(const char **p, const char *end)
{
    const char  *start;

    start = *p;

    while (*p < end && **p != ' ') {
        if ((unsigned char) **p <= ' ' || (unsigned char) **p >= 0x7f) {
            abort();
        }
        (*p)++;
    }

    if (*p < end) {
        (*p)++;
        return *p - start - 1;
    }

    return *p - start;
}


/* as register.lua will read it */

static void
trv_fuzz_record(trv_str_t record)
{
    size_t       i, n;
    trv_id_t     id;
    const char  *p, *end, *word;

    p = record.data;
    end = p + record.len;

    for (i = 0; i < 7; i++) {
        word = p;
        n = trv_fuzz_word(&p, end);

        if ((i == 0 && trv_id_parse(word, n, &id) != TRV_OK)
            || ((i == 1 || i == 2) && !trv_name_check(word, n))
            || (i == 3 && n > 10)
            || (i == 4 && (n == 0 || n > 10))
            || (i == 5 && n && trv_id_parse(word, n, &id) != TRV_OK))
        {
            abort();
        }
    }

    if (p != end) {
        abort();
    }
}


static void
trv_fuzz_rc(trv_rc_e rc, const char *error)
{
    if (rc != TRV_OK
        && (rc != TRV_INVALID || error[0] == '\0'
            || memchr(error, '\0', TRV_JSON_ERROR_LEN) == NULL))
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char            error[TRV_JSON_ERROR_LEN];
    size_t          i, n, was;
    trv_rc_e        rc;
    const char     *line, *end, *lf;
    trv_records_t   records;

    static const trv_record_conf_t  conf = { NOW, LIFETIME };

    memset(&records, 0, sizeof(records));
    memset(error, 'x', sizeof(error));

    rc = trv_records_parse(&records, &conf, (const char *) data, size, error);
    trv_fuzz_rc(rc, error);

    if (rc != TRV_OK && records.n != 0) {
        abort();
    }

    /* and as lines, behind what there is */

    line = (const char *) data;
    end = line + size;

    while (line < end && records.n < TRV_RECORD_MAX_ARRAY) {
        lf = memchr(line, '\n', end - line);
        lf = lf ? lf : end;

        was = records.n;
        memset(error, 'x', sizeof(error));
        rc = trv_records_add(&records, &conf, line, lf - line, error);
        trv_fuzz_rc(rc, error);

        if (records.n != was + (rc == TRV_OK)) {
            abort();
        }

        line = lf + 1;
    }

    n = records.n;

    for (i = 0; i < n; i++) {
        trv_fuzz_record(trv_records_get(&records, i));
    }

    trv_records_cut(&records, n / 2);

    if (n / 2) {
        trv_fuzz_record(trv_records_get(&records, n / 2 - 1));
    }

    trv_records_destroy(&records);

    return 0;
}

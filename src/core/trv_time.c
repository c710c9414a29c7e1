
/*
 * The C library does the calendar.  It is lenient (February 30 becomes March
 * 2), so what was parsed must come back the same when it is formatted.
 */

#define _GNU_SOURCE                      /* timegm() */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "trv_time.h"


trv_rc_e
trv_time_parse(const char *text, size_t len, int64_t *sec)
{
    char       copy[TRV_TIME_LEN + 1], back[TRV_TIME_LEN + 1];
    time_t     t;
    struct tm  tm;

    if (len != TRV_TIME_LEN) {
        return TRV_INVALID;
    }

    memcpy(copy, text, len);
    copy[len] = '\0';

    memset(&tm, 0, sizeof(tm));

    if (sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%2dZ", &tm.tm_year, &tm.tm_mon,
               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec)
        != 6)
    {
        return TRV_INVALID;
    }

    tm.tm_year -= 1900;
    tm.tm_mon -= 1;

    t = timegm(&tm);

    if (trv_time_format(t, back) != TRV_OK || memcmp(copy, back, len) != 0) {
        return TRV_INVALID;
    }

    *sec = t;

    return TRV_OK;
}


trv_rc_e
trv_time_format(int64_t sec, char text[TRV_TIME_LEN + 1])
{
    time_t     t;
    struct tm  tm;

    t = sec;

    if (gmtime_r(&t, &tm) == NULL
        || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
    {
        return TRV_INVALID;
    }

    (void) snprintf(text, TRV_TIME_LEN + 1, "%04u-%02u-%02uT%02u:%02u:%02uZ",
                    (tm.tm_year + 1900) % 10000u, (tm.tm_mon + 1) % 100u,
                    tm.tm_mday % 100u, tm.tm_hour % 100u, tm.tm_min % 100u,
                    tm.tm_sec % 100u);

    return TRV_OK;
}


/*
 * Moments in text: RFC 3339, 5.6, in UTC and whole seconds, one spelling:
 * "2027-03-01T00:00:00Z".
 */

#ifndef TRV_TIME_H
#define TRV_TIME_H

#include "trv_core.h"


#define TRV_TIME_LEN  20                 /* bytes, without a zero */


/* text -> Unix seconds; TRV_INVALID: another form, or no such moment */
trv_rc_e trv_time_parse(const char *text, size_t len, int64_t *sec);

/* Unix seconds, years 0 to 9999 -> text; TRV_INVALID for others */
trv_rc_e trv_time_format(int64_t sec, char text[TRV_TIME_LEN + 1]);


#endif /* TRV_TIME_H */


/* Times that were measured: how many, the median, 99 of 100, the longest. */

#ifndef CROWD_SAMPLE_H
#define CROWD_SAMPLE_H

#include <stddef.h>
#include <stdint.h>


typedef struct {
    double          *values;
    size_t           n;
    size_t           room;
} crowd_sample_t;


/* takes up one more */
void crowd_sample(crowd_sample_t *s, uint64_t ns);

/* a line "name n median 99 longest", in ms; sorts them */
void crowd_print(const char *name, crowd_sample_t *s);


#endif /* CROWD_SAMPLE_H */

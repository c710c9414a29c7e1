
#include <stdio.h>
#include <stdlib.h>

#include "crowd_sample.h"


static int crowd_compare(const void *one, const void *two);


void
crowd_sample(crowd_sample_t *s, uint64_t ns)
{
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 1024;
        s->values = realloc(s->values, s->room * sizeof(double));
    }

    s->values[s->n++] = (double) ns / 1e6;
}


static int
crowd_compare(const void *one, const void *two)
{
    double  a, b;

    a = *(const double *) one;
    b = *(const double *) two;

    return (a > b) - (a < b);
}


void
crowd_print(const char *name, crowd_sample_t *s)
{
    printf("%s %zu", name, s->n);

    if (s->n) {
        qsort(s->values, s->n, sizeof(double), crowd_compare);
        printf(" %.3f %.3f %.3f", s->values[s->n / 2],
               s->values[(s->n - 1) * 99 / 100], s->values[s->n - 1]);
    }

    printf("\n");
}

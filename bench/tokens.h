
/*
 * The tokens of all measurements, by number: token n is always the same text,
 * and no two are alike.  43 bytes are what 256 random bits look like in
 * base64url; 900 bytes are a JWT.
 */

#ifndef BENCH_TOKENS_H
#define BENCH_TOKENS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>


/* tokens from this number on are in no set */
#define BENCH_FREE  ((uint64_t) 1 << 40)


/* splitmix64 (Steele, Lea, Flood 2014): a bijection, so no token comes twice */
static inline uint64_t
bench_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;

    return x ^ (x >> 31);
}


/* len characters and a terminating zero; two dots, as in a JWT, if it is long */
static inline void
bench_token(uint64_t n, char *text, size_t len)
{
    size_t    i;
    uint64_t  bits;

    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789-_";
    bits = 0;

    for (i = 0; i < len; i++) {
        if (i % 10 == 0) {
            bits = bench_mix(n ^ (uint64_t) (i / 10) << 48);
        }

        text[i] = alphabet[bits & 63];
        bits >>= 6;
    }

    if (len > 300) {
        text[36] = '.';
        text[len - 87] = '.';
    }

    text[len] = '\0';
}


#endif /* BENCH_TOKENS_H */

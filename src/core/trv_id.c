
/*
 * SHA-256 by the functions that OpenSSL has for it alone, its state on the
 * stack.  The interface for any digest frees and allocates a state for each
 * token and takes a lock: 0.45 of the 1.2 us that the module then took a call.
 * What fits into one block, as most tokens do, is padded here: collecting
 * input that may come in pieces, and wiping it, is a quarter of the digest.
 */

/* deprecated since OpenSSL 3.0, but in all its versions, and in its forks */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <string.h>

#include <openssl/sha.h>

#include "trv_id.h"
#include "trv_number.h"


/* bytes that leave room for the padding in one block */
#define TRV_ID_ONE_BLOCK  (SHA256_CBLOCK - 9)


static trv_rc_e trv_id_sha256(const char *token, size_t len, trv_id_t *id);
static void trv_id_sha256_block(const char *token, size_t len, trv_id_t *id);
static uint64_t trv_id_half(const unsigned char *p);
static void trv_id_half_format(uint64_t half, char *hex);


trv_rc_e
trv_id_digest(const char *token, size_t len, trv_id_t *id)
{
    if (len <= TRV_ID_ONE_BLOCK) {
        trv_id_sha256_block(token, len, id);

    } else if (trv_id_sha256(token, len, id) != TRV_OK) {
        return TRV_ERROR;
    }

    if (id->hi == 0) {
        id->hi = 1;                      /* zero marks an empty slot */
    }

    return TRV_OK;
}


static trv_rc_e
trv_id_sha256(const char *token, size_t len, trv_id_t *id)
{
    SHA256_CTX     ctx;
    unsigned char  md[SHA256_DIGEST_LENGTH];

    if (SHA256_Init(&ctx) != 1
        || SHA256_Update(&ctx, token, len) != 1
        || SHA256_Final(md, &ctx) != 1)
    {
        return TRV_ERROR;
    }

    id->hi = trv_id_half(md);
    id->lo = trv_id_half(md + 8);

    return TRV_OK;
}


/* the padding: a bit that is set, zeros, the length in bits; FIPS 180-4, 5.1 */

static void
trv_id_sha256_block(const char *token, size_t len, trv_id_t *id)
{
    SHA256_CTX     ctx;
    unsigned char  block[SHA256_CBLOCK];

    /* FIPS 180-4, 5.3.3 */

    static const SHA_LONG  start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
    };

    memset(block, 0, sizeof(block));
    memcpy(block, token, len);
    block[len] = 0x80;
    block[SHA256_CBLOCK - 2] = (unsigned char) (len * 8 >> 8);
    block[SHA256_CBLOCK - 1] = (unsigned char) (len * 8);

    memcpy(ctx.h, start, sizeof(start));
    SHA256_Transform(&ctx, block);

    id->hi = (uint64_t) ctx.h[0] << 32 | ctx.h[1];
    id->lo = (uint64_t) ctx.h[2] << 32 | ctx.h[3];
}


trv_rc_e
trv_id_parse(const char *hex, size_t len, trv_id_t *id)
{
    trv_id_t  parsed;

    if (len != TRV_ID_HEX_LEN
        || trv_number_parse_hex(hex, 16, &parsed.hi) != TRV_OK
        || trv_number_parse_hex(hex + 16, 16, &parsed.lo) != TRV_OK
        || parsed.hi == 0)
    {
        return TRV_INVALID;
    }

    *id = parsed;

    return TRV_OK;
}


void
trv_id_format(const trv_id_t *id, char hex[TRV_ID_HEX_LEN])
{
    trv_id_half_format(id->hi, hex);
    trv_id_half_format(id->lo, hex + 16);
}


static uint64_t
trv_id_half(const unsigned char *p)
{
    uint64_t  half;

    memcpy(&half, p, sizeof(half));

#if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
    half = __builtin_bswap64(half);
#endif

    return half;
}


static void
trv_id_half_format(uint64_t half, char *hex)
{
    int  i;

    for (i = 15; i >= 0; i--) {
        hex[i] = "0123456789abcdef"[half & 0xf];
        half >>= 4;
    }
}


/*
 * SHA-256 through OpenSSL's EVP.  Fetching the algorithm costs more than the
 * digest of a short token, so it is fetched once and its context is kept.
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "trv_id.h"
#include "trv_number.h"


struct trv_id_hash_s {
    EVP_MD      *md;
    EVP_MD_CTX  *ctx;
};


static uint64_t trv_id_half(const unsigned char *p);
static void trv_id_half_format(uint64_t half, char *hex);


trv_id_hash_t *
trv_id_hash_create(void)
{
    trv_id_hash_t  *hash;

    hash = calloc(1, sizeof(trv_id_hash_t));
    if (hash == NULL) {
        return NULL;
    }

    hash->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    hash->ctx = EVP_MD_CTX_new();

    if (hash->md == NULL || hash->ctx == NULL) {
        trv_id_hash_destroy(hash);
        return NULL;
    }

    return hash;
}


void
trv_id_hash_destroy(trv_id_hash_t *hash)
{
    if (hash == NULL) {
        return;
    }

    EVP_MD_CTX_free(hash->ctx);
    EVP_MD_free(hash->md);
    free(hash);
}


trv_rc_e
trv_id_digest(trv_id_hash_t *hash, const char *token, size_t len, trv_id_t *id)
{
    unsigned int   md_len;
    unsigned char  md[EVP_MAX_MD_SIZE];

    if (EVP_DigestInit_ex2(hash->ctx, hash->md, NULL) != 1
        || EVP_DigestUpdate(hash->ctx, token, len) != 1
        || EVP_DigestFinal_ex(hash->ctx, md, &md_len) != 1)
    {
        return TRV_ERROR;
    }

    id->hi = trv_id_half(md);
    id->lo = trv_id_half(md + 8);

    if (id->hi == 0) {
        id->hi = 1;                      /* zero marks an empty slot */
    }

    return TRV_OK;
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

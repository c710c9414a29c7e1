
/*
 * All that is not to the letter is refused: whatever we would trim or repair,
 * the upstream might read in another way, and a revoked token would pass in
 * the spelling that we do not know.
 */

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "trv_bearer.h"
#include "trv_escape.h"


/* characters that are looked at at once: a JWT has a thousand of them */
#define TRV_BEARER_BLOCK  16


typedef struct {
    const char  *p;
    const char  *end;
} trv_bearer_rest_t;


/* of GCC and Clang, for any processor: comparing sets all bits of a byte */
typedef uint8_t  trv_bearer_vector_t
    __attribute__((vector_size(TRV_BEARER_BLOCK)));


static bool trv_bearer_begins(const char *value, size_t len);
static trv_rc_e trv_bearer_other(const char *value, size_t len);
static inline bool trv_bearer_block(const char *p);
static bool trv_bearer_hidden(const char *p, const char *end);
static bool trv_bearer_same_name(const char *p, size_t len,
    const trv_str_t *name);
static bool trv_bearer_in_name(char c);
static int trv_bearer_fold(char c);
static bool trv_bearer_behind_blank(const char *p, const char *end,
    const trv_str_t *name);
static trv_rc_e trv_bearer_pair(const char *pair, size_t len,
    const trv_str_t *name, char *buf, trv_str_t *token);
static bool trv_bearer_next(trv_bearer_rest_t *rest, const char *separators,
    trv_str_t *part);
static bool trv_bearer_beside(const trv_str_t *part, const char *start,
    const char *end, char separator);


static const char  trv_bearer_word[] = "bearer";


/* characters of a scheme, "tchar" of RFC 9110, 5.6.2 */

static const bool  trv_bearer_tchars[256] = {
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true,
    ['0' ... '9'] = true,
    ['!'] = true,
    ['#' ... '\''] = true,
    ['*' ... '+'] = true,
    ['-' ... '.'] = true,
    ['^' ... '`'] = true,
    ['|'] = true,
    ['~'] = true
};


trv_rc_e
trv_bearer_parse(const char *value, size_t len, trv_str_t *token)
{
    const char  *p, *end;

    if (!trv_bearer_begins(value, len)) {
        return trv_bearer_other(value, len);
    }

    p = value + sizeof(trv_bearer_word);
    end = value + len;

    while (p < end && *p == ' ') {
        p++;
    }

    if (trv_bearer_token_check(p, end - p) != TRV_OK) {
        return TRV_INVALID;
    }

    token->data = p;
    token->len = end - p;

    return TRV_OK;
}


/* with the scheme, in any case, one blank, and something more */

static bool
trv_bearer_begins(const char *value, size_t len)
{
    uint64_t  text;

    if (len < sizeof(text)) {
        return false;
    }

    /* only letters become letters by this bit, which makes them small */

    memcpy(&text, value, sizeof(text));
    text |= 0x2020202020202020u;

    return memcmp(&text, trv_bearer_word, sizeof(trv_bearer_word) - 1) == 0
           && value[sizeof(trv_bearer_word) - 1] == ' ';
}


/* INVALID: there is no scheme that all agree on, or a token may be behind it */

static trv_rc_e
trv_bearer_other(const char *value, size_t len)
{
    const char  *p, *end;

    if (len == 0) {
        return TRV_DECLINED;
    }

    p = value;
    end = value + len;

    while (p < end && trv_bearer_tchars[(uint8_t) *p]) {
        p++;
    }

    if (p == value || (p < end && *p != ' ')
        || (p - value == sizeof(trv_bearer_word) - 1
            && strncasecmp(value, trv_bearer_word, p - value) == 0))
    {
        return TRV_INVALID;
    }

    return trv_bearer_hidden(value, end) ? TRV_INVALID : TRV_DECLINED;
}


trv_rc_e
trv_bearer_token_check(const char *value, size_t len)
{
    char    block[TRV_BEARER_BLOCK];
    size_t  i;

    if (len > TRV_BEARER_MAX_LEN) {
        return TRV_INVALID;
    }

    while (len && value[len - 1] == '=') {
        len--;
    }

    if (len == 0) {
        return TRV_INVALID;
    }

    if (len < sizeof(block)) {
        memset(block, 'A', sizeof(block));
        memcpy(block, value, len);

        return trv_bearer_block(block) ? TRV_OK : TRV_INVALID;
    }

    for (i = 0; i < len - sizeof(block); i += sizeof(block)) {
        if (!trv_bearer_block(value + i)) {
            return TRV_INVALID;
        }
    }

    /* the rest, with some that were looked at already */

    return trv_bearer_block(value + len - sizeof(block)) ? TRV_OK
                                                         : TRV_INVALID;
}


/* whether all in a block are characters of a b64token, but for its padding */

static inline bool
trv_bearer_block(const char *p)
{
    uint64_t             all[2];
    trv_bearer_vector_t  c, letters;

    memcpy(&c, p, sizeof(c));

    letters = c | 0x20;                  /* only letters become small ones */

    c = (trv_bearer_vector_t) ((letters - 'a' <= 'z' - 'a')
                               | (c - '-' <= '9' - '-')          /* - . / 0 */
                               | (c == '+') | (c == '_') | (c == '~'));

    memcpy(all, &c, sizeof(all));

    return (all[0] & all[1]) == UINT64_MAX;
}


trv_rc_e
trv_bearer_arg(const char *query, size_t len, const trv_str_t *name, char *buf,
    trv_str_t *token)
{
    trv_rc_e           rc;
    trv_str_t          pair;
    unsigned           found;
    trv_bearer_rest_t  rest;

    found = 0;

    rest.p = query;
    rest.end = query + len;

    /* a semicolon separated arguments once, and some still read it so */

    while (trv_bearer_next(&rest, "&;", &pair)) {
        rc = trv_bearer_pair(pair.data, pair.len, name, buf, token);

        if (rc == TRV_DECLINED) {
            continue;
        }

        if (rc != TRV_OK || trv_bearer_beside(&pair, query, rest.end, ';')
            || found++)
        {
            return TRV_INVALID;
        }

        buf += token->len;               /* the names to come go behind it */
    }

    return found ? TRV_OK : TRV_DECLINED;
}


trv_rc_e
trv_bearer_cookie(const char *value, size_t len, const trv_str_t *name,
    trv_str_t *token)
{
    bool               comma;
    unsigned           found;
    trv_str_t          pair;
    const char        *equal;
    trv_bearer_rest_t  rest;

    found = 0;

    rest.p = value;
    rest.end = value + len;

    /* a comma separated cookies once (RFC 2965), and some still read it so */

    while (trv_bearer_next(&rest, ";,", &pair)) {

        comma = trv_bearer_beside(&pair, value, rest.end, ',');

        while (pair.len && (*pair.data == ' ' || *pair.data == '\t')) {
            pair.data++;
            pair.len--;
        }

        equal = memchr(pair.data, '=', pair.len);
        if (equal == NULL) {
            continue;
        }

        if (trv_bearer_behind_blank(equal + 1, pair.data + pair.len, name)) {
            return TRV_INVALID;
        }

        /* nginx' own $cookie_NAME is one that takes any case */

        if (!trv_bearer_same_name(pair.data, equal - pair.data, name)) {
            continue;
        }

        token->data = equal + 1;
        token->len = pair.data + pair.len - token->data;

        if (comma || found++ || (size_t) (equal - pair.data) != name->len
            || memcmp(pair.data, name->data, name->len) != 0
            || trv_bearer_token_check(token->data, token->len) != TRV_OK)
        {
            return TRV_INVALID;
        }
    }

    return found ? TRV_OK : TRV_DECLINED;
}


/*
 * Whether the credentials of another scheme hold bearer credentials too:
 * "Basic x, Bearer y" is what a proxy makes of two headers, and some upstream
 * takes the second; another looks for the word anywhere.
 */

static bool
trv_bearer_hidden(const char *p, const char *end)
{
    const size_t  len = sizeof(trv_bearer_word) - 1;

    for ( /* void */ ; (size_t) (end - p) >= len; p++) {

        if (strncasecmp(p, trv_bearer_word, len) != 0) {
            continue;
        }

        if (p + len == end
            ? p[-1] == ',' || p[-1] == ' ' || p[-1] == '\t'
            : p[len] == ' ' || p[len] == '\t')
        {
            return true;
        }
    }

    return false;
}


/*
 * Whether some upstream takes an argument or cookie for the one of this name:
 * what cannot be in a name is skipped before it by some (blanks, `?`, `[`), and
 * ends it for some (a zero byte, `[`, `]`, blanks); PHP reads `_` for others.
 */

static bool
trv_bearer_same_name(const char *p, size_t len, const trv_str_t *name)
{
    size_t  i;

    while (len > 0 && !trv_bearer_in_name(*p)) {
        p++;
        len--;
    }

    if (len < name->len) {
        return false;
    }

    for (i = 0; i < name->len; i++) {
        if (trv_bearer_fold(p[i]) != trv_bearer_fold(name->data[i])) {
            return false;
        }
    }

    return len == name->len || !trv_bearer_in_name(p[name->len]);
}


static bool
trv_bearer_in_name(char c)
{
    return isalnum((unsigned char) c) || c == '.' || c == '_' || c == '-';
}


static int
trv_bearer_fold(char c)
{
    return (c == '.' || c == ' ' || c == '+' || c == '[') ? '_'
           : tolower((unsigned char) c);
}


/* whether a value holds another cookie, for those to whom a blank ends it */

static bool
trv_bearer_behind_blank(const char *p, const char *end, const trv_str_t *name)
{
    const char  *equal, *start, *last;

    for ( /* void */ ; (equal = memchr(p, '=', end - p)) != NULL;
          p = equal + 1)
    {
        last = equal;

        while (last > p && (unsigned char) last[-1] <= ' ') {
            last--;
        }

        start = last;

        while (start > p && (unsigned char) start[-1] > ' ') {
            start--;
        }

        if (start > p && trv_bearer_same_name(start, last - start, name)) {
            return true;
        }
    }

    return false;
}


/* one argument */

static trv_rc_e
trv_bearer_pair(const char *pair, size_t len, const trv_str_t *name, char *buf,
    trv_str_t *token)
{
    size_t       name_len, decoded_len;
    const char  *equal;

    equal = memchr(pair, '=', len);
    name_len = equal ? (size_t) (equal - pair) : len;

    /* what is no escape to us (%u0061) may be one to others */

    if (trv_escape_decode(pair, name_len, buf, &decoded_len) != TRV_OK) {
        return TRV_INVALID;
    }

    if (!trv_bearer_same_name(buf, decoded_len, name)) {
        return TRV_DECLINED;
    }

    if (equal == NULL || name_len != name->len
        || memcmp(pair, name->data, name->len) != 0)
    {
        return TRV_INVALID;              /* the name in another spelling */
    }

    equal++;
    len -= name_len + 1;

    /* a raw plus is a plus to some and a blank to others */

    if (memchr(equal, '+', len) != NULL
        || trv_escape_decode(equal, len, buf, &decoded_len) != TRV_OK)
    {
        return TRV_INVALID;
    }

    token->data = buf;
    token->len = decoded_len;

    return trv_bearer_token_check(token->data, token->len);
}


/* the next part that is not empty, up to any of two separators */

static bool
trv_bearer_next(trv_bearer_rest_t *rest, const char *separators,
    trv_str_t *part)
{
    while (rest->p < rest->end) {
        part->data = rest->p;

        while (rest->p < rest->end && *rest->p != separators[0]
               && *rest->p != separators[1])
        {
            rest->p++;
        }

        part->len = rest->p - part->data;

        if (rest->p < rest->end) {
            rest->p++;                   /* the separator */
        }

        if (part->len) {
            return true;
        }
    }

    return false;
}


/* whether a part is next to a separator that not all readers split at */

static bool
trv_bearer_beside(const trv_str_t *part, const char *start, const char *end,
    char separator)
{
    const char  *last;

    last = part->data + part->len;

    return (part->data > start && part->data[-1] == separator)
           || (last < end && *last == separator);
}


/*
 * A command for Redis: either plain words, or one of our scripts with its
 * ARGV.  Keys are not part of it: every script gets the same KEYS, see
 * src/lua/prelude.lua.
 */

#ifndef TRV_COMMAND_H
#define TRV_COMMAND_H

#include "trv_core.h"


/* name in capitals, file name in src/lua */
#define TRV_SCRIPTS(X)                                                        \
    X(HEARTBEAT, heartbeat)                                                   \
    X(REPORT, report)                                                         \
    X(TRIES, tries)                                                           \
    X(MINUTES, minutes)                                                       \
    X(ADOPT, adopt)                                                           \
    X(DIGESTS, digests)                                                       \
    X(PAGE, page)                                                             \
    X(MERGE, merge)                                                           \
    X(REPAIR, repair)                                                         \
    X(PRUNE, prune)                                                           \
    X(REVOKE, revoke)                                                         \
    X(SCOPE, scope)                                                           \
    X(LIST, list)                                                             \
    X(GET, get)                                                               \
    X(EDGES, edges)                                                           \
    X(HISTORY, history)                                                       \
    X(LOG, log)                                                               \
    X(REGISTER, register)                                                     \
    X(TOKENS, tokens)                                                         \
    X(TOKEN, token)


typedef enum {
    TRV_SCRIPT_NONE = 0,                 /* argv is the whole command */
#define TRV_SCRIPT_X(upper, lower)  TRV_SCRIPT_##upper,
    TRV_SCRIPTS(TRV_SCRIPT_X)
#undef TRV_SCRIPT_X
    TRV_SCRIPT_N
} trv_script_e;


typedef struct {
    trv_script_e   script;
    int            argc;
    const char   **argv;                 /* of the caller, as are the bytes */
    size_t        *argvlen;
} trv_command_t;


/* room for a batch: 1000 ids with their expiries, and a few words more */
#define TRV_COMMAND_MAX_IDS   1000
#define TRV_COMMAND_MAX_ARGS  (2 * TRV_COMMAND_MAX_IDS + 16)
#define TRV_COMMAND_MAX_LEN   (64 * 1024)        /* bytes of all words */


/* a command with room for its words; made anew by each trv_words_begin() */
typedef struct {
    trv_command_t  command;
    const char    *argv[TRV_COMMAND_MAX_ARGS];
    size_t         argvlen[TRV_COMMAND_MAX_ARGS];
    size_t         used;
    char           text[TRV_COMMAND_MAX_LEN];
} trv_words_t;


void trv_words_begin(trv_words_t *w, trv_script_e script);

/* each adds a copy; false: no room, nothing was added */
bool trv_words_add(trv_words_t *w, const char *data, size_t len);
bool trv_words_add_text(trv_words_t *w, const char *text);
bool trv_words_add_number(trv_words_t *w, uint64_t n);


#endif /* TRV_COMMAND_H */

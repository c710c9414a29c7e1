
/*
 * The words of a command are copied one behind the other into one buffer, so
 * that a batch of a thousand ids costs no allocation.
 */

#include <stdio.h>
#include <string.h>

#include "trv_command.h"


void
trv_words_begin(trv_words_t *w, trv_script_e script)
{
    w->command.script = script;
    w->command.argc = 0;
    w->command.argv = w->argv;
    w->command.argvlen = w->argvlen;
    w->used = 0;
}


bool
trv_words_add(trv_words_t *w, const char *data, size_t len)
{
    char  *p;

    if (w->command.argc == TRV_COMMAND_MAX_ARGS
        || len > TRV_COMMAND_MAX_LEN - w->used)
    {
        return false;
    }

    p = w->text + w->used;
    memcpy(p, data, len);
    w->used += len;

    w->argv[w->command.argc] = p;
    w->argvlen[w->command.argc] = len;
    w->command.argc++;

    return true;
}


bool
trv_words_add_text(trv_words_t *w, const char *text)
{
    return trv_words_add(w, text, strlen(text));
}


bool
trv_words_add_number(trv_words_t *w, uint64_t n)
{
    int   len;
    char  text[21];

    len = snprintf(text, sizeof(text), "%llu", (unsigned long long) n);

    return trv_words_add(w, text, (size_t) len);
}


#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "call_list.h"


static const char     **call_tokens;
static size_t           call_tokens_n;
static atomic_size_t   *call_shared;     /* tokens given out, path to call */


static void
call_fail(const char *what)
{
    perror(what);
    exit(1);
}


void
call_list(const char *name, const char *counter)
{
    char    line[CALL_TOKEN_LEN + 2];
    FILE   *list;
    size_t  room = 0;

    list = fopen(name, "r");

    if (list == NULL) {
        call_fail(name);
    }

    while (fgets(line, sizeof(line), list)) {
        line[strcspn(line, "\n")] = '\0';

        if (call_tokens_n == room) {
            room = 2 * room + 1024;
            call_tokens = realloc(call_tokens, room * sizeof(char *));
        }

        call_tokens[call_tokens_n++] = strdup(line);
    }

    fclose(list);

    call_shared = mmap(NULL, 2 * sizeof(*call_shared), PROT_READ|PROT_WRITE,
                       MAP_SHARED, open(counter, O_RDWR), 0);

    if (call_shared == MAP_FAILED) {
        call_fail(counter);
    }
}


const char *
call_token(void)
{
    return call_tokens[atomic_fetch_add(&call_shared[0], 1) % call_tokens_n];
}


size_t
call_aim(void)
{
    return atomic_load(&call_shared[1]);
}

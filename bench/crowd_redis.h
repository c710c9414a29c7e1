
/*
 * Commands to Redis as the module sends them, and what is asked about it.
 * Whatever fails ends the program.
 */

#ifndef CROWD_REDIS_H
#define CROWD_REDIS_H

#include <stdint.h>
#include <hiredis/hiredis.h>

#include "trv_command.h"


#define CROWD_KEY  "{partners}:"
#define CROWD_LOG  CROWD_KEY "log"


void crowd_die(const char *what, const char *why);

/* the path of a socket, or HOST:PORT */
redisContext *crowd_connect(const char *address);

void crowd_load_scripts(redisContext *redis);

/* without waiting for the reply */
void crowd_send(redisContext *redis, int argc, const char **argv);
void crowd_send_script(redisContext *redis, trv_script_e script, int argc,
    const char **argv);

/* the reply, which is no error */
redisReply *crowd_ask(redisContext *redis);

/* what INFO says behind a name, in `value` */
char *crowd_info(redisContext *redis, const char *name, char *value,
    size_t size);

/* of the main thread of a process, which is where Redis does all of this; ns */
uint64_t crowd_cpu(long pid);


#endif /* CROWD_REDIS_H */


/*
 * What the callers call with and for: each call has the next token of a list,
 * and whoever runs them may change their path while they call.
 */

#ifndef CALL_LIST_H
#define CALL_LIST_H


#include <stddef.h>


#define CALL_TOKEN_LEN  1000             /* at most */


/*
 * Reads the list, a token a line.  Of the file `counter` the first 8 bytes
 * count those that are given out, the next 8 say which of several paths is to be
 * called.  Ends the program where it cannot.
 */
void call_list(const char *list, const char *counter);

/* the next one; any thread */
const char *call_token(void);

/* which path, from 0 on */
size_t call_aim(void);


#endif /* CALL_LIST_H */

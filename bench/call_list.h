
/* The tokens of the callers: each call has the next one of a list. */

#ifndef CALL_LIST_H
#define CALL_LIST_H


#define CALL_TOKEN_LEN  1000             /* at most */


/*
 * Reads the list, a token a line, and counts in the first 8 bytes of the file
 * `counter` those that are given out.  Ends the program where it cannot.
 */
void call_list(const char *list, const char *counter);

/* the next one; any thread */
const char *call_token(void);


#endif /* CALL_LIST_H */

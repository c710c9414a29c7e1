
/*
 * What the follower has to say to an operator: kept until the event loop logs
 * it.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_file.h"
#include "trv_follow_private.h"


#define TRV_FOLLOW_QUIET_MS  60000


static bool trv_follow_news(trv_follow_t *f, const char *text);


trv_rc_e
trv_follow_note(trv_follow_t *f, trv_note_t *note)
{
    if (f->n_notes == 0) {
        return TRV_DECLINED;
    }

    *note = f->notes[0];
    f->n_notes--;
    memmove(&f->notes[0], &f->notes[1], f->n_notes * sizeof(trv_note_t));

    return TRV_OK;
}


void
trv_follow_say(trv_follow_t *f, int level, const char *fmt, ...)
{
    va_list      args;
    trv_note_t  *note;

    /* nobody reads: the oldest ones are worth most */

    if (f->n_notes == TRV_FOLLOW_NOTES) {
        return;
    }

    note = &f->notes[f->n_notes];
    note->level = level;

    va_start(args, fmt);
    vsnprintf(note->text, sizeof(note->text), fmt, args);
    va_end(args);

    if (level == TRV_NOTE_NOTICE || trv_follow_news(f, note->text)) {
        f->n_notes++;
    }
}


/* whether it was not said lately */

static bool
trv_follow_news(trv_follow_t *f, const char *text)
{
    size_t       i;
    uint64_t     checksum;
    trv_said_t  *room;

    room = NULL;
    checksum = trv_file_checksum(text, strlen(text));

    for (i = 0; i < TRV_FOLLOW_SAID; i++) {

        if (f->said[i].until_ms <= f->now_ms) {
            room = &f->said[i];

        } else if (f->said[i].checksum == checksum) {
            return false;
        }
    }

    if (room == NULL) {
        return false;
    }

    room->checksum = checksum;
    room->until_ms = f->now_ms + TRV_FOLLOW_QUIET_MS;

    return true;
}


void
trv_follow_error(trv_follow_t *f, const redisReply *reply)
{
    char    text[64];
    size_t  i;

    snprintf(text, sizeof(text), "%.*s", (int) reply->len, reply->str);

    for (i = 0; text[i]; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            text[i] = '?';
        }
    }

    trv_follow_say(f, TRV_NOTE_ERROR, "Redis answered: %s", text);
}

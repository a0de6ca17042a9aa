/* What servers were seen not to be able to do although they offer it, so that it is not tried again
 * for a while: a small file of JSON, one for each user. It is a memory, not a record: where it
 * cannot be read or written, nothing is known, and the next session finds out again.
 */
#pragma once

#include <glib.h>

typedef enum {
    HABIT_NONE,        /* nothing is known against it */
    HABIT_CHUNKS_WAIT, /* BDAT only after the replies to MAIL and RCPT */
    HABIT_NO_CHUNKS,   /* no BDAT at all */
    HABITS,            /* how many there are */
} Habit;

/* A habit is forgotten after so long: servers are updated. */
#define HABIT_LASTS_S ((gint64)14 * 24 * 3600)

/* More servers are not remembered; the oldest goes. */
#define HABITS_MAX_SERVERS 64

/* Of host and port, at the time now (Unix seconds). path may be NULL: nothing is known. */
Habit habits_get(const char *path, const char *host, guint port, gint64 now);

/* Remembers it from now on. POSTKEY_ERROR_IO; nothing is lost but the memory. */
gboolean habits_put(const char *path, const char *host, guint port, Habit habit, gint64 now,
                    GError **error);

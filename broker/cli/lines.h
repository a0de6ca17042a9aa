/* Lines that a person types or pastes, read from a descriptor beside other things that are polled.
 */
#pragma once

#include <glib.h>

/* A redirect URL is some hundred bytes; a line beyond this is thrown away. */
#define LINES_MAX_LEN ((gsize)16 * 1024)

typedef struct Lines Lines;

/* Borrows fd. */
Lines *lines_new(int fd);

/* Wipes what was read: it may hold an authorization code. */
void lines_free(Lines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lines, lines_free)

/* Reads once, after poll() said that there is something. FALSE at the end (or failure) of the
 * descriptor; a last line without its newline counts as a line. */
gboolean lines_fill(Lines *lines);

/* The next whole line, without its end and the blanks around it; NULL when there is none yet. An
 * overlong line is given as "". Returns owned, to be wiped with secret_wipe_string(). */
char *lines_next(Lines *lines);

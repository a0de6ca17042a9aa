/* A small process that runs the commands of [notify], one after the other, without a shell.
 *
 * It is forked before the broker has any secret, any thread and any sandbox: what it runs inherits
 * none of them. It ends when its socket is closed, after the command under way.
 */
#pragma once

#include <glib.h>

/* How long a command may take; then it, and what it started in its session, is killed. */
#define NOTIFY_HELPER_TIMEOUT_S 30
#define NOTIFY_HELPER_REQUEST_MAX ((gsize)32 * 1024)

/* What became of a command; an exit status from 0 to 255 besides. */
#define NOTIFY_HELPER_TIMED_OUT (-1)
#define NOTIFY_HELPER_NOT_RUN (-2)
#define NOTIFY_HELPER_KILLED (-3)

/* Forks it. Returns our end of the socket, non-blocking: send() on it one command as its arguments,
 * each ended by NUL, and recv() a gint32 when it is over, before the next one is sent. -1 with
 * POSTKEY_ERROR_IO. */
int notify_helper_start(GError **error);

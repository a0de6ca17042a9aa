/* The listening socket: from systemd, or our own; and telling that it is there. */
#pragma once

#include <glib.h>

typedef struct {
    int fd;
    int lock_fd; /* held as long as the broker lives; -1: systemd's socket */
    char *path;  /* to be removed in the end; NULL: systemd's socket */
} Listener;

/* The socket that systemd passed (LISTEN_FDS, sd_listen_fds(3)), else one at path, mode 0600 (for
 * everybody: 0666) from its first instant, under a lock, so that there is one broker for one path.
 * Its folder is made where it is missing: mode 0700 (0755).
 * POSTKEY_ERROR_UNAVAILABLE: another broker serves it. POSTKEY_ERROR_IO,
 * POSTKEY_ERROR_CONFIGURATION. */
gboolean listen_open(const char *path, gboolean for_everybody, Listener *listener, GError **error);

/* Removes the socket and gives the lock back; the descriptor of the socket has been closed by its
 * service. */
void listen_close(Listener *listener);

/* Whether systemd passed a socket: then path is not needed. */
gboolean listen_is_activated(void);

/* Says "READY=1" to $NOTIFY_SOCKET, where it is set (sd_notify(3)). */
void listen_notify_ready(void);

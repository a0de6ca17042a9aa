/* Descriptors that the main loop watches all the time: the socket and its peers, the clock, the
 * notify helper. For what comes and goes with a request there is g_unix_fd_add().
 *
 * All are in one epoll set, a single source of the default main context, so that a thousand silent
 * peers cost nothing. While nothing else is watched the loop sleeps in that set itself; a poll()
 * around it would cost as much as the rest of a call.
 *
 * For the main thread alone.
 */
#pragma once

#include <glib.h>
#include <sys/epoll.h>

/* Lives in its owner, which fills it, and stays where it is while it is watched. */
typedef struct {
    int fd;
    guint32 events; /* of epoll_ctl(2); changed by watch_change() alone */
    /* What is there now. It may end any watch, its own too. */
    void (*ready)(guint32 events, gpointer data);
    gpointer data;
} Watch;

/* FALSE, with errno, where the kernel has no room. */
gboolean watch_begin(Watch *watch);
gboolean watch_change(Watch *watch, guint32 events);

/* ready() will not run any more. The descriptor is to be closed next: this takes it out of the set.
 */
void watch_end(const Watch *watch);

#include "watch.h"

#include <errno.h>
#include <glib-unix.h>

#define EVENTS_PER_TURN 64

static int set_fd = -1;
static int wakeup_fd = -1; /* by which GLib is woken up; in the set, too, without a Watch */

/* What the set told and has not been dealt with. */
static struct {
    struct epoll_event events[EVENTS_PER_TURN];
    int next, count;
} told;

static int ask(int timeout_ms)
{
    int count = epoll_wait(set_fd, told.events, EVENTS_PER_TURN, timeout_ms);
    told.next = 0;
    told.count = MAX(count, 0);
    return count;
}

static gboolean dispatch(G_GNUC_UNUSED gint fd, G_GNUC_UNUSED GIOCondition condition,
                         G_GNUC_UNUSED gpointer data)
{
    if (told.next == told.count)
        (void)ask(0); /* interrupted: the next turn asks again */
    while (told.next < told.count) {
        const struct epoll_event event = told.events[told.next++];
        const Watch *watch = event.data.ptr;
        if (watch)
            watch->ready(event.events, watch->data);
    }
    return G_SOURCE_CONTINUE;
}

/* Descriptors of others may be closed, and their numbers used again, without a word to us: they
 * never go into the set. GLib's own stays open for ever; it is the one that is always there. */
static gboolean is_only_us(const GPollFD *fds, guint count)
{
    if (count != 2 || (fds[0].fd != set_fd && fds[1].fd != set_fd))
        return FALSE;
    if (wakeup_fd < 0) {
        int fd = fds[0].fd == set_fd ? fds[1].fd : fds[0].fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
        if (epoll_ctl(set_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            return FALSE;
        wakeup_fd = fd;
    }
    return fds[0].fd == wakeup_fd || fds[1].fd == wakeup_fd;
}

/* In the place of poll(2). */
static gint wait_for_events(GPollFD *fds, guint count, gint timeout_ms)
{
    if (told.next < told.count || !is_only_us(fds, count))
        return g_poll(fds, count, timeout_ms);
    GPollFD *set = fds[0].fd == set_fd ? &fds[0] : &fds[1];
    GPollFD *wakeup = fds[0].fd == set_fd ? &fds[1] : &fds[0];
    set->revents = wakeup->revents = 0;
    int got = ask(timeout_ms);
    for (int i = 0; i < got; i++) {
        if (told.events[i].data.ptr)
            set->revents = G_IO_IN;
        else
            wakeup->revents = G_IO_IN;
    }
    return got < 0 ? -1 : (set->revents != 0) + (wakeup->revents != 0);
}

static void open_set(void)
{
    set_fd = epoll_create1(EPOLL_CLOEXEC);
    if (set_fd < 0)
        g_error("epoll_create1: %s", g_strerror(errno));
    g_autoptr(GSource) source = g_unix_fd_source_new(set_fd, G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(dispatch), NULL, NULL);
    /* Behind all other sources: as long as peers call without end, those of lower priority than
     * this one would never run. */
    g_source_set_priority(source, G_PRIORITY_DEFAULT_IDLE);
    /* Nobody runs the loop from inside of it. GLib would guard against that at each dispatch, by
     * taking the source out and in again, which costs four system calls. */
    g_source_set_can_recurse(source, TRUE);
    (void)g_source_attach(source, NULL); /* its number is not needed */
    g_main_context_set_poll_func(NULL, wait_for_events);
}

gboolean watch_begin(Watch *watch)
{
    if (set_fd < 0)
        open_set();
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};
    return epoll_ctl(set_fd, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

gboolean watch_change(Watch *watch, guint32 events)
{
    if (events == watch->events)
        return TRUE;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    watch->events = events;
    return epoll_ctl(set_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0;
}

void watch_end(const Watch *watch)
{
    for (int i = told.next; i < told.count; i++)
        if (told.events[i].data.ptr == watch)
            told.events[i].data.ptr = NULL;
}

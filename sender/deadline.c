#include "deadline.h"

#include <errno.h>
#include <poll.h>

Deadline deadline_in_ms(gint64 ms)
{
    return g_get_monotonic_time() + ms * 1000;
}

int deadline_left_ms(Deadline deadline)
{
    gint64 left_us = deadline - g_get_monotonic_time();
    if (left_us <= 0)
        return 0;
    return (int)MIN((left_us + 999) / 1000, G_MAXINT);
}

gboolean deadline_wait(int fd, short events, Deadline deadline)
{
    struct pollfd polled = {.fd = fd, .events = events};
    for (;;) {
        int ready = poll(&polled, 1, deadline_left_ms(deadline));
        if (ready > 0)
            return TRUE;
        /* Other errors than a signal come from the caller's descriptor: let its next call tell
         * them. */
        if (ready < 0 && errno != EINTR)
            return TRUE;
        if (deadline_left_ms(deadline) == 0)
            return FALSE;
    }
}

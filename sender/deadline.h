/* Deadlines of blocking calls: a point of the monotonic clock, in microseconds.
 */
#pragma once

#include <glib.h>

typedef gint64 Deadline;

/* The point that is ms milliseconds from now. */
Deadline deadline_in_ms(gint64 ms);

/* Milliseconds left, rounded up; 0 when it has passed. For poll(). */
int deadline_left_ms(Deadline deadline);

/* Waits until poll() reports one of events (or an error) for fd. FALSE: the deadline passed first.
 */
gboolean deadline_wait(int fd, short events, Deadline deadline);

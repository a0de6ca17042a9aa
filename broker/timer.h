/* Deadlines that count while the machine sleeps.
 *
 * GLib's own timers run on CLOCK_MONOTONIC, which stops during suspend. These run on
 * CLOCK_BOOTTIME, all of them on one timerfd, dispatched by the default main context: a laptop that
 * wakes up finds its deadlines met at once.
 */
#pragma once

#include <glib.h>

typedef struct Timer Timer;

/* Microseconds of CLOCK_BOOTTIME: the clock of every deadline. */
gint64 timer_now_us(void);

/* Calls fired(data) once, from the main loop, when timer_now_us() has reached at_us; a moment that
 * is past already means the next turn of the loop, never from inside this call. Timers fire in the
 * order of their moments. The handle is invalid from the beginning of its callback on. Never fails.
 */
Timer *timer_start(gint64 at_us, void (*fired)(gpointer data), gpointer data);

/* The same, delay_us from now. */
Timer *timer_start_in(gint64 delay_us, void (*fired)(gpointer data), gpointer data);

/* Takes a timer back that has not fired; its callback will not run. NULL is fine. */
void timer_cancel(Timer *timer);

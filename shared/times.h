/* Times as people read them.
 */
#pragma once

#include <glib.h>

/* Seconds since 1970, by the wall clock: for times that are shown. */
gint64 times_now(void);

/* Microseconds of CLOCK_BOOTTIME, which runs on while the machine sleeps: for deadlines. */
gint64 times_boottime(void);

/* How long it is until then: "42 s", "42 min", "3 h", "6 days", rounded down; "over" when it has
 * passed. Returns owned. */
char *times_left(gint64 until, gint64 now);

/* Seconds as "9:41"; negative ones as "0:00". Returns owned. */
char *times_countdown(gint64 seconds);

/* The local date, "2026-11-27", or time of day, "10:55:26". "?" for what no calendar holds. Return
 * owned. */
char *times_date(gint64 at);
char *times_clock(gint64 at);

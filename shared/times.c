#include "times.h"

#include <time.h>

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

gint64 times_now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

gint64 times_boottime(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        return g_get_monotonic_time();
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

char *times_left(gint64 until, gint64 now)
{
    static const struct {
        gint64 below, unit;
        const char *name;
    } scale[] = {
        {2 * MINUTE, 1, "s"},
        {2 * HOUR, MINUTE, "min"},
        {2 * DAY, HOUR, "h"},
        {G_MAXINT64, DAY, "days"},
    };
    if (until <= now)
        return g_strdup("over");
    guint step = 0;
    while (until - now >= scale[step].below)
        step++;
    /* Down for what somebody relies on to the minute; to the nearest for hours and days. */
    gint64 half = scale[step].unit >= HOUR ? scale[step].unit / 2 : 0;
    return g_strdup_printf("%" G_GINT64_FORMAT " %s", (until - now + half) / scale[step].unit,
                           scale[step].name);
}

char *times_countdown(gint64 seconds)
{
    seconds = MAX(seconds, 0);
    return g_strdup_printf("%" G_GINT64_FORMAT ":%02d", seconds / MINUTE, (int)(seconds % MINUTE));
}

static char *local_time(gint64 at, const char *format)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(at);
    return time ? g_date_time_format(time, format) : g_strdup("?");
}

char *times_date(gint64 at)
{
    return local_time(at, "%Y-%m-%d");
}

char *times_clock(gint64 at)
{
    return local_time(at, "%H:%M:%S");
}

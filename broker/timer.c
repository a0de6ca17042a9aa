#include "timer.h"

#include "watch.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct Timer {
    gint64 at_us;
    void (*fired)(gpointer data);
    gpointer data;
    GSequenceIter *place; /* in waiting, or in due once its moment has come */
};

static GSequence *waiting; /* by at_us; equal ones in the order of their start */
static GSequence *due; /* those of the running round: what a callback starts belongs to the next */
static Watch clock_watch = {.fd = -1};
static gint64 rings_at_us = G_MAXINT64; /* at the latest */

gint64 timer_now_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        g_error("no CLOCK_BOOTTIME: %s", g_strerror(errno));
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gint compare_moments(gconstpointer a, gconstpointer b, G_GNUC_UNUSED gpointer data)
{
    gint64 left = ((const Timer *)a)->at_us, right = ((const Timer *)b)->at_us;
    return (left > right) - (left < right);
}

/* Sets the clock to the earliest deadline, or stops it when there is none. */
static void arm(void)
{
    struct itimerspec spec = {0};
    rings_at_us = G_MAXINT64;
    if (!g_sequence_is_empty(waiting)) {
        const Timer *first = g_sequence_get(g_sequence_get_begin_iter(waiting));
        /* Zero would stop the clock instead of firing at once. */
        gint64 at_us = MAX(first->at_us, 1);
        rings_at_us = at_us;
        spec.it_value.tv_sec = (time_t)(at_us / G_USEC_PER_SEC);
        spec.it_value.tv_nsec = (long)(at_us % G_USEC_PER_SEC) * 1000;
    }
    if (timerfd_settime(clock_watch.fd, TFD_TIMER_ABSTIME, &spec, NULL) != 0)
        g_error("timerfd_settime: %s", g_strerror(errno));
}

static Timer *take_first(GSequence *sequence)
{
    GSequenceIter *first = g_sequence_get_begin_iter(sequence);
    Timer *timer = g_sequence_get(first);
    g_sequence_remove(first);
    return timer;
}

static void collect_due(void)
{
    gint64 now_us = timer_now_us();
    while (!g_sequence_is_empty(waiting)) {
        GSequenceIter *first = g_sequence_get_begin_iter(waiting);
        if (((const Timer *)g_sequence_get(first))->at_us > now_us)
            return;
        g_sequence_move(first, g_sequence_get_end_iter(due));
    }
}

static void on_clock(G_GNUC_UNUSED guint32 ready, G_GNUC_UNUSED gpointer data)
{
    guint64 expirations;
    /* Nothing to be read is no error: the clock was set anew since the poll. */
    if (read(clock_watch.fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN &&
        errno != EINTR)
        g_error("timerfd: %s", g_strerror(errno));
    collect_due();
    while (!g_sequence_is_empty(due)) {
        Timer *timer = take_first(due);
        void (*fired)(gpointer) = timer->fired;
        gpointer fired_data = timer->data;
        g_free(timer);
        fired(fired_data);
    }
    arm();
}

static void open_clock(void)
{
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    clock_watch = (Watch){.fd = fd, .events = EPOLLIN, .ready = on_clock};
    if (fd < 0 || !watch_begin(&clock_watch))
        g_error("no timerfd: %s", g_strerror(errno));
    waiting = g_sequence_new(NULL);
    due = g_sequence_new(NULL);
}

Timer *timer_start(gint64 at_us, void (*fired)(gpointer data), gpointer data)
{
    if (clock_watch.fd < 0)
        open_clock();
    Timer *timer = g_new(Timer, 1);
    *timer = (Timer){.at_us = at_us, .fired = fired, .data = data};
    timer->place = g_sequence_insert_sorted(waiting, timer, compare_moments, NULL);
    /* A clock that rings too early, for one that was cancelled, looks again. */
    if (at_us < rings_at_us)
        arm();
    return timer;
}

Timer *timer_start_in(gint64 delay_us, void (*fired)(gpointer data), gpointer data)
{
    gint64 now_us = timer_now_us();
    gint64 at_us = delay_us > G_MAXINT64 - now_us ? G_MAXINT64 : now_us + delay_us;
    return timer_start(at_us, fired, data);
}

void timer_cancel(Timer *timer)
{
    if (!timer)
        return;
    /* The clock may now ring for nobody: cheaper than setting it at each cancel. */
    g_sequence_remove(timer->place);
    g_free(timer);
}

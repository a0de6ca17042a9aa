#include "timer.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS 1000
#define PATIENCE_S 20

TestSuite(timer, .timeout = PATIENCE_S + 10);

static GString *events;

static void note(gpointer data)
{
    g_string_append(events, data);
}

static gboolean out_of_patience(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Turns the loop until so many letters were noted. */
static void turn_until(gsize n_events)
{
    gboolean late = FALSE;
    guint watchdog = g_timeout_add_seconds(PATIENCE_S, out_of_patience, &late);
    while (events->len < n_events && !late)
        g_main_context_iteration(NULL, TRUE);
    cr_assert_not(late, "only \"%s\" happened", events->str);
    g_source_remove(watchdog);
}

static void set_up(void)
{
    events = g_string_new(NULL);
}

static void tear_down(void)
{
    g_string_free(events, TRUE);
}

#define TIMER_TEST(name) Test(timer, name, .init = set_up, .fini = tear_down)

TIMER_TEST(timers_fire_in_the_order_of_their_moments)
{
    gint64 now = timer_now_us();
    timer_start(now + 30 * MS, note, (gpointer) "c");
    timer_start(now + 10 * MS, note, (gpointer) "a");
    timer_start(now + 20 * MS, note, (gpointer) "b");
    turn_until(3);
    cr_assert_str_eq(events->str, "abc");
    cr_assert_geq(timer_now_us(), now + 30 * MS);
}

TIMER_TEST(timers_of_one_moment_fire_in_the_order_of_their_start)
{
    gint64 at = timer_now_us() + 5 * MS;
    timer_start(at, note, (gpointer) "a");
    timer_start(at, note, (gpointer) "b");
    timer_start(at, note, (gpointer) "c");
    turn_until(3);
    cr_assert_str_eq(events->str, "abc");
}

TIMER_TEST(a_past_moment_fires_soon_and_never_from_inside_the_call)
{
    timer_start(-5, note, (gpointer) "a");
    timer_start(0, note, (gpointer) "b");
    timer_start_in(0, note, (gpointer) "c");
    cr_assert_str_empty(events->str);
    turn_until(3);
    cr_assert_str_eq(events->str, "abc");
}

TIMER_TEST(a_timer_fires_once)
{
    timer_start_in(0, note, (gpointer) "a");
    timer_start_in(10 * MS, note, (gpointer) "b");
    timer_start_in(20 * MS, note, (gpointer) "c");
    turn_until(3);
    cr_assert_str_eq(events->str, "abc");
}

TIMER_TEST(an_earlier_timer_is_not_kept_waiting_by_one_that_was_started_before)
{
    Timer *far = timer_start_in((gint64)3600 * G_USEC_PER_SEC, note, (gpointer) "x");
    timer_start_in(5 * MS, note, (gpointer) "a");
    turn_until(1);
    cr_assert_str_eq(events->str, "a");
    timer_cancel(far);
}

TIMER_TEST(a_cancelled_timer_does_not_fire_and_the_next_one_does)
{
    timer_cancel(NULL);
    Timer *first = timer_start_in(5 * MS, note, (gpointer) "x");
    timer_start_in(10 * MS, note, (gpointer) "a");
    timer_cancel(first);
    turn_until(1);
    cr_assert_str_eq(events->str, "a");
}

TIMER_TEST(the_end_of_time_is_far_away)
{
    Timer *never = timer_start_in(G_MAXINT64, note, (gpointer) "x");
    timer_start_in(5 * MS, note, (gpointer) "a");
    turn_until(1);
    cr_assert_str_eq(events->str, "a");
    timer_cancel(never);
}

static Timer *victim;

static void cancel_victim(gpointer data)
{
    note(data);
    timer_cancel(victim);
}

TIMER_TEST(a_callback_may_cancel_one_that_is_due_in_the_same_round)
{
    gint64 at = timer_now_us() - 1;
    timer_start(at, cancel_victim, (gpointer) "a");
    victim = timer_start(at, note, (gpointer) "x");
    timer_start(at, note, (gpointer) "b");
    turn_until(2);
    cr_assert_str_eq(events->str, "ab");
}

static void start_again(gpointer data)
{
    note(data);
    timer_start(0, start_again, data);
}

static gboolean on_readable(G_GNUC_UNUSED gint fd, G_GNUC_UNUSED GIOCondition condition,
                            gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

TIMER_TEST(a_callback_that_starts_a_past_timer_does_not_starve_the_loop)
{
    int ends[2];
    gboolean served = FALSE;
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    timer_start(0, start_again, (gpointer) "a");
    turn_until(1);
    cr_assert_str_eq(events->str, "a");
    g_unix_fd_add(ends[0], G_IO_IN, on_readable, &served);
    turn_until(4);
    cr_assert(served);
}

static gint64 last_at;
static guint n_fired;

static void check_order(gpointer data)
{
    gint64 at = *(gint64 *)data;
    cr_assert_geq(at, last_at);
    cr_assert_geq(timer_now_us(), at);
    last_at = at;
    n_fired++;
}

TIMER_TEST(a_thousand_timers_fire_in_order_on_one_descriptor)
{
    static gint64 moments[1000];
    gint64 now = timer_now_us();
    for (gsize i = 0; i < G_N_ELEMENTS(moments); i++) {
        moments[i] = now + (gint64)(i * 7919 % 1000) * 20;
        timer_start(moments[i], check_order, &moments[i]);
    }
    timer_start(now + 30 * MS, note, (gpointer) "z");
    turn_until(1);
    cr_assert_eq(n_fired, G_N_ELEMENTS(moments));
    guint n_clocks = 0;
    for (int fd = 0; fd < 100; fd++) {
        g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd);
        g_autofree char *text = NULL;
        if (!g_file_get_contents(path, &text, NULL, NULL) || !strstr(text, "clockid:"))
            continue;
        n_clocks++;
        g_autofree char *boottime = g_strdup_printf("clockid: %d\n", CLOCK_BOOTTIME);
        cr_assert(strstr(text, boottime), "%s", text);
    }
    cr_assert_eq(n_clocks, 1);
}

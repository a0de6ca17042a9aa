#include "watch.h"

#include <criterion/criterion.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 20

TestSuite(watch, .timeout = PATIENCE_S + 10);

typedef struct {
    Watch watch;
    int other_end;
    guint seen;
    const Watch *to_end; /* by whoever is first */
} Line;

static void take(guint32 events, gpointer data)
{
    Line *line = data;
    char byte;
    if (events & EPOLLIN)
        cr_assert_geq(recv(line->watch.fd, &byte, 1, 0), 0);
    line->seen++;
    if (line->to_end)
        watch_end(line->to_end);
}

static void line_open(Line *line)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    line->other_end = ends[1];
    line->watch = (Watch){.fd = ends[0], .events = EPOLLIN, .ready = take, .data = line};
    cr_assert(watch_begin(&line->watch));
}

static void say(const Line *line)
{
    cr_assert_eq(send(line->other_end, "x", 1, MSG_NOSIGNAL), 1);
}

static gboolean out_of_patience(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Turns the loop until the number is reached. */
static void turn_until(const guint *number, guint wanted)
{
    gboolean late = FALSE;
    guint watchdog = g_timeout_add_seconds(PATIENCE_S, out_of_patience, &late);
    while (*number < wanted && !late)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(watchdog);
    cr_assert_not(late, "only %u of %u", *number, wanted);
}

static void turn_while_ready(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

Test(watch, what_is_watched_is_told_of_its_events_and_of_no_other)
{
    Line a = {0}, b = {0};
    line_open(&a);
    line_open(&b);
    say(&a);
    turn_until(&a.seen, 1);
    say(&a);
    turn_until(&a.seen, 2);
    turn_while_ready();
    cr_assert_eq(a.seen, 2);
    cr_assert_eq(b.seen, 0);
    (void)close(b.other_end); /* which is what b hears of */
    turn_until(&b.seen, 1);
}

Test(watch, an_event_of_the_same_turn_is_not_told_when_its_watch_was_ended)
{
    Line a = {0}, b = {0};
    line_open(&a);
    line_open(&b);
    a.to_end = &b.watch;
    b.to_end = &a.watch;
    say(&a);
    say(&b);
    g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(a.seen + b.seen, 1, "one of them ended the other");
}

Test(watch, what_is_not_asked_for_is_told_when_it_is)
{
    Line a = {0};
    line_open(&a);
    cr_assert(watch_change(&a.watch, 0));
    say(&a);
    turn_while_ready();
    cr_assert_eq(a.seen, 0);
    cr_assert(watch_change(&a.watch, EPOLLIN));
    turn_until(&a.seen, 1);
}

static gboolean count(gpointer data)
{
    (*(guint *)data)++;
    return G_SOURCE_REMOVE;
}

static gpointer call_from_afar(gpointer data)
{
    g_idle_add(count, data);
    return NULL;
}

Test(watch, the_sleeping_loop_is_woken_by_timeouts_and_by_other_threads)
{
    Line a = {0};
    guint timeouts = 0, calls = 0;
    line_open(&a);
    g_timeout_add(5, count, &timeouts);
    turn_until(&timeouts, 1);
    for (guint i = 1; i <= 50; i++) {
        GThread *thread = g_thread_new("afar", call_from_afar, &calls);
        turn_until(&calls, i);
        g_thread_join(thread);
        turn_while_ready();
    }
    say(&a);
    turn_until(&a.seen, 1);
}

static gboolean count_readable(gint fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
    char byte;
    cr_assert_eq(read(fd, &byte, 1), 1);
    (*(guint *)data)++;
    return G_SOURCE_CONTINUE;
}

/* As libraries do it: nobody tells the loop that the old descriptor is gone. */
Test(watch, a_descriptor_of_others_is_heard_when_its_number_is_used_again)
{
    Line a = {0};
    guint readable = 0;
    int first = -1;
    line_open(&a);
    for (guint i = 1; i <= 3; i++) {
        int ends[2];
        cr_assert_eq(pipe(ends), 0);
        cr_assert(first < 0 || ends[0] == first, "the number is used again");
        first = ends[0];
        guint source = g_unix_fd_add(ends[0], G_IO_IN, count_readable, &readable);
        say(&a);
        turn_until(&a.seen, i);
        cr_assert_eq(write(ends[1], "x", 1), 1);
        turn_until(&readable, i);
        (void)close(ends[0]);
        (void)close(ends[1]);
        g_source_remove(source);
    }
}

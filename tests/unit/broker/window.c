#include "window.h"

#include <criterion/criterion.h>

TestSuite(window, .timeout = 60);

static Window window;

static void start(void)
{
    window_init(&window);
}

static void end(void)
{
    window_clear(&window);
}

static gint64 wait_at(gint64 now_s, const Limits *limits, gint64 recipients)
{
    WindowLimit limit;
    window_roll(&window, now_s);
    return window_wait_s(&window, limits, recipients, now_s, &limit);
}

Test(window, a_message_leaves_after_24_hours_and_not_before, .init = start, .fini = end)
{
    const Limits limits = {.daily_messages = 1};
    window_add(&window, 100, 1, 3);
    cr_expect_eq(wait_at(101, &limits, 1), WINDOW_DAY_S - 1);
    cr_expect_eq(wait_at(100 + WINDOW_DAY_S - 1, &limits, 1), 1);
    cr_expect_eq(wait_at(100 + WINDOW_DAY_S, &limits, 1), 0);
    cr_expect_eq(window.messages, 0);
    cr_expect_eq(window.recipients, 0);
    cr_expect_eq(window.entries->len, 0);
}

Test(window, room_comes_when_enough_of_the_oldest_have_left, .init = start, .fini = end)
{
    const Limits limits = {.daily_recipients = 10};
    window_add(&window, 100, 1, 4);
    window_add(&window, 200, 1, 4);
    cr_expect_eq(wait_at(300, &limits, 2), 0);
    cr_expect_eq(wait_at(300, &limits, 3), 100 + WINDOW_DAY_S - 300);
    cr_expect_eq(wait_at(300, &limits, 6), 100 + WINDOW_DAY_S - 300);
    cr_expect_eq(wait_at(300, &limits, 7), 200 + WINDOW_DAY_S - 300);
    cr_expect_eq(wait_at(300, &limits, 10), 200 + WINDOW_DAY_S - 300);
}

Test(window, the_minute_rolls_too, .init = start, .fini = end)
{
    const Limits limits = {.messages_per_minute = 2};
    window_add(&window, 100, 1, 1);
    window_add(&window, 130, 1, 1);
    cr_expect_eq(wait_at(131, &limits, 1), 29);
    cr_expect_eq(wait_at(160, &limits, 1), 0);
}

Test(window, the_limit_that_lasts_longest_is_named, .init = start, .fini = end)
{
    const Limits limits = {.messages_per_minute = 1, .daily_messages = 2, .daily_recipients = 2};
    WindowLimit limit;
    cr_expect_eq(window_wait_s(&window, &limits, 1, 50, &limit), 0);
    cr_expect_eq(limit, WINDOW_OPEN);
    window_add(&window, 100, 1, 1);
    cr_expect_eq(window_wait_s(&window, &limits, 1, 100, &limit), 60);
    cr_expect_eq(limit, WINDOW_MESSAGES_PER_MINUTE);
    cr_expect_eq(window_wait_s(&window, &limits, 2, 100, &limit), WINDOW_DAY_S);
    cr_expect_eq(limit, WINDOW_DAILY_RECIPIENTS);
    window_add(&window, 200, 1, 0);
    cr_expect_eq(window_wait_s(&window, &limits, 1, 200, &limit), WINDOW_DAY_S - 100);
    cr_expect_eq(limit, WINDOW_DAILY_MESSAGES);
}

Test(window, without_limits_there_is_always_room, .init = start, .fini = end)
{
    const Limits limits = {0};
    window_add(&window, 100, G_MAXINT32, G_MAXINT32);
    cr_expect_eq(wait_at(100, &limits, 1000), 0);
}

Test(window, what_is_taken_back_makes_room_and_never_more_than_was_taken, .init = start,
     .fini = end)
{
    window_add(&window, 100, 2, 5);
    window_take_back(&window, 100, 1, 2);
    cr_expect_eq(window.messages, 1);
    cr_expect_eq(window.recipients, 3);
    window_take_back(&window, 100, 100, 100);
    cr_expect_eq(window.messages, 0);
    cr_expect_eq(window.recipients, 0);
    window_take_back(&window, 100, 1, 1);
    cr_expect_eq(window.messages, 0);
}

Test(window, a_busy_account_stays_within_its_bound_and_nothing_leaves_early, .init = start,
     .fini = end)
{
    for (gint64 s = 0; s < WINDOW_DAY_S; s++)
        window_add(&window, s, 1, 2);
    cr_expect_leq(window.entries->len, (guint)WINDOW_ENTRIES_MAX);
    cr_expect_eq(window.messages, WINDOW_DAY_S);
    for (gint64 now_s = WINDOW_DAY_S; now_s < 2 * WINDOW_DAY_S; now_s += 17) {
        gint64 truly = MAX(2 * WINDOW_DAY_S - 1 - now_s, 0);
        window_roll(&window, now_s);
        cr_assert_geq(window.messages, truly);
        cr_assert_leq(window.messages, truly + 60);
        cr_assert_eq(window.recipients, 2 * window.messages);
    }
}

Test(window, what_was_put_together_can_still_be_taken_back, .init = start, .fini = end)
{
    for (gint64 s = 0; s < 3000; s++)
        window_add(&window, s, 1, 1);
    window_take_back(&window, 61, 1, 1);
    cr_expect_eq(window.messages, 2999);
    cr_expect_eq(window.recipients, 2999);
}

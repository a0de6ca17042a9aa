#include "times.h"

#include <criterion/criterion.h>

#define NOW 1795170000

static void assert_left(gint64 seconds, const char *expected)
{
    g_autofree char *left = times_left(NOW + seconds, NOW);
    cr_assert_str_eq(left, expected);
}

Test(times, what_is_left_is_told_in_the_unit_people_would_use)
{
    assert_left(-1, "over");
    assert_left(0, "over");
    assert_left(1, "1 s");
    assert_left(119, "119 s");
    assert_left(120, "2 min");
    assert_left(3599, "59 min");
    assert_left(7199, "119 min");
    assert_left(7200, "2 h");
    assert_left(2 * 86400 - 1, "48 h");
    assert_left(2 * 86400, "2 days");
    assert_left(7 * 86400 - 1, "7 days");
    assert_left(400 * 86400, "400 days");
}

Test(times, a_countdown_shows_minutes_and_seconds_and_stops_at_zero)
{
    g_autofree char *long_one = times_countdown(600);
    g_autofree char *short_one = times_countdown(9);
    g_autofree char *ended = times_countdown(-3);
    cr_assert_str_eq(long_one, "10:00");
    cr_assert_str_eq(short_one, "0:09");
    cr_assert_str_eq(ended, "0:00");
}

Test(times, a_date_that_no_calendar_holds_is_a_question_mark)
{
    g_autofree char *date = times_date(G_MAXINT64);
    cr_assert_str_eq(date, "?");
}

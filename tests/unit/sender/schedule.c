#include "schedule.h"

#include <criterion/criterion.h>

#define NOW ((gint64)1795183561)
#define MINUTE ((gint64)60)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static Envelope *make(gint64 created_at)
{
    Envelope *envelope = envelope_new();
    envelope->created_at = created_at;
    return envelope;
}

Test(schedule, waits_grow_to_their_cap_with_a_quarter_of_chance)
{
    static const gint64 minutes[] = {1, 5, 15, 30, 60, 120, 120, 120};
    for (guint i = 0; i < G_N_ELEMENTS(minutes); i++) {
        cr_expect_eq(schedule_backoff_s(i + 1, 0), minutes[i] * MINUTE);
        for (guint32 chance = 1; chance; chance *= 3) {
            gint64 wait_s = schedule_backoff_s(i + 1, chance);
            cr_expect(wait_s >= minutes[i] * MINUTE && wait_s <= minutes[i] * MINUTE * 5 / 4);
            if (chance > G_MAXUINT32 / 3)
                break;
        }
    }
    cr_expect_eq(schedule_backoff_s(0, 0), MINUTE);
    cr_expect_eq(schedule_backoff_s(G_MAXINT64, 0), SCHEDULE_CAP_S);
}

Test(schedule, a_failed_try_waits_and_at_least_as_long_as_a_server_asked)
{
    g_autoptr(Envelope) envelope = make(NOW);
    cr_expect_leq(schedule_due_at(envelope, NOW), NOW, "new: at once");
    schedule_failed(envelope, NOW, 0, 0);
    cr_expect_eq(envelope->attempts, 1);
    cr_expect_eq(schedule_due_at(envelope, NOW), NOW + MINUTE);
    schedule_failed(envelope, NOW, 3 * HOUR, 0);
    cr_expect_eq(schedule_due_at(envelope, NOW), NOW + 3 * HOUR);
    schedule_failed(envelope, NOW, 400 * DAY, 0);
    cr_expect_eq(schedule_due_at(envelope, NOW), NOW + SCHEDULE_WAIT_MAX_S);
}

/* Time goes by in steps of an hour, as it does for a runner that looks. */
static void pass(Envelope *envelope, gint64 *now, gint64 seconds)
{
    for (gint64 left = seconds; left > 0; left -= HOUR) {
        *now += MIN(left, HOUR);
        schedule_count(envelope, *now);
    }
}

Test(schedule, a_life_is_five_days_and_stands_still_on_hold)
{
    gint64 now = NOW;
    g_autoptr(Envelope) envelope = make(now);
    pass(envelope, &now, 4 * DAY);
    schedule_hold(envelope, now, ENVELOPE_HOLD_ACCOUNT, HOUR);
    pass(envelope, &now, 30 * DAY);
    cr_expect_eq(schedule_life_s(envelope, now), 4 * DAY);
    cr_expect_eq(schedule_age_s(envelope, now), 34 * DAY);
    cr_expect_not(schedule_is_over(envelope, now, SCHEDULE_LIFETIME_S));
    cr_expect_eq(envelope->attempts, 0, "a hold is no attempt");
    schedule_release(envelope, now);
    cr_expect_leq(schedule_due_at(envelope, now), now);
    pass(envelope, &now, DAY);
    cr_expect(schedule_is_over(envelope, now, SCHEDULE_LIFETIME_S));
    envelope->kind = ENVELOPE_BOUNCE;
    cr_expect_not(schedule_is_over(envelope, now, SCHEDULE_LIFETIME_S), "reports have no end");
}

Test(schedule, what_a_person_holds_is_never_due)
{
    g_autoptr(Envelope) envelope = make(NOW);
    schedule_hold(envelope, NOW, ENVELOPE_HOLD_PERSON, 0);
    cr_expect_eq(schedule_due_at(envelope, NOW + 100 * DAY), G_MAXINT64);
    cr_expect_eq(schedule_due_at(envelope, NOW - 100 * DAY), G_MAXINT64);
    schedule_failed(envelope, NOW, 0, 0);
    schedule_hold(envelope, NOW, ENVELOPE_HOLD_ACCOUNT, 60);
    cr_expect_eq(envelope->hold, ENVELOPE_HOLD_PERSON);
    cr_expect_eq(schedule_due_at(envelope, NOW + DAY), G_MAXINT64);
}

Test(schedule, a_clock_that_jumps_ahead_ends_no_life)
{
    g_autoptr(Envelope) envelope = make(NOW);
    schedule_failed(envelope, NOW, 0, 0);
    gint64 next_year = NOW + 365 * DAY;
    cr_expect_not(schedule_is_over(envelope, next_year, SCHEDULE_LIFETIME_S));
    schedule_failed(envelope, next_year, 0, 0);
    cr_expect_eq(envelope->waited_s, SCHEDULE_STEP_MAX_S);
    /* And when it comes back, the message is due at once, not next year. */
    cr_expect_leq(schedule_due_at(envelope, NOW), NOW);
    schedule_failed(envelope, NOW, 0, 0);
    cr_expect_eq(schedule_due_at(envelope, NOW), NOW + 15 * MINUTE);
}

Test(schedule, a_clock_that_is_set_back_makes_nothing_wait)
{
    g_autoptr(Envelope) envelope = make(NOW);
    schedule_failed(envelope, NOW, 0, 0);
    cr_expect_leq(schedule_due_at(envelope, NOW - 3 * HOUR), NOW - 3 * HOUR);
    cr_expect_gt(schedule_due_at(envelope, NOW - 2), NOW, "setting a clock right is no jump");
    envelope->counted_at = 0;
    envelope->next_at = NOW + 2 * DAY;
    cr_expect_leq(schedule_due_at(envelope, NOW), NOW, "no rule of ours waits so long");
}

Test(schedule, a_message_from_the_future_has_lived_for_nothing)
{
    g_autoptr(Envelope) envelope = make(NOW + 10 * DAY);
    cr_expect_eq(schedule_age_s(envelope, NOW), 0);
    schedule_count(envelope, NOW);
    cr_expect_eq(schedule_life_s(envelope, NOW + HOUR), HOUR);
}

Test(schedule, the_notice_comes_after_four_hours_once_holds_or_not)
{
    gint64 now = NOW;
    g_autoptr(Envelope) envelope = make(now);
    schedule_hold(envelope, now, ENVELOPE_HOLD_ACCOUNT, HOUR);
    pass(envelope, &now, SCHEDULE_WARN_S - 1);
    cr_expect_not(schedule_wants_warning(envelope, now));
    cr_expect(schedule_wants_warning(envelope, now + 1));
    envelope->warned = TRUE;
    cr_expect_not(schedule_wants_warning(envelope, now + 1));
}

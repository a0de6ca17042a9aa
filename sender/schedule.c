#include "schedule.h"

/* What a gint64 may count up to without a sum that overflows: far more than any life. */
#define SECONDS_MAX ((gint64)1 << 40)

static const gint64 waits_s[] = {60, 5 * 60, 15 * 60, 30 * 60, 60 * 60, SCHEDULE_CAP_S};

gint64 schedule_backoff_s(gint64 attempts, guint32 chance)
{
    gint64 last = (gint64)G_N_ELEMENTS(waits_s) - 1;
    gint64 wait_s = waits_s[CLAMP(attempts - 1, 0, last)];
    return wait_s + (gint64)(chance % (guint32)(wait_s / 4 + 1));
}

/* Since the last count. Before the first: since it was created. */
static gint64 step_s(const Envelope *envelope, gint64 now)
{
    gint64 since = envelope->counted_at ? envelope->counted_at : envelope->created_at;
    return now > since ? MIN(now - since, SCHEDULE_STEP_MAX_S) : 0;
}

gboolean schedule_needs_runner(const Envelope *envelope, gint64 now)
{
    if (envelope->hold == ENVELOPE_HOLD_PERSON)
        return FALSE;
    return envelope->hold != ENVELOPE_NO_HOLD || envelope->attempts > 0 ||
           schedule_due_at(envelope, now) <= now;
}

gint64 schedule_life_s(const Envelope *envelope, gint64 now)
{
    gint64 more = envelope->hold == ENVELOPE_NO_HOLD ? step_s(envelope, now) : 0;
    return MIN(envelope->waited_s, SECONDS_MAX) + more;
}

gint64 schedule_age_s(const Envelope *envelope, gint64 now)
{
    return MIN(envelope->waited_s, SECONDS_MAX) + MIN(envelope->held_s, SECONDS_MAX) +
           step_s(envelope, now);
}

void schedule_count(Envelope *envelope, gint64 now)
{
    gint64 more = step_s(envelope, now);
    if (envelope->hold == ENVELOPE_NO_HOLD)
        envelope->waited_s = MIN(envelope->waited_s, SECONDS_MAX) + more;
    else
        envelope->held_s = MIN(envelope->held_s, SECONDS_MAX) + more;
    envelope->counted_at = MAX(now, 1);
}

static gint64 next_at(gint64 now, gint64 wait_s)
{
    return now + CLAMP(wait_s, 0, SCHEDULE_WAIT_MAX_S);
}

static void end_hold(Envelope *envelope)
{
    envelope->hold = ENVELOPE_NO_HOLD;
    envelope->hold_since = 0;
}

void schedule_failed(Envelope *envelope, gint64 now, gint64 wait_s, guint32 chance)
{
    schedule_count(envelope, now);
    if (envelope->hold != ENVELOPE_HOLD_PERSON)
        end_hold(envelope);
    envelope->attempts = MIN(envelope->attempts + 1, ENVELOPE_ATTEMPTS_MAX);
    envelope->next_at = next_at(now, MAX(wait_s, schedule_backoff_s(envelope->attempts, chance)));
}

void schedule_hold(Envelope *envelope, gint64 now, EnvelopeHold hold, gint64 wait_s)
{
    schedule_count(envelope, now);
    if (envelope->hold == ENVELOPE_HOLD_PERSON)
        return; /* what the account's hold ends by itself, a person's would, too */
    if (envelope->hold != hold) {
        envelope->hold = hold;
        envelope->hold_since = MAX(now, 1);
    }
    envelope->next_at = next_at(now, wait_s);
}

void schedule_release(Envelope *envelope, gint64 now)
{
    schedule_count(envelope, now);
    end_hold(envelope);
    envelope->next_at = 0;
}

gint64 schedule_due_at(const Envelope *envelope, gint64 now)
{
    if (envelope->hold == ENVELOPE_HOLD_PERSON)
        return G_MAXINT64;
    /* next_at was made at counted_at: where that is ahead, the clock was set back since. */
    gboolean set_back = envelope->counted_at > now + SCHEDULE_SLACK_S;
    if (set_back || envelope->next_at > now + SCHEDULE_WAIT_MAX_S)
        return now;
    return envelope->next_at;
}

gboolean schedule_is_over(const Envelope *envelope, gint64 now, gint64 lifetime_s)
{
    return envelope->kind == ENVELOPE_MESSAGE && schedule_life_s(envelope, now) >= lifetime_s;
}

gboolean schedule_wants_warning(const Envelope *envelope, gint64 now)
{
    return !envelope->warned && schedule_age_s(envelope, now) >= SCHEDULE_WARN_S;
}

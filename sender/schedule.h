/* When a kept message is due, and when its life is over. Pure: the caller brings the wall clock
 * (Unix seconds) and chance.
 *
 * The wall clock can jump. So a life is counted in steps: from the last schedule_count() to now,
 * and no step counts for more than SCHEDULE_STEP_MAX_S (the clock was set forward, or the machine
 * was off: nobody could have sent it), none for less than nothing (the clock was set back). A time
 * that no rule of ours can have set is taken for past.
 */
#pragma once

#include "envelope.h"

/* After the 1st, 2nd, ... failed attempt: 1, 5, 15, 30, 60 minutes, then this. With up to a quarter
 * more by chance, so that what failed together does not come back together. */
#define SCHEDULE_CAP_S (2 * 3600)

/* No wait is longer: quotas have moved on after a day. */
#define SCHEDULE_WAIT_MAX_S (24 * 3600)

/* [sender] lifetime= where nobody said. */
#define SCHEDULE_LIFETIME_S (5 * 24 * 3600)

/* Mail that waits for so long (holds count) is worth a notice. */
#define SCHEDULE_WARN_S (4 * 3600)

#define SCHEDULE_STEP_MAX_S (4 * 3600)

/* Setting a clock right is no jump. */
#define SCHEDULE_SLACK_S 60

/* Seconds to wait after so many attempts (from 1); chance is any 32 random bits. */
gint64 schedule_backoff_s(gint64 attempts, guint32 chance);

/* Brings waited_s and held_s up to date. Call it whenever an envelope is to be saved, before hold
 * is changed. */
void schedule_count(Envelope *envelope, gint64 now);

/* An attempt has failed: counts, attempts + 1, next_at by the back-off, or after wait_s where a
 * server or table asked for more (0: nobody did). Ends a hold of the account, not a person's. */
void schedule_failed(Envelope *envelope, gint64 now, gint64 wait_s, guint32 chance);

/* Puts the message on hold (counts; does not touch attempts): tried again after wait_s, a person's
 * never. A hold of the same kind keeps its hold_since, and a person's stays whatever comes. */
void schedule_hold(Envelope *envelope, gint64 now, EnvelopeHold hold, gint64 wait_s);

/* Ends any hold, and makes the message due at once. */
void schedule_release(Envelope *envelope, gint64 now);

/* When it is to be tried: now or earlier is "at once", G_MAXINT64 "not before somebody releases
 * it". Past for a next_at beyond SCHEDULE_WAIT_MAX_S, and when the clock was set back behind
 * counted_at. */
gint64 schedule_due_at(const Envelope *envelope, gint64 now);

/* Whether it needs somebody who sends what is kept: not so what nobody has tried yet (its sender
 * does), and what a person holds. */
gboolean schedule_needs_runner(const Envelope *envelope, gint64 now);

/* Its life and its whole time in the queue, in seconds, without changing the envelope. */
gint64 schedule_life_s(const Envelope *envelope, gint64 now);
gint64 schedule_age_s(const Envelope *envelope, gint64 now);

/* Whether its life is over: it is bounced after one more attempt has failed. Reports of ours have
 * no end: they stay until they leave, or somebody removes them. */
gboolean schedule_is_over(const Envelope *envelope, gint64 now, gint64 lifetime_s);

/* Whether the notice of SCHEDULE_WARN_S is due (not yet warned). */
gboolean schedule_wants_warning(const Envelope *envelope, gint64 now);

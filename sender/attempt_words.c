#include "attempt_private.h"

#include "errors.h"
#include "schedule.h"
#include "verdict.h"

/* Why it waits, as a whole: what holds for all, else what the first recipient was told. */
void attempt_say_why(const Attempt *attempt)
{
    Envelope *envelope = attempt->entry->envelope;
    if (attempt->failed) {
        g_autoptr(GError) complete = verdict_complete(attempt->failed);
        envelope_set_reason(envelope, complete);
        return;
    }
    envelope_set_reason(envelope, NULL);
    for (guint i = 0; i < attempt->n; i++) {
        const EnvelopeRecipient *recipient = attempt->kept[i];
        if (recipient->state != ENVELOPE_WAITING || !recipient->reply)
            continue;
        envelope_set_text(&envelope->happened, recipient->reply);
        envelope_set_text(&envelope->meaning, recipient->meaning);
        envelope_set_text(&envelope->remedy, recipient->remedy);
        return;
    }
}

/* ---- what the caller learns ---- */

void attempt_say_final(const Attempt *attempt, AttemptResult *result)
{
    g_autofree char *groups =
        verdict_explain(attempt->terms->program, attempt->recipients, attempt->n);
    result->status = verdict_of_recipients(attempt->recipients, attempt->n);
    if (attempt->failed) {
        g_autoptr(GError) complete = verdict_complete(attempt->failed);
        g_autofree char *text = error_explain(attempt->terms->program, complete);
        g_string_append(attempt->text, text);
        result->status = verdict_of_error(attempt->failed, attempt->refusal);
    }
    result->status = verdict_no_second_copy(result->status, attempt->recipients, attempt->n);
    g_string_append(attempt->text, groups);
}

void attempt_say_refused(const Attempt *attempt)
{
    g_autofree char *groups =
        verdict_explain_refused(attempt->terms->program, attempt->recipients, attempt->n);
    g_string_append(attempt->text, groups);
}

void attempt_say_kept(const Attempt *attempt)
{
    const Envelope *envelope = attempt->entry->envelope;
    gint64 due_at = schedule_due_at(envelope, attempt->now);
    g_autoptr(GDateTime) due = g_date_time_new_from_unix_local(due_at);
    g_autofree char *when = due ? g_date_time_format(due, "%Y-%m-%d %H:%M:%S") : NULL;
    g_string_append_printf(attempt->text, "%s: kept as %s: %s\n", attempt->terms->program,
                           attempt->entry->id,
                           envelope->happened ? envelope->happened : "it waits for its turn");
    g_string_append_printf(attempt->text,
                           "  What it means: %s%snothing is lost: it is tried again at %s\n",
                           envelope->meaning ? envelope->meaning : "",
                           envelope->meaning ? "; " : "", when ? when : "a later time");
    if (envelope->hold != ENVELOPE_NO_HOLD && envelope->remedy)
        g_string_append_printf(attempt->text, "  What to do:    %s\n", envelope->remedy);
    else
        g_string_append_printf(attempt->text,
                               "  What to do:    nothing; \"postkey-queue show %s\" tells more\n",
                               attempt->entry->id);
}

#include "attempt_private.h"

#include "errors.h"
#include "log.h"

/* ---- what came of it ---- */

static void record_outcome(const Attempt *attempt, guint i)
{
    const SmtpRecipient *outcome = &attempt->recipients[i];
    EnvelopeRecipient *recipient = attempt->kept[i];
    if (outcome->outcome == SMTP_UNTRIED) {
        recipient->in_doubt = attempt->were_in_doubt[i]; /* its part was never on its way */
        return;
    }
    const Diagnosis *diagnosis = outcome->diagnosis;
    const GError *failed = attempt->failed;
    recipient->in_doubt = outcome->outcome == SMTP_UNKNOWN;
    recipient->tried_at = attempt->now;
    if (outcome->outcome == SMTP_SENT)
        recipient->state = ENVELOPE_SENT;
    if (outcome->outcome == SMTP_REFUSED)
        recipient->state = ENVELOPE_REFUSED;
    envelope_set_text(&recipient->reply, outcome->reply);
    envelope_set_text(&recipient->meaning, diagnosis ? diagnosis->meaning : error_meaning(failed));
    envelope_set_text(&recipient->remedy, diagnosis ? diagnosis->remedy : error_remedy(failed));
    if (attempt->relay)
        envelope_set_text(&recipient->relay, attempt->relay);
}

void attempt_record(const Attempt *attempt)
{
    gboolean in_doubt = FALSE;
    for (guint i = 0; i < attempt->n; i++) {
        record_outcome(attempt, i);
        in_doubt = in_doubt || attempt->kept[i]->in_doubt;
    }
    if (!in_doubt)
        attempt->entry->envelope->in_doubt_since = 0;
}

/* ---- the window ---- */

static gboolean is_untouched(const Attempt *attempt)
{
    for (guint i = 0; i < attempt->n; i++)
        if (attempt->recipients[i].outcome != SMTP_UNTRIED)
            return FALSE;
    return TRUE;
}

gboolean attempt_open_window(gpointer data, GError **error)
{
    const Attempt *attempt = data;
    Envelope *envelope = attempt->entry->envelope;
    attempt_record(attempt); /* of the parts before this one */
    for (guint i = 0; i < attempt->n; i++)
        if (attempt->recipients[i].outcome == SMTP_UNTRIED)
            attempt->kept[i]->in_doubt = TRUE;
    envelope->in_doubt_since = attempt->now;
    return (attempt->entry->marked && is_untouched(attempt)) ||
           spool_entry_save(attempt->entry, error);
}

static void set_all_in_doubt(const Envelope *envelope, gboolean in_doubt)
{
    for (guint i = 0; i < envelope->recipients->len; i++) {
        EnvelopeRecipient *recipient = envelope_recipient(envelope, i);
        recipient->in_doubt = in_doubt && recipient->state == ENVELOPE_WAITING;
    }
}

void attempt_mark(SpoolEntry *entry)
{
    Envelope *envelope = entry->envelope;
    g_autoptr(GError) failed = NULL;
    if (entry->marked || envelope->in_doubt_since != 0)
        return;
    envelope->in_doubt_since = attempt_wall_now();
    set_all_in_doubt(envelope, TRUE);
    entry->marked = spool_entry_save(entry, &failed);
    if (failed)
        log_debug("%s: not marked ahead: %s", entry->id, failed->message); /* its try tells */
    set_all_in_doubt(envelope, FALSE);
    envelope->in_doubt_since = 0;
}

gboolean attempt_unmark(SpoolEntry *entry)
{
    return !entry->marked || attempt_save(entry);
}

/* What the parts of attempt share: attempt.c (the try and its end), attempt_window.c (what
 * the envelope says of the outcomes, and of a doubt), attempt_reports.c (bounces, and
 * who is told), attempt_words.c (what the envelope and the caller read). For them alone. */
#pragma once

#include "attempt.h"
#include "bounce.h"

/* A try under way. */
typedef struct {
    const AttemptTerms *terms;
    SpoolEntry *entry;
    Courier **courier;
    Message *message;
    guint n; /* of those who wait */
    SmtpRecipient *recipients;
    EnvelopeRecipient **kept; /* the same, in the envelope */
    gboolean *were_in_doubt;  /* before this try */
    gint64 now;               /* Unix seconds */
    const char *relay;        /* borrowed from the courier; NULL: none */
    const Diagnosis *refusal;
    GError *failed; /* holds for all who are left */
    GString *text;
} Attempt;

/* Unix seconds. */
gint64 attempt_wall_now(void);

/* Whose broker is asked: the one that the caller asked for, else the one of the terms. */
PathsScope attempt_scope(const Attempt *attempt);

/* The route of its courier; NULL: there is none. Borrowed. */
const Route *attempt_route(const Attempt *attempt);

/* Write the envelope; remove the message, or, where that cannot be, write that nobody waits any
 * more. FALSE: the envelope on disk is as it was before; that is logged. */
gboolean attempt_save(SpoolEntry *entry);
gboolean attempt_remove(SpoolEntry *entry);

/* ---- the window ---- */

/* Into the envelope: what became of whom. */
void attempt_record(const Attempt *attempt);

/* The duplicate window opens: on disk before the first byte that opens it. For SmtpMail. */
gboolean attempt_open_window(gpointer attempt, GError **error);

/* ---- reports ---- */

gboolean attempt_is_report(const Envelope *envelope);

/* Puts a bounce into the queue, where one is wanted, and marks its recipients. address: the
 * account's own; NULL: unknown. */
gboolean attempt_make_bounce(SpoolEntry *entry, BounceKind kind, const char *address,
                             gint64 lifetime_s, GError **error);

/* Puts the report of success into the queue that somebody wants and no server makes (RFC 3461
 * section 5.2.2), before the message goes. NULL: there is none. Returns it, locked, owned. */
SpoolEntry *attempt_report_success(const Attempt *attempt);

/* A report that was refused: it never bounces, and never is lost either. */
void attempt_keep_report(const Attempt *attempt);

/* Gives a report to the account of [notify]; FALSE: there is none, or it was that one. */
gboolean attempt_redirect(const Attempt *attempt);

/* Tells a person that the message has waited long, where that is due. FALSE: it could not, yet. */
gboolean attempt_warn_when_late(const Attempt *attempt);

/* ---- words ---- */

/* Into the envelope: why it waits. */
void attempt_say_why(const Attempt *attempt);

/* Into the text for the caller: that nobody got it (and the status), who is refused, what is kept.
 */
void attempt_say_final(const Attempt *attempt, AttemptResult *result);
void attempt_say_refused(const Attempt *attempt);
void attempt_say_kept(const Attempt *attempt);

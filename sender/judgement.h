/* From a failure to what a queue does about it. Pure. */
#pragma once

#include "envelope.h"
#include "smtp.h"

typedef enum {
    JUDGED_RETRY,     /* by the back-off of the message */
    JUDGED_HOLD,      /* nothing of the account can be sent */
    JUDGED_PERMANENT, /* this message never */
    JUDGED_CALLERS,   /* a mistake of the call: no account of that name, not allowed */
} JudgementKind;

typedef struct {
    JudgementKind kind;
    EnvelopeHold hold; /* for JUDGED_HOLD */
    gint64 wait_s;     /* until another try makes sense; 0: nobody said */
    gboolean local;    /* no server decided it: to look again costs nothing */
} Judgement;

/* Of an error that holds for the whole message. refusal: the diagnosis of the server's reply behind
 * it; NULL: none. */
Judgement judgement_of_error(const GError *error, const Diagnosis *refusal);

/* Of the recipients that were deferred: the gravest that a diagnosis among them says. */
Judgement judgement_of_recipients(const SmtpRecipient *recipients, guint n);

/* The log of mail: one line for each attempt, facility mail, as administrators know it from other
 * mail servers; and on stderr as well where somebody watches. No secrets; control characters are
 * escaped.
 *
 *   ID: message-id=<..>, from=<..>, to=<..>, account=.., relay=HOST:PORT, delay=12.3,
 *   status=sent|deferred|refused|unknown, reply="250 2.0.0 OK"
 */
#pragma once

#include "smtp.h"

/* What holds for all recipients; all borrowed, NULL where nobody knows. */
typedef struct {
    const char *id;         /* of the queue */
    const char *message_id; /* with its angle brackets */
    const char *from;       /* "": the null sender */
    const char *account;
    const char *relay;
    gdouble delay_s; /* since the message came */
} MaillogAttempt;

/* program (borrowed, static) stands in each line; watched: on stderr, too. */
void maillog_open(const char *program, gboolean watched);

/* One line. reason: why, where the recipient has no reply of its own; may be NULL. */
void maillog_attempt(const MaillogAttempt *attempt, const SmtpRecipient *recipient,
                     const char *reason);

/* A line of another kind: "ID: what". */
void maillog_note(const char *id, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The word of the log for an outcome. Borrowed, static. */
const char *maillog_status(SmtpOutcome outcome);

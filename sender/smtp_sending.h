/* A message under way, for smtp_mail.c, smtp_envelope.c and smtp_body.c alone.
 */
#pragma once

#include "smtp_session.h"

typedef struct {
    SmtpSession *session;
    const SmtpMail *mail;
    guint64 size;        /* of the message as it goes out */
    gboolean utf8;       /* MAIL says SMTPUTF8 */
    gboolean announced;  /* about_to_commit() was called */
    guint n_said;        /* RCPT commands of the envelope under way */
    guint accepted;      /* recipients that it was taken for, and that have no verdict yet */
    gboolean in_a_hurry; /* the connection is breaking: only what is there is heard */
} SmtpSending;

/* ---- smtp_sending.c: verdicts ---- */

/* Every recipient that has no verdict yet gets this one. */
void smtp_decide_rest(const SmtpSending *sending, SmtpOutcome outcome, const char *words,
                      const Diagnosis *diagnosis);

/* One recipient gets the verdict of a reply. */
void smtp_decide(const SmtpSending *sending, SmtpRecipient *recipient, const Reply *reply);

/* It has an address that only SMTPUTF8 can carry. */
void smtp_refuse_foreign(const SmtpSending *sending, SmtpRecipient *recipient);

/* A reply decides for all that are left. */
void smtp_decide_rest_by_reply(const SmtpSending *sending, DiagnosisPhase phase,
                               const Reply *reply);

/* The connection is of no use any more; what is left is kept for another try. Takes failed, which
 * becomes *error where it decided for somebody. */
void smtp_decide_rest_by_error(const SmtpSending *sending, GError *failed, GError **error);

/* As above, when the message may have arrived. */
void smtp_leave_unknown(const SmtpSending *sending, GError *failed, GError **error);

gboolean smtp_are_all_decided(const SmtpSending *sending);

/* Reads a reply, with the time for it cut where the sending is in a hurry. Returns owned. */
Reply *smtp_hear_for(const SmtpSending *sending, gint64 timeout_ms, GError **error);

/* Takes the envelope back after a failure, so that the session can go on: RSET leaves at once, and
 * its reply is heard by smtp_settle(), for which there is time until the next message. */
void smtp_reset(const SmtpSending *sending);

/* Before a message: hears what smtp_reset() has left. FALSE with *error: the session has ended, as
 * the server does not forget, or has said more than it was asked (it took the message for commands,
 * or says goodbye). */
gboolean smtp_settle(SmtpSession *session, GError **error);

/* Remembers what the server cannot do, for this session and the next ones. */
void smtp_remember(SmtpSession *session, Habit habit);

/* ---- smtp_envelope.c: MAIL and RCPT ---- */

/* Decides for those whose address the server cannot take. */
void smtp_refuse_foreign_addresses(SmtpSending *sending);

/* Says RSET (where something is left over), MAIL, and RCPT for each recipient without a verdict,
 * without waiting for a reply. FALSE with *error: writing failed. */
gboolean smtp_say_envelope(SmtpSending *sending, GError **error);

/* Hears the replies to smtp_say_envelope() and fills in the verdicts of those who are refused.
 * FALSE: the session has ended, with *error (nobody is decided by it) where no reply said why. */
gboolean smtp_hear_envelope(SmtpSending *sending, GError **error);

/* Both, one command after the other, as long as it makes sense. FALSE as smtp_hear_envelope(), and
 * also when writing failed. */
gboolean smtp_ask_envelope(SmtpSending *sending, GError **error);

/* ---- smtp_body.c: the message ---- */

typedef enum {
    SMTP_BODY_DECIDED,   /* every recipient has a verdict; *error as for smtp_send() */
    SMTP_BODY_OTHERWISE, /* this way the server cannot take it; nobody has it */
} SmtpBodyResult;

/* Calls about_to_commit() once. FALSE with *error. */
gboolean smtp_announce(SmtpSending *sending, GError **error);

/* All of the message has left: what can be done until the verdict comes is done. */
void smtp_await_verdict(const SmtpSending *sending);

/* Envelope and message in one flight, and their replies. */
SmtpBodyResult smtp_send_flight(SmtpSending *sending, GError **error);

/* The message in chunks, after the envelope was accepted. */
SmtpBodyResult smtp_send_chunks(SmtpSending *sending, GError **error);

/* Says DATA (where said is FALSE), hears its reply, and sends the message, or a lone dot where
 * nobody was accepted. */
SmtpBodyResult smtp_send_data(SmtpSending *sending, gboolean said, GError **error);

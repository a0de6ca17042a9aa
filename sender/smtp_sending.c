#include "smtp_sending.h"

/* How long to look for a reply after the server stopped taking the message. */
#define HURRY_MS 2000

/* ---- verdicts ---- */

void smtp_recipient_clear(SmtpRecipient *recipient)
{
    g_free(recipient->reply);
    recipient->reply = NULL;
    recipient->diagnosis = NULL;
    recipient->outcome = SMTP_UNTRIED;
}

static void decide(SmtpRecipient *recipient, SmtpOutcome outcome, const char *words,
                   const Diagnosis *diagnosis)
{
    recipient->outcome = outcome;
    recipient->reply = g_strdup(words);
    recipient->diagnosis = diagnosis;
}

void smtp_decide_rest(const SmtpSending *sending, SmtpOutcome outcome, const char *words,
                      const Diagnosis *diagnosis)
{
    const SmtpMail *mail = sending->mail;
    for (guint i = 0; i < mail->n_recipients; i++)
        if (mail->recipients[i].outcome == SMTP_UNTRIED)
            decide(&mail->recipients[i], outcome, words, diagnosis);
}

gboolean smtp_are_all_decided(const SmtpSending *sending)
{
    const SmtpMail *mail = sending->mail;
    for (guint i = 0; i < mail->n_recipients; i++)
        if (mail->recipients[i].outcome == SMTP_UNTRIED)
            return FALSE;
    return TRUE;
}

static SmtpOutcome outcome_of(const Diagnosis *diagnosis)
{
    return diagnosis->action == DIAGNOSIS_GIVE_UP ? SMTP_REFUSED : SMTP_DEFERRED;
}

void smtp_decide(const SmtpSending *sending, SmtpRecipient *recipient, const Reply *reply)
{
    g_autofree char *words = reply_describe(reply);
    const Diagnosis *diagnosis = smtp_diagnose(sending->session, DIAGNOSIS_RCPT, reply);
    decide(recipient, outcome_of(diagnosis), words, diagnosis);
}

void smtp_refuse_foreign(const SmtpSending *sending, SmtpRecipient *recipient)
{
    /* RFC 6531 section 3.5: what a server that knows it would say. */
    decide(
        recipient, SMTP_REFUSED, "553 5.6.7 the server does not take addresses beyond ASCII",
        diagnosis_of_reply(DIAGNOSIS_RCPT, sending->session->road->provider, 553, "5.6.7", NULL));
}

void smtp_decide_rest_by_reply(const SmtpSending *sending, DiagnosisPhase phase, const Reply *reply)
{
    g_autofree char *words = reply_describe(reply);
    const Diagnosis *diagnosis = smtp_diagnose(sending->session, phase, reply);
    smtp_decide_rest(sending, outcome_of(diagnosis), words, diagnosis);
}

static void end_session(const SmtpSending *sending)
{
    transport_forget(sending->session->transport); /* nobody waits for a verdict on it any more */
    if (smtp_is_open(sending->session))
        smtp_enter(sending->session, SMTP_ENDED);
}

void smtp_decide_rest_by_error(const SmtpSending *sending, GError *failed, GError **error)
{
    end_session(sending);
    if (smtp_are_all_decided(sending)) {
        g_error_free(failed);
        return;
    }
    smtp_decide_rest(sending, SMTP_DEFERRED, failed->message, NULL);
    g_propagate_error(error, failed);
}

void smtp_leave_unknown(const SmtpSending *sending, GError *failed, GError **error)
{
    end_session(sending);
    if (!smtp_are_all_decided(sending))
        error_set(error, POSTKEY_ERROR_UNAVAILABLE,
                  "the whole message was on its way, but the server's answer is lost: it may have "
                  "arrived or not",
                  "look whether it is among the sent messages of the account before you send it "
                  "again",
                  "no verdict on the message: %s", failed->message);
    smtp_decide_rest(sending, SMTP_UNKNOWN, failed->message, NULL);
    g_error_free(failed);
}

/* ---- the session between two messages ---- */

Reply *smtp_hear_for(const SmtpSending *sending, gint64 timeout_ms, GError **error)
{
    gint64 patience_ms = sending->in_a_hurry ? MIN(timeout_ms, HURRY_MS) : timeout_ms;
    return smtp_hear(sending->session, patience_ms, error);
}

void smtp_reset(const SmtpSending *sending)
{
    SmtpSession *session = sending->session;
    if (!smtp_is_open(session))
        return;
    Deadline deadline = smtp_deadline(session, session->timeouts->block_ms);
    session->resets = transport_say(session->transport, "RSET\r\n", deadline, NULL) &&
                      transport_flush(session->transport, deadline, NULL);
    smtp_enter(session, session->resets ? SMTP_LOGGED_IN : SMTP_ENDED);
}

gboolean smtp_settle(SmtpSession *session, GError **error)
{
    g_autoptr(Reply) reply = NULL;
    if (session->resets) {
        session->resets = FALSE;
        reply = smtp_hear(session, session->timeouts->reply_ms, error);
        if (!reply)
            return FALSE;
    }
    /* One reply too many would be taken for that to the next command, and so on, up to a verdict
     * that is none. */
    if ((!reply || reply->code / 100 == 2) && transport_is_quiet(session->transport))
        return TRUE;
    if (!reply)
        reply = transport_hear_now(session->transport);
    g_autofree char *words = reply ? reply_describe(reply) : g_strdup("the connection has ended");
    if (smtp_is_open(session))
        smtp_enter(session, SMTP_ENDED);
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              "the server and we are out of step; over a new connection it goes on",
              "try again later", "%s is not ready for a message: %s", session->server->host, words);
    return FALSE;
}

void smtp_remember(SmtpSession *session, Habit habit)
{
    const SmtpRoad *road = session->road;
    g_autoptr(GError) failed = NULL;
    if (session->habit >= habit)
        return;
    session->habit = habit;
    transport_note(session->transport, "%s is remembered: %s", session->server->host,
                   habit == HABIT_NO_CHUNKS ? "no BDAT" : "BDAT only after the replies to RCPT");
    if (road->habits && !habits_put(road->habits, session->server->host, session->server->port,
                                    habit, g_get_real_time() / G_USEC_PER_SEC, &failed))
        transport_note(session->transport, "cannot remember it: %s", failed->message);
}

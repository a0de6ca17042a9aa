#include "smtp_session.h"

/* How long to look for a reply after the server stopped taking the message. */
#define EARLY_REPLY_MS 2000

/* A message under way. */
typedef struct {
    SmtpSession *session;
    const char *sender;
    SmtpRecipient *recipients;
    guint n;
    Message *message;
} Mail;

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

/* Every recipient that has no verdict yet gets this one. */
static void decide_rest(const Mail *mail, SmtpOutcome outcome, const char *words,
                        const Diagnosis *diagnosis)
{
    for (guint i = 0; i < mail->n; i++)
        if (mail->recipients[i].outcome == SMTP_UNTRIED)
            decide(&mail->recipients[i], outcome, words, diagnosis);
}

static SmtpOutcome outcome_of(const Diagnosis *diagnosis)
{
    return diagnosis->action == DIAGNOSIS_GIVE_UP ? SMTP_REFUSED : SMTP_DEFERRED;
}

/* A reply that decides for all that are left. */
static void decide_rest_by_reply(const Mail *mail, DiagnosisPhase phase, const Reply *reply)
{
    g_autofree char *words = reply_describe(reply);
    const Diagnosis *diagnosis = smtp_diagnose(mail->session, phase, reply);
    decide_rest(mail, outcome_of(diagnosis), words, diagnosis);
}

/* The connection broke: what is left is kept for another try. Takes failed. */
static gboolean decide_rest_by_error(const Mail *mail, GError *failed, GError **error)
{
    if (smtp_is_open(mail->session))
        smtp_enter(mail->session, SMTP_ENDED);
    decide_rest(mail, SMTP_DEFERRED, failed->message, NULL);
    g_propagate_error(error, failed);
    return FALSE;
}

/* The connection broke when the message may have arrived. Takes failed. */
static gboolean leave_unknown(const Mail *mail, GError *failed, GError **error)
{
    if (smtp_is_open(mail->session))
        smtp_enter(mail->session, SMTP_ENDED);
    decide_rest(mail, SMTP_UNKNOWN, failed->message, NULL);
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              "the whole message was on its way, but the server's answer is lost: it may have "
              "arrived or not",
              "look whether it is among the sent messages of the account before you send it again",
              "no verdict on the message: %s", failed->message);
    g_error_free(failed);
    return FALSE;
}

/* ---- before the first command ---- */

static gboolean check(const Mail *mail, GError **error)
{
    const SmtpOffer *offer = &mail->session->offer;
    const MessageOffer takes = {.eight_bit_mime = offer->eight_bit_mime};
    if (!message_prepare(mail->message, &takes, error))
        return FALSE;
    guint64 size = message_size(mail->message);
    if (offer->size_max > 0 && size > offer->size_max) {
        error_set(error, POSTKEY_ERROR_REFUSED,
                  "the server takes no message of this size (attachments grow by a third on their "
                  "way); nothing "
                  "was sent to anybody",
                  "send a link to the data, or several smaller messages",
                  "the message has %" G_GUINT64_FORMAT
                  " bytes, %s takes at most %" G_GUINT64_FORMAT,
                  size, mail->session->server->host, offer->size_max);
        return FALSE;
    }
    return TRUE;
}

/* ---- envelope ---- */

static gboolean say_mail(const Mail *mail, const char *sender, GError **error)
{
    const SmtpOffer *offer = &mail->session->offer;
    g_autoptr(GString) line = g_string_new(NULL);
    g_string_append_printf(line, "MAIL FROM:<%s>", sender);
    if (offer->size)
        g_string_append_printf(line, " SIZE=%" G_GUINT64_FORMAT, message_size(mail->message));
    if (message_is_eight_bit(mail->message))
        g_string_append(line, " BODY=8BITMIME");
    g_autoptr(GError) failed = NULL;
    g_autoptr(Reply) reply =
        smtp_ask(mail->session, mail->session->timeouts->reply_ms, line->str, &failed);
    if (!reply)
        return decide_rest_by_error(mail, g_steal_pointer(&failed), error);
    if (reply->code / 100 != 2) {
        decide_rest_by_reply(mail, DIAGNOSIS_MAIL, reply);
        return FALSE;
    }
    smtp_enter(mail->session, SMTP_ENVELOPE);
    return TRUE;
}

/* One RCPT. FALSE: the session ended. */
static gboolean say_rcpt(const Mail *mail, SmtpRecipient *recipient, guint *accepted,
                         GError **error)
{
    g_autofree char *line = g_strdup_printf("RCPT TO:<%s>", recipient->address);
    g_autoptr(GError) failed = NULL;
    g_autoptr(Reply) reply =
        smtp_ask(mail->session, mail->session->timeouts->reply_ms, line, &failed);
    if (!reply)
        return decide_rest_by_error(mail, g_steal_pointer(&failed), error);
    if (reply->code == 421) {
        decide_rest_by_reply(mail, DIAGNOSIS_RCPT, reply);
        return FALSE;
    }
    if (reply->code / 100 == 2) {
        (*accepted)++;
        return TRUE;
    }
    g_autofree char *words = reply_describe(reply);
    const Diagnosis *diagnosis = smtp_diagnose(mail->session, DIAGNOSIS_RCPT, reply);
    decide(recipient, outcome_of(diagnosis), words, diagnosis);
    return TRUE;
}

static gboolean say_recipients(const Mail *mail, GError **error)
{
    guint accepted = 0;
    for (guint i = 0; i < mail->n; i++)
        if (!say_rcpt(mail, &mail->recipients[i], &accepted, error))
            return FALSE;
    return accepted > 0;
}

/* Takes the envelope back, so that the session can go on. Where even this fails, the session has
 * ended, and the recipients have their verdicts. */
static void reset(const Mail *mail)
{
    if (mail->session->state != SMTP_ENVELOPE)
        return;
    g_autoptr(Reply) reply =
        smtp_ask(mail->session, mail->session->timeouts->reply_ms, "RSET", NULL);
    if (reply && reply->code / 100 == 2)
        smtp_enter(mail->session, SMTP_LOGGED_IN);
    else if (smtp_is_open(mail->session))
        smtp_enter(mail->session, SMTP_ENDED);
}

/* ---- the message ---- */

static gboolean carry(const char *bytes, gsize len, gpointer data, GError **error)
{
    SmtpSession *session = data;
    return transport_carry(session->transport, bytes, len,
                           smtp_deadline(session, session->timeouts->block_ms), error);
}

static gboolean say_data(const Mail *mail, GError **error)
{
    g_autoptr(GError) failed = NULL;
    g_autoptr(Reply) reply =
        smtp_ask(mail->session, mail->session->timeouts->data_ms, "DATA", &failed);
    if (!reply)
        return decide_rest_by_error(mail, g_steal_pointer(&failed), error);
    if (reply->code != 354) {
        decide_rest_by_reply(mail, DIAGNOSIS_DATA, reply);
        return FALSE;
    }
    smtp_enter(mail->session, SMTP_BODY);
    return TRUE;
}

/* Writing failed: a server that refuses a message in its midst says why and closes. */
static gboolean hear_early_verdict(const Mail *mail, GError *failed, GError **error)
{
    if (!g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE))
        return decide_rest_by_error(mail, failed, error);
    g_autoptr(Reply) reply =
        transport_hear(mail->session->transport, deadline_in_ms(EARLY_REPLY_MS), NULL);
    if (!reply || reply->code < 400)
        return decide_rest_by_error(mail, failed, error);
    g_error_free(failed);
    smtp_enter(mail->session, SMTP_ENDED);
    decide_rest_by_reply(mail, DIAGNOSIS_DATA, reply);
    return FALSE;
}

static gboolean say_body(const Mail *mail, GError **error)
{
    Transport *transport = mail->session->transport;
    g_autoptr(GError) failed = NULL;
    if (!message_stream(mail->message, TRUE, carry, mail->session, &failed))
        return hear_early_verdict(mail, g_steal_pointer(&failed), error);
    smtp_enter(mail->session, SMTP_VERDICT);
    Deadline deadline = smtp_deadline(mail->session, mail->session->timeouts->block_ms);
    if (!transport_carry(transport, ".\r\n", 3, deadline, &failed) ||
        !transport_flush(transport, deadline, &failed))
        return leave_unknown(mail, g_steal_pointer(&failed), error);
    return TRUE;
}

static void hear_verdict(const Mail *mail, GError **error)
{
    g_autoptr(GError) failed = NULL;
    g_autoptr(Reply) reply = smtp_hear(mail->session, mail->session->timeouts->verdict_ms, &failed);
    if (!reply) {
        (void)leave_unknown(mail, g_steal_pointer(&failed), error);
        return;
    }
    if (reply->code / 100 == 2) {
        g_autofree char *words = reply_describe(reply);
        decide_rest(mail, SMTP_SENT, words, NULL);
    } else {
        decide_rest_by_reply(mail, DIAGNOSIS_DATA, reply);
    }
    if (smtp_is_open(mail->session))
        smtp_enter(mail->session, SMTP_LOGGED_IN);
}

static gboolean all_sent(const Mail *mail)
{
    for (guint i = 0; i < mail->n; i++)
        if (mail->recipients[i].outcome != SMTP_SENT)
            return FALSE;
    return TRUE;
}

gboolean smtp_send(SmtpSession *session, const SmtpMail *params, GError **error)
{
    SmtpRecipient *recipients = params->recipients;
    guint n = params->n_recipients;
    Mail mail = {.session = session, .recipients = recipients, .n = n, .message = params->message};
    if (session->state != SMTP_LOGGED_IN)
        g_error("a message where none may be");
    for (guint i = 0; i < n; i++)
        smtp_recipient_clear(&recipients[i]);
    g_autoptr(GError) failed = NULL;
    if (!check(&mail, &failed)) {
        decide_rest(&mail, SMTP_REFUSED, failed->message, NULL);
        g_propagate_error(error, g_steal_pointer(&failed));
        return FALSE;
    }
    if (!say_mail(&mail, params->sender, error))
        return FALSE;
    if (!say_recipients(&mail, error) || !say_data(&mail, error)) {
        reset(&mail);
        return FALSE;
    }
    if (say_body(&mail, error))
        hear_verdict(&mail, error);
    return all_sent(&mail);
}

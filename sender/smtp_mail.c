#include "smtp_sending.h"

#include "address.h"

/* How a message goes out. RFC 3030 section 2 reads as if BDAT had to wait for the replies to MAIL
 * and RCPT, RFC 2920 lets it go with them. A server that does not bear it says so, or closes; the
 * next way is for it, and is remembered. */
typedef enum {
    WAY_FLIGHT, /* MAIL, RCPT, BDAT LAST, and the message, at once */
    WAY_CHUNKS, /* BDAT after the replies to MAIL and RCPT */
    WAY_DATA,
} Way;

/* ---- before the first command ---- */

static gboolean refuse_size(const SmtpSending *sending, GError **error)
{
    const SmtpSession *session = sending->session;
    error_set(
        error, POSTKEY_ERROR_REFUSED,
        "the server takes no message of this size (attachments grow by a third on their way); "
        "nothing was sent to anybody",
        "send a link to the data, or several smaller messages",
        "the message has %" G_GUINT64_FORMAT " bytes, %s takes at most %" G_GUINT64_FORMAT,
        sending->size, session->server->host, session->offer.size_max);
    return FALSE;
}

static gboolean refuse_utf8(const SmtpSending *sending, GError **error)
{
    error_set(error, POSTKEY_ERROR_REFUSED,
              "this server does not take addresses beyond ASCII (SMTPUTF8); nothing was sent to "
              "anybody",
              "use a sender in ASCII",
              "the sender's address needs SMTPUTF8, and %s does not offer it",
              sending->session->server->host);
    return FALSE;
}

/* Nothing that a line of SMTP is made of may end it. */
static gboolean is_within_a_line(const char *text)
{
    for (; text && *text; text++)
        if ((guchar)*text < ' ' || *text == 0x7f)
            return FALSE;
    return TRUE;
}

/* Those who took the addresses have looked already; but a file can be changed, and whatever stands
 * behind a line break would be a command. */
static gboolean check_lines(const SmtpMail *mail, GError **error)
{
    gboolean ok = is_within_a_line(mail->sender) && is_within_a_line(mail->dsn.notify) &&
                  is_within_a_line(mail->dsn.ret);
    for (guint i = 0; ok && i < mail->n_recipients; i++)
        ok = is_within_a_line(mail->recipients[i].address);
    if (!ok)
        error_set(error, POSTKEY_ERROR_REFUSED, "nothing was sent to anybody",
                  "give the addresses without control characters",
                  "an address of the envelope holds a line break or another control character");
    return ok;
}

static gboolean prepare(SmtpSending *sending, GError **error)
{
    const SmtpOffer *offer = &sending->session->offer;
    const SmtpMail *mail = sending->mail;
    const MessageOffer takes = {.eight_bit_mime = offer->eight_bit_mime, .smtp_utf8 = offer->utf8};
    if (!check_lines(mail, error) || !message_prepare(mail->message, &takes, error))
        return FALSE;
    sending->size = message_size(mail->message);
    if (offer->size_max > 0 && sending->size > offer->size_max)
        return refuse_size(sending, error);
    return offer->utf8 || !address_needs_utf8(mail->sender) || refuse_utf8(sending, error);
}

/* ---- the ways ---- */

static Way first_way(const SmtpSending *sending)
{
    const SmtpSession *session = sending->session;
    if (!session->offer.chunking || session->habit == HABIT_NO_CHUNKS)
        return WAY_DATA;
    if (session->offer.pipelining && session->habit == HABIT_NONE &&
        sending->size <= SMTP_FLIGHT_MAX_LEN)
        return WAY_FLIGHT;
    return WAY_CHUNKS;
}

/* The envelope, with what may go in the same flight (NULL: nothing). FALSE: all are decided. */
static gboolean send_envelope(SmtpSending *sending, const char *and_then, GError **error)
{
    SmtpSession *session = sending->session;
    Deadline deadline = smtp_deadline(session, session->timeouts->block_ms);
    GError *failed = NULL;
    gboolean ok;
    if (session->offer.pipelining)
        ok = smtp_say_envelope(sending, &failed) &&
             (!and_then || transport_say(session->transport, and_then, deadline, &failed)) &&
             transport_flush(session->transport, deadline, &failed) &&
             smtp_hear_envelope(sending, &failed);
    else
        ok = smtp_ask_envelope(sending, &failed);
    if (failed)
        smtp_decide_rest_by_error(sending, failed, error);
    return ok;
}

static SmtpBodyResult send_by_chunks(SmtpSending *sending, GError **error)
{
    if (!send_envelope(sending, NULL, error))
        return SMTP_BODY_DECIDED;
    if (sending->accepted > 0)
        return smtp_send_chunks(sending, error);
    smtp_reset(sending);
    return SMTP_BODY_DECIDED;
}

static SmtpBodyResult send_by_data(SmtpSending *sending, GError **error)
{
    gboolean said = sending->session->offer.pipelining;
    if (!send_envelope(sending, "DATA\r\n", error))
        return SMTP_BODY_DECIDED;
    if (said || sending->accepted > 0)
        return smtp_send_data(sending, said, error);
    smtp_reset(sending);
    return SMTP_BODY_DECIDED;
}

static SmtpBodyResult send_by(SmtpSending *sending, Way way, GError **error)
{
    switch (way) {
    case WAY_FLIGHT:
        return smtp_send_flight(sending, error);
    case WAY_CHUNKS:
        return send_by_chunks(sending, error);
    case WAY_DATA:
        break;
    }
    return send_by_data(sending, error);
}

static gboolean are_all_sent(const SmtpMail *mail)
{
    for (guint i = 0; i < mail->n_recipients; i++)
        if (mail->recipients[i].outcome != SMTP_SENT)
            return FALSE;
    return TRUE;
}

gboolean smtp_send(SmtpSession *session, const SmtpMail *mail, GError **error)
{
    SmtpSending sending = {.session = session, .mail = mail};
    GError *failed = NULL;
    if (session->state != SMTP_LOGGED_IN)
        g_error("a message where none may be");
    for (guint i = 0; i < mail->n_recipients; i++)
        smtp_recipient_clear(&mail->recipients[i]);
    if (!prepare(&sending, &failed)) {
        gboolean permanent = g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED);
        smtp_decide_rest(&sending, permanent ? SMTP_REFUSED : SMTP_DEFERRED, failed->message, NULL);
        g_propagate_error(error, failed);
        return FALSE;
    }
    if (!smtp_settle(session, &failed)) {
        smtp_decide_rest_by_error(&sending, failed, error);
        return FALSE;
    }
    smtp_refuse_foreign_addresses(&sending);
    if (smtp_are_all_decided(&sending))
        return FALSE;
    for (Way way = first_way(&sending);
         send_by(&sending, way, error) == SMTP_BODY_OTHERWISE && way < WAY_DATA; way++)
        ;
    return are_all_sent(mail);
}

#include "smtp_sending.h"

#include "address.h"

#include <string.h>

/* ---- texts ---- */

/* RFC 3461 section 4: printable ASCII but "+" and "=" stands for itself. */
static void append_xtext(GString *line, const char *text)
{
    for (const guchar *p = (const guchar *)text; *p; p++) {
        if (*p > ' ' && *p < 0x7f && *p != '+' && *p != '=')
            g_string_append_c(line, (char)*p);
        else
            g_string_append_printf(line, "+%02X", *p);
    }
}

static char *mail_line(const SmtpSending *sending)
{
    const SmtpOffer *offer = &sending->session->offer;
    const SmtpMail *mail = sending->mail;
    GString *line = g_string_new(NULL);
    g_string_append_printf(line, "MAIL FROM:<%s>", mail->sender);
    if (offer->size)
        g_string_append_printf(line, " SIZE=%" G_GUINT64_FORMAT, sending->size);
    if (message_is_eight_bit(mail->message))
        g_string_append(line, " BODY=8BITMIME");
    if (sending->utf8)
        g_string_append(line, " SMTPUTF8");
    if (offer->dsn && mail->dsn.ret)
        g_string_append_printf(line, " RET=%s", mail->dsn.ret);
    if (offer->dsn && mail->dsn.envelope_id) {
        g_string_append(line, " ENVID=");
        append_xtext(line, mail->dsn.envelope_id);
    }
    g_string_append(line, "\r\n");
    return g_string_free(line, FALSE);
}

#define ADDRESS_TYPE_CHARS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-"

/* The address type stands for itself; what follows it is xtext. */
static void append_original(GString *line, const SmtpRecipient *recipient)
{
    const char *original = recipient->original ? recipient->original : recipient->address;
    const char *address = recipient->original ? strchr(original, ';') : NULL;
    if (!g_str_is_ascii(original) ||
        (address && strspn(original, ADDRESS_TYPE_CHARS) < (gsize)(address - original)))
        return; /* would need the utf-8 type of RFC 6533, or is none; RCPT says what is needed */
    g_string_append_printf(line, " ORCPT=%.*s;", address ? (int)(address - original) : 6,
                           address ? original : "rfc822");
    append_xtext(line, address ? address + 1 : original);
}

static char *rcpt_line(const SmtpSending *sending, const SmtpRecipient *recipient)
{
    const SmtpDsn *dsn = &sending->mail->dsn;
    GString *line = g_string_new(NULL);
    g_string_append_printf(line, "RCPT TO:<%s>", recipient->address);
    if (sending->session->offer.dsn && dsn->notify)
        g_string_append_printf(line, " NOTIFY=%s", dsn->notify);
    if (sending->session->offer.dsn && (dsn->notify || recipient->original))
        append_original(line, recipient);
    g_string_append(line, "\r\n");
    return g_string_free(line, FALSE);
}

/* ---- who can be reached ---- */

void smtp_refuse_foreign_addresses(SmtpSending *sending)
{
    const SmtpMail *mail = sending->mail;
    gboolean foreign = message_needs_smtp_utf8(mail->message) || address_needs_utf8(mail->sender);
    for (guint i = 0; i < mail->n_recipients; i++) {
        SmtpRecipient *recipient = &mail->recipients[i];
        if (!address_needs_utf8(recipient->address))
            continue;
        foreign = TRUE;
        if (!sending->session->offer.utf8)
            smtp_refuse_foreign(sending, recipient);
    }
    sending->utf8 = foreign && sending->session->offer.utf8;
}

/* ---- saying and hearing ---- */

static gboolean say(const SmtpSending *sending, char *line, GError **error)
{
    g_autofree char *owned = line;
    SmtpSession *session = sending->session;
    return transport_say(session->transport, owned,
                         smtp_deadline(session, session->timeouts->block_ms), error);
}

static void begin(SmtpSending *sending)
{
    sending->n_said = sending->accepted = 0;
    smtp_enter(sending->session, SMTP_ENVELOPE);
}

gboolean smtp_say_envelope(SmtpSending *sending, GError **error)
{
    const SmtpMail *mail = sending->mail;
    begin(sending);
    if (!say(sending, mail_line(sending), error))
        return FALSE;
    for (guint i = 0; i < mail->n_recipients; i++) {
        if (mail->recipients[i].outcome != SMTP_UNTRIED)
            continue;
        if (!say(sending, rcpt_line(sending, &mail->recipients[i]), error))
            return FALSE;
        sending->n_said++;
    }
    return TRUE;
}

/* FALSE: it decided for all. */
static gboolean take_mail_reply(const SmtpSending *sending, const Reply *reply)
{
    if (reply->code / 100 == 2)
        return TRUE;
    smtp_decide_rest_by_reply(sending, DIAGNOSIS_MAIL, reply);
    return FALSE;
}

/* FALSE: the session has ended. */
static gboolean take_rcpt_reply(SmtpSending *sending, SmtpRecipient *recipient, const Reply *reply)
{
    if (reply->code == 421) {
        smtp_decide_rest_by_reply(sending, DIAGNOSIS_RCPT, reply);
        sending->accepted = 0;
        return FALSE;
    }
    if (reply->code / 100 == 2)
        sending->accepted++;
    else
        smtp_decide(sending, recipient, reply);
    return TRUE;
}

/* What was said behind a MAIL that was refused is refused as well; its replies tell nothing new. */
static gboolean skip_replies(const SmtpSending *sending, guint n, GError **error)
{
    for (guint i = 0; i < n; i++) {
        g_autoptr(Reply) reply =
            smtp_hear_for(sending, sending->session->timeouts->reply_ms, error);
        if (!reply || reply->code == 421)
            return FALSE;
    }
    return TRUE;
}

gboolean smtp_hear_envelope(SmtpSending *sending, GError **error)
{
    const SmtpMail *mail = sending->mail;
    gint64 reply_ms = sending->session->timeouts->reply_ms;
    g_autoptr(Reply) first = smtp_hear_for(sending, reply_ms, error);
    if (!first)
        return FALSE;
    if (!take_mail_reply(sending, first))
        return smtp_is_open(sending->session) && skip_replies(sending, sending->n_said, error);
    for (guint i = 0; i < mail->n_recipients; i++) {
        if (mail->recipients[i].outcome != SMTP_UNTRIED)
            continue;
        g_autoptr(Reply) reply = smtp_hear_for(sending, reply_ms, error);
        if (!reply || !take_rcpt_reply(sending, &mail->recipients[i], reply))
            return FALSE;
    }
    return TRUE;
}

/* Says one line and hears its reply. Returns owned. */
static Reply *ask(const SmtpSending *sending, char *line, GError **error)
{
    SmtpSession *session = sending->session;
    if (!say(sending, line, error) ||
        !transport_flush(session->transport, smtp_deadline(session, session->timeouts->block_ms),
                         error))
        return NULL;
    return smtp_hear_for(sending, session->timeouts->reply_ms, error);
}

gboolean smtp_ask_envelope(SmtpSending *sending, GError **error)
{
    const SmtpMail *mail = sending->mail;
    begin(sending);
    g_autoptr(Reply) first = ask(sending, mail_line(sending), error);
    if (!first)
        return FALSE;
    if (!take_mail_reply(sending, first))
        return smtp_is_open(sending->session);
    for (guint i = 0; i < mail->n_recipients; i++) {
        if (mail->recipients[i].outcome != SMTP_UNTRIED)
            continue;
        g_autoptr(Reply) reply = ask(sending, rcpt_line(sending, &mail->recipients[i]), error);
        if (!reply || !take_rcpt_reply(sending, &mail->recipients[i], reply))
            return FALSE;
    }
    return TRUE;
}

#include "counters.h"
#include "mailbox.h"
#include "smtp_session.h"
#include "switches.h"

#include <string.h>

enum { MAX_LINE = 1000 };

static const char too_big[] = "5.3.4 Your message exceeded Google's message size limits. For more\n"
                              "5.3.4 information, visit\n"
                              "5.3.4  https://support.google.com/mail/?p=MaxSizeError";

static gsize size_limit(void)
{
    return (gsize)switch_number(SWITCH_SMTP_SIZE, 0);
}

/* RFC 5321 §2.3.8: CR and LF only together. Returns how often they are not. */
static gsize scan(const SmtpSession *session)
{
    gsize bare = 0;
    gsize line_start = 0;
    gboolean has_8bit = FALSE;
    const GString *content = session->content;
    for (gsize i = 0; i < content->len; i++) {
        char c = content->str[i];
        has_8bit = has_8bit || (unsigned char)c >= 128;
        if (c == '\r' && content->str[i + 1] != '\n')
            bare++;
        if (c != '\n')
            continue;
        if (i == 0 || content->str[i - 1] != '\r')
            bare++;
        if (i + 1 - line_start > MAX_LINE)
            count_by("smtp.long_lines", 1);
        line_start = i + 1;
    }
    if (has_8bit && !session->is_8bit)
        count_by("smtp.unannounced_8bit", 1);
    return bare;
}

/* The whole message is here: the last word on it. */
static void finish(SmtpSession *session, const char *via)
{
    gsize bare = scan(session);
    gsize size = session->content->len;
    gboolean stored = FALSE;
    count_by("smtp.bare_newlines", (gint64)bare);
    if (!smtp_obey(session, "BODY", session->content->str)) {
        /* answered by a rule */
    } else if (size > size_limit()) {
        smtp_reply(session, 552, too_big);
    } else if (bare > 0) {
        smtp_reply(session, 550, "5.7.1 SMTP protocol violation, see RFC 5321");
    } else {
        cJSON *envelope = session->envelope;
        cJSON_AddStringToObject(envelope, "user", session->user);
        cJSON_AddStringToObject(envelope, "mechanism", session->mechanism);
        cJSON_AddStringToObject(envelope, "port", session->port);
        cJSON_AddStringToObject(envelope, "tls_version", channel_tls_version(session->channel));
        cJSON_AddStringToObject(envelope, "via", via);
        cJSON_AddNumberToObject(envelope, "size", (double)size);
        stored = mailbox_store(session->content, envelope);
        if (stored) {
            gint64 now = g_get_real_time() / G_USEC_PER_SEC;
            g_autofree char *text = g_strdup_printf("2.0.0 OK  %" G_GINT64_FORMAT, now);
            count_by("smtp.messages", 1);
            smtp_reply(session, 250, text);
        } else {
            smtp_reply(session, 451, "4.3.0 Mail server temporarily rejected message.");
        }
    }
    if (!stored)
        count_by("smtp.messages_refused", 1);
    smtp_end_transaction(session);
}

static gboolean cut_off(SmtpSession *session)
{
    count_by("smtp.cut_off", 1);
    session->dropping = TRUE;
    return FALSE;
}

/* Through the lone dot. What follows a bare LF is not the start of a line: neither a dot to take
 * away nor the end is looked for there. */
static gboolean read_lines(SmtpSession *session)
{
    g_autoptr(GString) line = g_string_new(NULL);
    gboolean at_start = TRUE;
    gsize limit = size_limit();
    for (;;) {
        if (!channel_read_line(session->channel, line, limit + MAX_LINE))
            return cut_off(session);
        if (at_start && g_str_equal(line->str, ".\r\n"))
            return TRUE;
        gsize skip = at_start && line->str[0] == '.' ? 1 : 0;
        if (session->content->len <= limit)
            g_string_append_len(session->content, line->str + skip, (gssize)(line->len - skip));
        at_start = line->len >= 2 && memcmp(line->str + line->len - 2, "\r\n", 2) == 0;
    }
}

/* The refusal of content in this state, as code and text; 0 when there is nothing to refuse. */
static guint lacks_transaction(const SmtpSession *session, const char **text)
{
    guint code = smtp_lacks_login(session, text);
    if (code != 0)
        return code;
    if (session->envelope == NULL)
        *text = "5.5.1 MAIL first.";
    else if (session->broken)
        *text = "5.5.1 RSET first.";
    else if (cJSON_GetArraySize(cJSON_GetObjectItem(session->envelope, "recipients")) == 0)
        *text = "5.5.1 RCPT first.";
    else
        return 0;
    return 503;
}

void smtp_data(SmtpSession *session, const char *argument)
{
    const char *text = NULL;
    guint code = lacks_transaction(session, &text);
    if (code != 0) {
        smtp_reply(session, code, text);
    } else if (*argument != '\0') {
        smtp_reply(session, 501, "5.5.4 DATA has no arguments.");
    } else if (session->in_chunks) {
        smtp_reply(session, 503, "5.5.1 BDAT and DATA do not mix.");
    } else {
        if (channel_pending(session->channel) > 0)
            count_by("smtp.early_input", 1);
        smtp_reply(session, 354, "Go ahead");
        if (read_lines(session))
            finish(session, "DATA");
    }
}

/* "SIZE" or "SIZE LAST"; FALSE for anything else. */
static gboolean parse_chunk(const char *argument, guint64 *size, gboolean *last)
{
    g_auto(GStrv) parts = g_strsplit(argument, " ", 2);
    *last = parts[0] != NULL && parts[1] != NULL && g_ascii_strcasecmp(parts[1], "LAST") == 0;
    return parts[0] != NULL && (parts[1] == NULL || *last) &&
           g_ascii_string_to_unsigned(parts[0], 10, 0, G_MAXINT32, size, NULL);
}

void smtp_skip_chunk(SmtpSession *session, const char *argument)
{
    guint64 size = 0;
    gboolean last = FALSE;
    session->broken = TRUE;
    if (parse_chunk(argument, &size, &last) && !channel_read_exact(session->channel, size, NULL))
        (void)cut_off(session); /* always FALSE */
}

/* A server that does not bear BDAT in the flight of MAIL and RCPT. FALSE when it has answered, or
 * ended the session. */
static gboolean bears_early_bdat(SmtpSession *session, const char *argument)
{
    g_autofree char *early = switch_text(SWITCH_SMTP_EARLY_BDAT);
    if (g_str_equal(early, "take") || channel_unsent(session->channel) == 0)
        return TRUE;
    count_by("smtp.early_bdat", 1);
    if (g_str_equal(early, "close")) {
        session->dropping = TRUE;
        return FALSE;
    }
    if (g_str_equal(early, "refuse"))
        smtp_skip_chunk(session, argument);
    smtp_reply(session, 503, "5.5.1 Bad sequence of commands.");
    return FALSE;
}

/* RFC 3030 §2: the chunk is read whatever we think of it, or its bytes would be taken for commands.
 */
void smtp_bdat(SmtpSession *session, const char *argument)
{
    const char *text = NULL;
    guint64 size = 0;
    gboolean last = FALSE;
    if (!switch_has_word(SWITCH_SMTP_EXTENSIONS, "CHUNKING")) {
        smtp_reply(session, 502, "5.5.1 Unrecognized command.");
        return;
    }
    if (!parse_chunk(argument, &size, &last)) {
        smtp_reply(session, 501, "5.5.4 BDAT needs a size.");
        return;
    }
    if (!bears_early_bdat(session, argument))
        return;
    guint code = lacks_transaction(session, &text);
    gboolean fits = code == 0 && session->content->len + size <= size_limit();
    if (!channel_read_exact(session->channel, size, fits ? session->content : NULL)) {
        (void)cut_off(session); /* always FALSE */
    } else if (code != 0) {
        smtp_reply(session, code, text);
    } else if (!fits) {
        session->broken = TRUE;
        count_by("smtp.messages_refused", 1);
        smtp_reply(session, 552, too_big);
    } else if (last) {
        finish(session, "BDAT");
    } else {
        g_autofree char *answer = g_strdup_printf("2.0.0 OK, %" G_GUINT64_FORMAT " octets", size);
        session->in_chunks = TRUE;
        smtp_reply(session, 250, answer);
    }
}

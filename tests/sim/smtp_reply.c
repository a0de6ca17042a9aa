#include "counters.h"
#include "record.h"
#include "smtp_session.h"

#include <string.h>

enum { SLOW_MS = 50 };

static const char *action_of(const SmtpSession *session)
{
    return session->rule != NULL ? json_text(session->rule->settings, "action") : "";
}

/* Complete lines, separated by \n, without their CRLF. */
static void send_lines(SmtpSession *session, const char *lines)
{
    const char *ordered =
        session->rule != NULL ? json_text(session->rule->settings, "reply") : NULL;
    /* A rule's success replaces our success; it does not make a success out of a refusal. */
    if (ordered != NULL && (ordered[0] == lines[0] || ordered[0] >= '4'))
        lines = ordered;
    g_auto(GStrv) parts = g_strsplit(lines, "\n", -1);
    g_autofree char *joined = g_strjoinv("\r\n", parts);
    g_autofree char *wire = g_strconcat(joined, "\r\n", NULL);
    record("smtp %s < %s", session->id, lines);
    if (g_str_equal(action_of(session), "reply_slowly")) {
        gint64 delay_ms = json_number(session->rule->settings, "delay_ms", SLOW_MS);
        if (!channel_write_slowly(session->channel, wire, strlen(wire), delay_ms))
            session->dropping = TRUE;
    } else {
        channel_write(session->channel, wire, strlen(wire));
    }
}

static void reply(SmtpSession *session, guint code, const char *text, const char *tail)
{
    g_autoptr(GString) lines = g_string_new(NULL);
    g_auto(GStrv) parts = g_strsplit(text, "\n", -1);
    guint n_lines = g_strv_length(parts);
    for (guint i = 0; i < n_lines; i++)
        g_string_append_printf(lines, "%s%u%c%s", i > 0 ? "\n" : "", code,
                               i + 1 < n_lines ? '-' : ' ', parts[i]);
    if (n_lines == 0)
        g_string_append_printf(lines, "%u ", code);
    g_string_append(lines, tail);
    send_lines(session, lines->str);
}

void smtp_reply(SmtpSession *session, guint code, const char *text)
{
    g_autofree char *tail = g_strconcat(" ", session->id, " - gsmtp", NULL);
    reply(session, code, text, tail);
}

void smtp_reply_bare(SmtpSession *session, guint code, const char *text)
{
    reply(session, code, text, "");
}

static gboolean drop(SmtpSession *session)
{
    session->dropping = TRUE;
    return FALSE;
}

gboolean smtp_obey(SmtpSession *session, const char *point, const char *line)
{
    g_clear_pointer(&session->rule, rule_free);
    session->rule = rules_take_smtp(point, line);
    if (session->rule == NULL)
        return TRUE;
    const char *action = action_of(session);
    const char *ordered = json_text(session->rule->settings, "reply");
    int gate_fd = session->rule->gate_fd;
    count_by("smtp.failed", 1);
    record("smtp %s: %s at %s by a rule", session->id, action, point);
    if (g_str_equal(action, "drop"))
        return drop(session);
    if (g_str_equal(action, "hang")) {
        (void)channel_wait(session->channel, -1, gate_fd); /* nothing is said, however it ends */
        return drop(session);
    }
    if (g_str_equal(action, "hold")) {
        count_by("smtp.held", 1);
        if (channel_wait(session->channel, -1, gate_fd) == WAIT_GONE)
            return drop(session);
    }
    session->closing = g_str_equal(action, "close_after_reply");
    if (ordered == NULL || ordered[0] < '4')
        return TRUE;
    send_lines(session, ordered);
    return FALSE;
}

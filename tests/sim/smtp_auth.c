#include "counters.h"
#include "grants.h"
#include "smtp_session.h"
#include "switches.h"

#include <string.h>

typedef enum { JUDGED_GOOD, JUDGED_BAD, JUDGED_MALFORMED } Judgement;

/* Strict base64: what an encoder would write and nothing else. Owned, or NULL. */
static char *decode(const char *text)
{
    gsize len = 0;
    g_autofree guchar *bytes = g_base64_decode(text, &len);
    g_autofree char *again = g_base64_encode(bytes, len);
    return g_str_equal(text, again) ? g_strndup((const char *)bytes, len) : NULL;
}

/* The client's line without CRLF. Owned; NULL when it is answered already or the client is gone. */
static char *read_line(SmtpSession *session)
{
    g_autoptr(GString) line = g_string_new(NULL);
    if (!channel_read_line(session->channel, line, SMTP_MAX_RESPONSE)) {
        session->dropping = TRUE;
        return NULL;
    }
    if (!g_str_has_suffix(line->str, "\r\n")) {
        count_by(
            g_str_has_suffix(line->str, "\n") ? "smtp.bare_newlines" : "smtp.overlong_commands", 1);
        smtp_reply(session, 500, "5.5.2 Line too long or ended wrongly.");
        return NULL;
    }
    g_string_truncate(line, line->len - 2);
    if (g_str_equal(line->str, "*")) {
        count_by("smtp.auth_cancelled", 1);
        smtp_reply(session, 501, "5.7.0 Authentication canceled.");
        return NULL;
    }
    return g_strdup(line->str);
}

/* A challenge and the decoded answer; likewise. */
static char *ask(SmtpSession *session, const char *challenge)
{
    smtp_reply_bare(session, 334, challenge);
    g_autofree char *line = read_line(session);
    if (line == NULL)
        return NULL;
    char *response = decode(line);
    if (response == NULL) {
        count_by("smtp.auth_malformed", 1);
        smtp_reply(session, 501, "5.5.2 Cannot Decode response");
    }
    return response;
}

static Judgement judge_token(SmtpSession *session, const char *user, const char *token)
{
    g_autofree char *scope = switch_text(SWITCH_SMTP_SCOPE);
    g_autoptr(Consent) consent = tokens_check(token);
    session->user = g_strdup(user);
    gboolean good = consent != NULL && g_ascii_strcasecmp(consent->email, user) == 0 &&
                    (scope == NULL || *scope == '\0' || scope_has(consent->scope, scope));
    return good ? JUDGED_GOOD : JUDGED_BAD;
}

/* "user=" USER ^A "auth=Bearer " TOKEN ^A ^A */
static Judgement judge_xoauth2(SmtpSession *session, const char *response)
{
    g_auto(GStrv) parts = g_strsplit(response, "\001", -1);
    if (g_strv_length(parts) != 4 || !g_str_has_prefix(parts[0], "user=") ||
        !g_str_has_prefix(parts[1], "auth=Bearer ") || *parts[2] != '\0' || *parts[3] != '\0')
        return JUDGED_MALFORMED;
    return judge_token(session, parts[0] + strlen("user="), parts[1] + strlen("auth=Bearer "));
}

/* RFC 5801 §4: "=2C" and "=3D" and no other "=". Owned, or NULL. */
static char *saslname_decode(const char *name)
{
    GString *decoded = g_string_new(NULL);
    for (const char *c = name; *c != '\0'; c++) {
        if (g_str_has_prefix(c, "=2C") || g_str_has_prefix(c, "=3D")) {
            g_string_append_c(decoded, c[1] == '2' ? ',' : '=');
            c += 2;
        } else if (*c == '=' || *c == ',') {
            g_string_free(decoded, TRUE);
            return NULL;
        } else {
            g_string_append_c(decoded, *c);
        }
    }
    return g_string_free(decoded, FALSE);
}

/* RFC 7628 §3.1: "n,a=USER," ^A key "=" value ^A … ^A */
static Judgement judge_oauthbearer(SmtpSession *session, const char *response)
{
    g_auto(GStrv) parts = g_strsplit(response, "\001", -1);
    guint n_parts = g_strv_length(parts);
    const char *token = NULL;
    if (n_parts < 4 || !g_str_has_prefix(parts[0], "n,a=") || !g_str_has_suffix(parts[0], ",") ||
        *parts[n_parts - 1] != '\0' || *parts[n_parts - 2] != '\0')
        return JUDGED_MALFORMED;
    for (guint i = 1; i < n_parts - 2; i++) {
        if (g_str_has_prefix(parts[i], "auth=Bearer "))
            token = parts[i] + strlen("auth=Bearer ");
        else if (strchr(parts[i], '=') == NULL)
            return JUDGED_MALFORMED;
    }
    parts[0][strlen(parts[0]) - 1] = '\0';
    g_autofree char *user = saslname_decode(parts[0] + strlen("n,a="));
    if (user == NULL || token == NULL)
        return JUDGED_MALFORMED;
    return judge_token(session, user, token);
}

/* Gmail shows what it wants of a token, and the client has to answer that before it gets the
 * verdict. */
static gboolean challenge_refused(SmtpSession *session)
{
    static const char text[] =
        "{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"https://mail.google.com/\"}";
    g_autofree char *challenge = g_base64_encode((const guchar *)text, strlen(text));
    smtp_reply_bare(session, 334, challenge);
    g_autofree char *line = read_line(session);
    if (line == NULL)
        return FALSE;
    const char *right = g_str_equal(session->mechanism, "OAUTHBEARER") ? "AQ==" : "";
    if (!g_str_equal(line, right))
        count_by("smtp.challenge_answer_wrong", 1);
    return TRUE;
}

static Judgement judge_password(SmtpSession *session, const char *user, const char *password)
{
    g_autofree char *wanted = switch_text(SWITCH_SMTP_APP_PASSWORD);
    g_autofree char *person = switch_text(SWITCH_IDENTITY_EMAIL);
    session->user = g_strdup(user);
    gboolean good =
        wanted != NULL && g_str_equal(wanted, password) && g_ascii_strcasecmp(person, user) == 0;
    return good ? JUDGED_GOOD : JUDGED_BAD;
}

/* RFC 4616: authorization identity NUL user NUL password; no NUL survives a C string, so this one
 * decodes by itself. */
static Judgement judge_plain(SmtpSession *session, const char *encoded)
{
    gsize len = 0;
    g_autofree char *bytes = (char *)g_base64_decode(encoded, &len);
    const char *first = memchr(bytes, '\0', len);
    const char *second =
        first != NULL ? memchr(first + 1, '\0', len - (gsize)(first + 1 - bytes)) : NULL;
    if (second == NULL)
        return JUDGED_MALFORMED;
    g_autofree char *password = g_strndup(second + 1, len - (gsize)(second + 1 - bytes));
    return judge_password(session, first + 1, password);
}

static void give_verdict(SmtpSession *session, Judgement judgement)
{
    g_autofree char *app_password = switch_text(SWITCH_SMTP_APP_PASSWORD);
    gboolean by_token =
        g_str_has_prefix(session->mechanism, "XO") || g_str_has_prefix(session->mechanism, "OA");
    gboolean good = judgement == JUDGED_GOOD && smtp_obey(session, "AUTH-VERDICT", session->user);
    if (judgement == JUDGED_BAD && (!by_token || challenge_refused(session)) &&
        smtp_obey(session, "AUTH-VERDICT", session->user)) {
        if (!by_token && app_password == NULL)
            smtp_reply(session, 534,
                       "5.7.9 Application-specific password required. For more information, go to\n"
                       "5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor");
        else
            smtp_reply(session, 535,
                       "5.7.8 Username and Password not accepted. For more information, go to\n"
                       "5.7.8  https://support.google.com/mail/?p=BadCredentials");
    }
    if (judgement == JUDGED_MALFORMED) {
        count_by("smtp.auth_malformed", 1);
        smtp_reply(session, 501, "5.5.2 Cannot Decode response");
    }
    if (good)
        smtp_reply_bare(session, 235, "2.7.0 Accepted");
    else
        g_clear_pointer(&session->user, g_free);
    count_by(good ? "smtp.auth_ok" : "smtp.auth_refused", 1);
}

static void auth_login(SmtpSession *session, const char *initial)
{
    g_autofree char *user = initial != NULL ? decode(initial) : ask(session, "VXNlcm5hbWU6");
    g_autofree char *password = user != NULL ? ask(session, "UGFzc3dvcmQ6") : NULL;
    if (user == NULL && initial != NULL)
        smtp_reply(session, 501, "5.5.2 Cannot Decode response");
    if (password != NULL)
        give_verdict(session, judge_password(session, user, password));
}

/* One response, given at once or after an empty challenge. */
static void auth_single(SmtpSession *session, const char *initial)
{
    g_autofree char *line = g_strdup(initial);
    if (line == NULL) {
        smtp_reply_bare(session, 334, "");
        line = read_line(session);
        if (line == NULL)
            return;
    }
    g_autofree char *response = decode(g_str_equal(line, "=") ? "" : line);
    if (g_str_equal(session->mechanism, "PLAIN"))
        give_verdict(session, judge_plain(session, line));
    else if (response == NULL)
        give_verdict(session, JUDGED_MALFORMED);
    else if (g_str_equal(session->mechanism, "XOAUTH2"))
        give_verdict(session, judge_xoauth2(session, response));
    else
        give_verdict(session, judge_oauthbearer(session, response));
}

/* RFC 4954. */
void smtp_auth(SmtpSession *session, const char *argument)
{
    static const char *const known[] = {"XOAUTH2", "OAUTHBEARER", "PLAIN", "LOGIN", NULL};
    g_auto(GStrv) parts = g_strsplit(argument, " ", 2);
    const char *initial = g_strv_length(parts) == 2 ? parts[1] : NULL;
    if (session->user != NULL || session->envelope != NULL) {
        smtp_reply(session, 503, "5.5.1 AUTH is not possible now.");
        return;
    }
    g_free(session->mechanism);
    session->mechanism = g_ascii_strup(parts[0] != NULL ? parts[0] : "", -1);
    if (!g_strv_contains(known, session->mechanism) ||
        !switch_has_word(SWITCH_SMTP_AUTH, session->mechanism)) {
        smtp_reply(session, 504, "5.7.4 Unrecognized Authentication Type");
        return;
    }
    count_by(initial != NULL ? "smtp.initial_response" : "smtp.two_step", 1);
    if (g_str_equal(session->mechanism, "LOGIN"))
        auth_login(session, initial);
    else
        auth_single(session, initial);
}

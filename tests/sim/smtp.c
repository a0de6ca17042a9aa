#include "smtp.h"

#include "ca.h"
#include "counters.h"
#include "grants.h"
#include "record.h"
#include "smtp_session.h"
#include "switches.h"

#include <string.h>

enum { MAX_READ = 64 * 1024 };

static gboolean offers(const char *extension)
{
    return switch_has_word(SWITCH_SMTP_EXTENSIONS, extension);
}

static gboolean is_secure(const SmtpSession *session)
{
    return channel_tls_version(session->channel) != NULL;
}

guint smtp_lacks_login(const SmtpSession *session, const char **text)
{
    guint code = 530;
    if (!session->greeted) {
        *text = "5.5.1 EHLO/HELO first.";
        code = 503;
    } else if (!is_secure(session)) {
        *text = "5.7.0 Must issue a STARTTLS command first.";
    } else if (session->user == NULL) {
        *text = "5.7.0 Authentication Required. For more information, go to\n"
                "5.7.0  https://support.google.com/accounts/troubleshooter/2402620.";
    } else {
        code = 0;
    }
    return code;
}

void smtp_end_transaction(SmtpSession *session)
{
    g_clear_pointer(&session->envelope, cJSON_Delete);
    g_string_truncate(session->content, 0);
    session->is_8bit = session->is_utf8 = session->in_chunks = session->broken = FALSE;
}

static gboolean start_tls(SmtpSession *session)
{
    g_autofree char *certificate = switch_text(SWITCH_TLS_SMTP);
    if (!smtp_obey(session, "TLS", ""))
        return FALSE;
    if (channel_start_tls(session->channel, ca_credentials(certificate)))
        return TRUE;
    count_by("smtp.tls_failed", 1);
    session->dropping = TRUE;
    return FALSE;
}

static void smtp_ehlo(SmtpSession *session, const char *argument)
{
    g_auto(GStrv) extensions = switch_words(SWITCH_SMTP_EXTENSIONS);
    g_auto(GStrv) mechanisms = switch_words(SWITCH_SMTP_AUTH);
    g_autofree char *mechanism_list = g_strjoinv(" ", mechanisms);
    g_autoptr(GString) text = g_string_new("smtp.gmail.com at your service, [127.0.0.1]");
    if (*argument == '\0') {
        smtp_reply(session, 501, "5.5.4 Empty HELO/EHLO argument not allowed, closing connection.");
        session->closing = TRUE;
        return;
    }
    if (channel_pending(session->channel) > 0)
        count_by("smtp.early_input", 1);
    smtp_end_transaction(session);
    session->greeted = TRUE;
    for (gsize i = 0; extensions[i] != NULL; i++) {
        const char *extension = extensions[i];
        if (g_str_equal(extension, "STARTTLS")) {
            if (!is_secure(session) && switch_is_on(SWITCH_SMTP_STARTTLS))
                g_string_append(text, "\nSTARTTLS");
        } else if (g_str_equal(extension, "AUTH")) {
            if (is_secure(session) && *mechanism_list != '\0')
                g_string_append_printf(text, "\nAUTH %s", mechanism_list);
        } else if (g_str_equal(extension, "SIZE")) {
            g_string_append_printf(text, "\nSIZE %" G_GINT64_FORMAT,
                                   switch_number(SWITCH_SMTP_SIZE, 0));
        } else {
            g_string_append_printf(text, "\n%s", extension);
        }
    }
    smtp_reply_bare(session, 250, text->str);
}

static void smtp_helo(SmtpSession *session, const char *argument)
{
    (void)argument; /* any name will do */
    smtp_end_transaction(session);
    session->greeted = TRUE;
    smtp_reply_bare(session, 250, "smtp.gmail.com at your service");
}

/* RFC 3207: whatever was said before is forgotten on both sides. */
static void smtp_starttls(SmtpSession *session, const char *argument)
{
    g_autofree char *injected = switch_text(SWITCH_SMTP_INJECT_AFTER_STARTTLS);
    if (!switch_is_on(SWITCH_SMTP_STARTTLS) || !offers("STARTTLS") || is_secure(session)) {
        smtp_reply(session, 502, "5.5.1 Unrecognized command.");
        return;
    }
    if (*argument != '\0') {
        smtp_reply(session, 501, "5.5.2 STARTTLS has no arguments.");
        return;
    }
    smtp_reply_bare(session, 220, "2.0.0 Ready to start TLS");
    if (injected != NULL)
        channel_write(session->channel, injected, strlen(injected));
    if (channel_pending(session->channel) > 0) {
        count_by("smtp.plain_after_starttls", 1);
        channel_discard_input(session->channel);
    }
    smtp_end_transaction(session);
    session->greeted = FALSE;
    if (!channel_flush(session->channel))
        session->dropping = TRUE;
    else
        (void)start_tls(session); /* it says so in the session when it fails */
}

static gboolean params_are_known(const GStrv params, const char *const (*known)[2])
{
    for (gsize i = 0; params[i] != NULL; i++) {
        gboolean good = FALSE;
        for (gsize j = 0; known[j][0] != NULL && !good; j++) {
            gsize len = strlen(known[j][0]);
            gboolean has_value = known[j][0][len - 1] == '=';
            good = offers(known[j][1]) && g_ascii_strncasecmp(params[i], known[j][0], len) == 0 &&
                   (has_value ? params[i][len] != '\0' : params[i][len] == '\0');
        }
        if (!good)
            return FALSE;
    }
    return TRUE;
}

static const char *param_value(const GStrv params, const char *name)
{
    for (gsize i = 0; params[i] != NULL; i++)
        if (g_ascii_strncasecmp(params[i], name, strlen(name)) == 0)
            return params[i] + strlen(name);
    return NULL;
}

static void open_transaction(SmtpSession *session, const char *address, const GStrv params)
{
    const char *body = param_value(params, "BODY=");
    session->is_8bit = body != NULL && g_ascii_strcasecmp(body, "8BITMIME") == 0;
    session->is_utf8 = param_value(params, "SMTPUTF8") != NULL;
    session->envelope = cJSON_CreateObject();
    cJSON_AddStringToObject(session->envelope, "mail_from", address);
    json_add_words(session->envelope, "mail_params", (const char *const *)params);
    cJSON_AddArrayToObject(session->envelope, "recipients");
    cJSON_AddArrayToObject(session->envelope, "rcpt_params");
    cJSON_AddArrayToObject(session->envelope, "refused");
}

static void smtp_mail(SmtpSession *session, const char *argument)
{
    static const char *const known[][2] = {{"SIZE=", "SIZE"},         {"BODY=8BITMIME", "8BITMIME"},
                                           {"BODY=7BIT", "8BITMIME"}, {"SMTPUTF8", "SMTPUTF8"},
                                           {"AUTH=", "AUTH"},         {"RET=", "DSN"},
                                           {"ENVID=", "DSN"},         {NULL, NULL}};
    g_autofree char *address = NULL;
    g_auto(GStrv) params = NULL;
    const char *text = NULL;
    guint code = smtp_lacks_login(session, &text);
    if (code == 0 && session->envelope != NULL) {
        code = 503;
        text = "5.5.1 MAIL was given already.";
    }
    if (code != 0) {
        smtp_reply(session, code, text);
        return;
    }
    if (!smtp_parse_path(argument, "FROM:", &address, &params)) {
        smtp_reply(session, 555, "5.5.2 Syntax error, goodbye.");
        return;
    }
    gboolean utf8 = param_value(params, "SMTPUTF8") != NULL;
    const char *size = param_value(params, "SIZE=");
    guint64 octets = 0;
    if (!params_are_known(params, known) ||
        (size != NULL && !g_ascii_string_to_unsigned(size, 10, 0, G_MAXINT64, &octets, NULL)))
        smtp_reply(session, 555, "5.5.4 Unsupported or malformed parameter.");
    else if (*address != '\0' && !smtp_is_mailbox(address, utf8))
        smtp_reply(session, 553, "5.1.7 The sender address is not a valid RFC-5321 address.");
    else if (octets > (guint64)switch_number(SWITCH_SMTP_SIZE, 0))
        smtp_reply(session, 552,
                   "5.3.4 Your message exceeded Google's message size limits. For more\n"
                   "5.3.4 information, visit\n"
                   "5.3.4  https://support.google.com/mail/?p=MaxSizeError");
    else {
        open_transaction(session, address, params);
        smtp_reply(session, 250, "2.1.0 OK");
    }
}

static void note_refused(SmtpSession *session, const char *recipient)
{
    count_by("smtp.recipients_refused", 1);
    if (session->envelope != NULL)
        cJSON_AddItemToArray(cJSON_GetObjectItem(session->envelope, "refused"),
                             cJSON_CreateString(recipient));
}

static void add_recipient(SmtpSession *session, const char *address, const GStrv params)
{
    cJSON *recipients = cJSON_GetObjectItem(session->envelope, "recipients");
    gint64 limit = switch_number(SWITCH_SMTP_RECIPIENTS_MAX, 100);
    if (cJSON_GetArraySize(recipients) >= limit) {
        note_refused(session, address);
        smtp_reply(session, 452,
                   "4.5.3 Your message has too many recipients. For more information regarding\n"
                   "4.5.3 Google's sending limits, go to\n"
                   "4.5.3  https://support.google.com/mail/?p=TooManyRecipientsError");
        return;
    }
    g_autofree char *joined = g_strjoinv(" ", params);
    cJSON_AddItemToArray(recipients, cJSON_CreateString(address));
    cJSON_AddItemToArray(cJSON_GetObjectItem(session->envelope, "rcpt_params"),
                         cJSON_CreateString(joined));
    count_by("smtp.recipients", 1);
    smtp_reply(session, 250, "2.1.5 OK");
}

static void smtp_rcpt(SmtpSession *session, const char *argument)
{
    static const char *const known[][2] = {{"NOTIFY=", "DSN"}, {"ORCPT=", "DSN"}, {NULL, NULL}};
    g_autofree char *address = NULL;
    g_auto(GStrv) params = NULL;
    const char *text = NULL;
    guint code = smtp_lacks_login(session, &text);
    if (code == 0 && (session->envelope == NULL || session->in_chunks || session->broken)) {
        code = 503;
        text = session->envelope == NULL ? "5.5.1 MAIL first." : "5.5.1 RSET first.";
    }
    if (code != 0) {
        smtp_reply(session, code, text);
    } else if (!smtp_parse_path(argument, "TO:", &address, &params) ||
               !params_are_known(params, known)) {
        note_refused(session, argument);
        smtp_reply(session, 555, "5.5.2 Syntax error, goodbye.");
    } else if (!smtp_is_mailbox(address, session->is_utf8)) {
        g_autofree char *refusal =
            g_strdup_printf("5.1.2 The recipient address <%s> is not a valid\n"
                            "5.1.2 RFC-5321 address. For more information, go to\n"
                            "5.1.2  https://support.google.com/a/answer/3221692",
                            address);
        note_refused(session, address);
        smtp_reply(session, 553, refusal);
    } else {
        add_recipient(session, address, params);
    }
}

static void smtp_rset(SmtpSession *session, const char *argument)
{
    (void)argument; /* ignored, as Gmail does */
    smtp_end_transaction(session);
    smtp_reply(session, 250, "2.1.5 Flushed");
}

static void smtp_noop(SmtpSession *session, const char *argument)
{
    (void)argument; /* RFC 5321 §4.1.1.9 */
    smtp_reply(session, 250, "2.0.0 OK");
}

static void smtp_vrfy(SmtpSession *session, const char *argument)
{
    (void)argument; /* nobody is told who exists */
    smtp_reply(session, 252, "2.1.5 Send some mail, I'll try my best");
}

static void smtp_quit(SmtpSession *session, const char *argument)
{
    (void)argument; /* ignored, as Gmail does */
    smtp_reply(session, 221, "2.0.0 closing connection");
    session->closing = TRUE;
}

static void smtp_auth_when_secure(SmtpSession *session, const char *argument)
{
    if (!session->greeted)
        smtp_reply(session, 503, "5.5.1 EHLO/HELO first.");
    else if (!is_secure(session))
        smtp_reply(session, 530, "5.7.0 Must issue a STARTTLS command first.");
    else if (!offers("AUTH"))
        smtp_reply(session, 502, "5.5.1 Unrecognized command.");
    else {
        if (channel_pending(session->channel) > 0)
            count_by("smtp.early_input", 1);
        smtp_auth(session, argument);
    }
}

static const struct {
    const char *verb;
    void (*run)(SmtpSession *session, const char *argument);
} commands[] = {
    {"EHLO", smtp_ehlo},
    {"HELO", smtp_helo},
    {"STARTTLS", smtp_starttls},
    {"MAIL", smtp_mail},
    {"AUTH", smtp_auth_when_secure},
    {"RCPT", smtp_rcpt},
    {"DATA", smtp_data},
    {"BDAT", smtp_bdat},
    {"RSET", smtp_rset},
    {"NOOP", smtp_noop},
    {"VRFY", smtp_vrfy},
    {"QUIT", smtp_quit},
};

static void log_command(const SmtpSession *session, const char *verb, const char *line)
{
    gboolean secret = g_str_equal(verb, "AUTH");
    record("smtp %s > %.*s%s", session->id, secret ? 16 : 1000, line, secret ? "…" : "");
}

static void run_command(SmtpSession *session, const char *line)
{
    gsize verb_len = strcspn(line, " ");
    g_autofree char *verb = g_ascii_strup(line, (gssize)verb_len);
    const char *argument = line[verb_len] == ' ' ? line + verb_len + 1 : "";
    log_command(session, verb, line);
    if (!offers("PIPELINING") && !g_str_equal(verb, "BDAT") &&
        channel_pending(session->channel) > 0)
        count_by("smtp.early_input", 1);
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!g_str_equal(commands[i].verb, verb))
            continue;
        g_autofree char *counter_name = g_ascii_strdown(verb, -1);
        count("smtp", counter_name);
        if (smtp_obey(session, verb, line))
            commands[i].run(session, argument);
        else if (g_str_equal(verb, "BDAT") && !session->dropping)
            smtp_skip_chunk(session, argument);
        else if (g_str_equal(verb, "RCPT") && !session->dropping)
            note_refused(session, argument);
        g_clear_pointer(&session->rule, rule_free);
        return;
    }
    smtp_reply(session, 502, "5.5.1 Unrecognized command.");
}

/* FALSE when the session ends. */
static gboolean next_command(SmtpSession *session, GString *line)
{
    gsize limit = (gsize)switch_number(SWITCH_SMTP_MAX_COMMAND, 512);
    if (!channel_read_line(session->channel, line, MAX_READ))
        return FALSE;
    count_by("smtp.turns", channel_turns(session->channel) - session->turns);
    session->turns = channel_turns(session->channel);
    gboolean proper = line->len >= 2 && g_str_has_suffix(line->str, "\r\n") &&
                      strcspn(line->str, "\r\n") == line->len - 2;
    if (line->len > limit) {
        count_by("smtp.overlong_commands", 1);
        smtp_reply(session, 500, "5.5.2 Line too long.");
    } else if (!proper) {
        count_by("smtp.bare_newlines", 1);
        smtp_reply(session, 501, "5.5.2 Syntax error: lines end in CRLF.");
    } else {
        g_string_truncate(line, line->len - 2);
        run_command(session, line->str);
    }
    return !session->closing && !session->dropping;
}

static void serve(SmtpSession *session)
{
    g_autoptr(GString) line = g_string_new(NULL);
    if (smtp_obey(session, "CONNECT", "")) {
        g_autofree char *greeting = g_strdup_printf("smtp.gmail.com ESMTP %s - gsmtp", session->id);
        smtp_reply_bare(session, 220, greeting);
    }
    g_clear_pointer(&session->rule, rule_free);
    if (session->closing || session->dropping)
        return;
    while (next_command(session, line))
        ;
}

static void serve_port(Channel *channel, const char *port)
{
    SmtpSession session = {.channel = channel, .port = port, .content = g_string_new(NULL)};
    session.id = random_name("", 20);
    count_by("smtp.connections", 1);
    channel_cut_after(channel, switch_number(SWITCH_SMTP_CUT_AFTER, -1));
    gauge_add(GAUGE_SMTP, 1);
    if (g_str_equal(port, "submission") || start_tls(&session))
        serve(&session);
    if (!session.dropping)
        channel_finish(channel);
    gauge_add(GAUGE_SMTP, -1);
    smtp_end_transaction(&session);
    g_clear_pointer(&session.rule, rule_free);
    g_string_free(session.content, TRUE);
    g_free(session.id);
    g_free(session.user);
    g_free(session.mechanism);
}

void smtp_serve_submission(Channel *channel)
{
    serve_port(channel, "submission");
}

void smtp_serve_submissions(Channel *channel)
{
    serve_port(channel, "submissions");
}

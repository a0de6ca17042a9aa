#include "smtpd.h"

#include "address.h"
#include "errors.h"
#include "fileio.h"
#include "intake.h"
#include "smtpd_auth.h"
#include "smtpd_data.h"
#include "smtpd_wire.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

typedef struct {
    const SmtpdHost *host;
    SmtpdWire wire;

    char *name; /* who has logged in; NULL: nobody */
    Secret *password;
    guint login_tries; /* that were wrong */

    gboolean in_mail;
    gboolean utf8; /* SMTPUTF8 was said */
    char *sender;
    GPtrArray *recipients;
} Session;

#define NO_SUCH_COMMAND "502 5.5.1 a command that there is not"
/* The broker does not answer: it may, when the peer comes again. */
#define NOBODY_TO_ASK "454 4.7.0 no password can be checked now; try again later"

static void reset(Session *session)
{
    session->in_mail = session->utf8 = FALSE;
    g_clear_pointer(&session->sender, g_free);
    g_ptr_array_set_size(session->recipients, 0);
}

/* Nobody is logged in; who has to be, has so long for it. */
static void log_out(Session *session)
{
    g_clear_pointer(&session->name, g_free);
    g_clear_pointer(&session->password, secret_free);
    session->wire.until =
        session->host->login ? deadline_in_ms(session->host->login_timeout_ms) : 0;
}

/* ---- the wire ---- */

static void reply(Session *session, const char *text)
{
    smtpd_wire_reply(&session->wire, text);
}

static void reply_error(Session *session, const char *text)
{
    smtpd_wire_reply_error(&session->wire, text);
}

/* ---- the envelope ---- */

/* The path behind "FROM:" or "TO:", with its angle brackets where it has them; *parameters is what
 * follows. NULL: there is none. Returns owned. */
static char *read_path(const char *argument, const char *prefix, const char **parameters)
{
    gsize prefix_len = strlen(prefix);
    if (g_ascii_strncasecmp(argument, prefix, prefix_len) != 0)
        return NULL;
    const char *start = argument + prefix_len, *end;
    start += strspn(start, " ");
    gboolean quoted = FALSE, angle = *start == '<';
    for (end = start; *end && (quoted || *end != (angle ? '>' : ' ')); end++) {
        if (*end == '\\' && end[1])
            end++;
        else if (*end == '"')
            quoted = !quoted;
    }
    if (angle && *end != '>')
        return NULL;
    end += angle;
    *parameters = end;
    return end > start && (!*end || *end == ' ') ? g_strndup(start, (gsize)(end - start)) : NULL;
}

/* SIZE, BODY, SMTPUTF8 and, where there is AUTH, the parameter of that name (RFC 4954 section 5),
 * which is for relays, of MAIL. FALSE: the peer was told what is wrong. */
static gboolean read_parameters(Session *session, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    for (char **word = words; *word; word++) {
        gint64 size = 0;
        if (!**word || g_ascii_strcasecmp(*word, "BODY=7BIT") == 0 ||
            g_ascii_strcasecmp(*word, "BODY=8BITMIME") == 0 ||
            (session->host->login && g_ascii_strncasecmp(*word, "AUTH=", 5) == 0))
            continue;
        if (g_ascii_strcasecmp(*word, "SMTPUTF8") == 0) {
            session->utf8 = TRUE;
        } else if (g_ascii_strncasecmp(*word, "SIZE=", 5) == 0 &&
                   g_ascii_string_to_signed(*word + 5, 10, 0, G_MAXINT64, &size, NULL)) {
            if (size <= session->host->size_max)
                continue;
            reply_error(session, "552 5.3.4 the message is too large");
            return FALSE;
        } else {
            reply_error(session, "555 5.5.4 a parameter that there is not");
            return FALSE;
        }
    }
    return TRUE;
}

/* The address of a path, owned; NULL: *fault is the reply. */
static char *read_address(const Session *session, const char *path, const char **fault)
{
    char *address = address_parse_one(path, NULL);
    if (!address) {
        *fault = "553 5.1.3 no address";
    } else if (address_needs_utf8(address) && !session->utf8) {
        *fault = "553 5.6.7 an address beyond ASCII needs SMTPUTF8";
        g_clear_pointer(&address, g_free);
    }
    return address;
}

static void begin_mail(Session *session, const char *path)
{
    const char *fault = NULL;
    session->sender = strcmp(path, "<>") == 0 ? g_strdup("") : read_address(session, path, &fault);
    session->in_mail = session->sender != NULL;
    if (session->in_mail)
        reply(session, "250 2.1.0 sender ok");
    else
        reply_error(session, fault);
}

/* Whether the peer may send. It is asked anew for each message: a name may have been removed since
 * its login, and a connection lives as long as its peer likes. */
static gboolean may_send(Session *session)
{
    const SmtpdHost *host = session->host;
    if (!host->login)
        return TRUE;
    SmtpdLogin answer = session->name ? host->login(session->name, session->password, host->data)
                                      : SMTPD_LOGIN_REFUSED;
    if (answer == SMTPD_LOGIN_REFUSED) {
        log_out(session);
        reply_error(session, "530 5.7.0 log in first: AUTH PLAIN or AUTH LOGIN");
    } else if (answer == SMTPD_LOGIN_UNKNOWN) {
        reply(session, NOBODY_TO_ASK);
    }
    return answer == SMTPD_LOGIN_OK;
}

static void do_mail(Session *session, char *argument)
{
    const char *parameters = NULL;
    g_autofree char *path = read_path(argument, "FROM:", &parameters);
    if (session->in_mail) {
        reply_error(session, "503 5.5.1 a message is begun already");
    } else if (!may_send(session)) {
        return;
    } else if (!path) {
        reply_error(session, "501 5.5.4 say MAIL FROM:<address>");
    } else if (read_parameters(session, parameters)) {
        begin_mail(session, path);
    }
    if (!session->in_mail)
        session->utf8 = FALSE;
}

/* Why a recipient is refused, on one line: not for good where only the aliases could not be read,
 * or where it may stand in another message. Like whatever is wrong with the address of a recipient
 * it counts as no error of the peer's: bad ones among many must not cost the others their mail. */
static void refuse_recipient(Session *session, const GError *error)
{
    gboolean passing = g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_IO);
    gboolean too_many = g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_THROTTLED);
    g_autoptr(GString) text = g_string_new(passing    ? "451 4.3.0 "
                                           : too_many ? "452 4.5.3 "
                                                      : "550 5.1.1 ");
    for (const char *p = error->message; *p && text->len < 400; p++)
        g_string_append_c(text, g_ascii_isprint(*p) ? *p : '?');
    reply(session, text->str);
}

static void do_rcpt(Session *session, char *argument)
{
    const char *parameters = NULL, *fault = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = read_path(argument, "TO:", &parameters);
    if (!session->in_mail) {
        reply_error(session, "503 5.5.1 say MAIL first");
        return;
    }
    if (!path || parameters[strspn(parameters, " ")]) {
        reply_error(session, path ? "555 5.5.4 a parameter that there is not"
                                  : "501 5.5.4 say RCPT TO:<address>");
        return;
    }
    g_autofree char *address = read_address(session, path, &fault);
    if (!address)
        reply(session, fault);
    else if (session->host->accept(address, session->recipients, session->host->data, &error))
        reply(session, "250 2.1.5 recipient ok");
    else
        refuse_recipient(session, error);
}

/* ---- the message ---- */

/* Copies the text of DATA to its end into fd. FALSE: the end never came. *fault: the reply for a
 * message that was read and cannot be taken; NULL: it can. */
static gboolean read_data(Session *session, int fd, const char **fault)
{
    SmtpdData data = {0};
    gint64 total_len = 0;
    char text[SMTPD_DATA_OUT_LEN(SMTPD_WIRE_CHUNK_LEN)];
    while (data.state != SMTPD_DATA_END) {
        if (session->wire.at == session->wire.len && !smtpd_wire_fill(&session->wire))
            return FALSE;
        gsize text_len = 0;
        session->wire.at += smtpd_data_feed(&data, session->wire.chunk + session->wire.at,
                                            session->wire.len - session->wire.at, text, &text_len);
        total_len += (gint64)text_len;
        if (total_len > session->host->size_max)
            *fault = "552 5.3.4 the message is too large";
        else if (!*fault && !fileio_write_all(fd, text, text_len, NULL))
            *fault = "452 4.3.1 there is no room for the message";
    }
    return TRUE;
}

/* What the code of sysexits.h means for a peer. Nothing is kept unless it is 0, so that what may
 * heal is for the peer to try again. */
static const char *verdict_of(int status)
{
    switch (status) {
    case EX_OK:
        return "250 2.0.0 taken";
    case EX_USAGE:
    case EX_DATAERR:
        return "554 5.6.0 the message is refused";
    case EX_NOUSER:
    case EX_NOHOST:
        return "550 5.1.1 a recipient is refused";
    case EX_UNAVAILABLE: /* somebody may have it: another try would be a second copy */
        return "554 5.3.0 look before you send it again";
    case EX_CANTCREAT:
    case EX_IOERR:
        return "452 4.3.1 the message could not be kept";
    case EX_NOPERM:
        return "451 4.7.0 not authorized, nothing is kept";
    case EX_CONFIG:
        return "451 4.3.5 the configuration is wrong, nothing is kept";
    default:
        return "451 4.3.0 not now, nothing is kept";
    }
}

static void reply_verdict(Session *session, int status)
{
    g_string_append(session->wire.replies, verdict_of(status));
    if (status != EX_OK)
        g_string_append_printf(session->wire.replies, "; %s says why", session->host->words_go_to);
    g_string_append(session->wire.replies, "\r\n");
}

static void take(Session *session, int fd)
{
    SmtpdMail mail = {.sender = session->sender, .recipients = session->recipients, .fd = fd};
    if (lseek(fd, 0, SEEK_SET) != 0) {
        (void)close(fd); /* has no name: it is gone by this */
        reply_verdict(session, EX_IOERR);
        return;
    }
    reply_verdict(session, session->host->take(&mail, session->host->data));
}

static void do_data(Session *session)
{
    const char *fault = NULL;
    if (!session->in_mail || session->recipients->len == 0) {
        reply_error(session, session->in_mail ? "554 5.5.1 there is no recipient"
                                              : "503 5.5.1 say MAIL first");
        return;
    }
    int fd = intake_temporary(NULL);
    if (fd < 0) {
        reply(session, "452 4.3.1 there is no room for a message");
        return;
    }
    reply(session, "354 end with a dot on a line of its own");
    gboolean whole = read_data(session, fd, &fault);
    if (whole && !fault) {
        take(session, fd);
    } else {
        (void)close(fd); /* has no name: it is gone by this */
        if (fault)
            reply(session, fault);
        if (!whole)
            session->wire.status = EX_TEMPFAIL;
    }
    reset(session);
}

/* ---- who it is ---- */

static void refuse_login(Session *session)
{
    reply_error(session, "535 5.7.8 the name or the password is wrong");
    if (session->wire.over || ++session->login_tries < SMTPD_LOGIN_TRIES_MAX)
        return;
    reply(session, "421 4.7.0 too many wrong passwords, closing");
    smtpd_wire_cut_off(&session->wire);
}

static void log_in(Session *session, SmtpdAuth *auth)
{
    const SmtpdHost *host = session->host;
    switch (host->login(auth->name, auth->password, host->data)) {
    case SMTPD_LOGIN_OK:
        session->name = g_steal_pointer(&auth->name);
        session->password = g_steal_pointer(&auth->password);
        session->wire.until = 0;
        reply(session, "235 2.7.0 you are logged in");
        break;
    case SMTPD_LOGIN_REFUSED:
        refuse_login(session);
        break;
    case SMTPD_LOGIN_UNKNOWN:
        reply(session, NOBODY_TO_ASK);
        break;
    }
}

static void do_auth(Session *session, char *argument)
{
    g_auto(SmtpdAuth) auth = {0};
    const char *text = NULL;
    if (!session->host->login) {
        reply_error(session, NO_SUCH_COMMAND);
        return;
    }
    if (session->name || session->in_mail) {
        reply_error(session, session->name ? "503 5.5.1 you are logged in already"
                                           : "503 5.5.1 a message is begun already");
        return;
    }
    g_autoptr(GString) line = smtpd_wire_line_new();
    SmtpdAuthStep step = smtpd_auth_begin(&auth, argument, &text);
    while (step == SMTPD_AUTH_GOES_ON) {
        reply(session, text);
        if (!smtpd_wire_read_line(&session->wire, line))
            break; /* it is over, or was told */
        step = smtpd_auth_next(&auth, line->str, &text);
    }
    explicit_bzero(line->str, line->allocated_len);
    smtpd_wire_wipe(&session->wire);
    if (step == SMTPD_AUTH_SAID)
        log_in(session, &auth);
    else if (step == SMTPD_AUTH_REFUSED)
        reply_error(session, text);
}

/* ---- commands ---- */

static void do_ehlo(Session *session, char *argument)
{
    if (!*argument) {
        reply_error(session, "501 5.5.4 say who you are");
        return;
    }
    reset(session);
    g_string_append_printf(session->wire.replies,
                           "250-%s\r\n250-PIPELINING\r\n250-SIZE %" G_GINT64_FORMAT
                           "\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n%s250 SMTPUTF8\r\n",
                           session->host->host, session->host->size_max,
                           session->host->login ? "250-AUTH PLAIN LOGIN\r\n" : "");
}

static void do_helo(Session *session, char *argument)
{
    reset(session);
    if (*argument)
        g_string_append_printf(session->wire.replies, "250 %s\r\n", session->host->host);
    else
        reply_error(session, "501 5.5.4 say who you are");
}

static void do_rset(Session *session, G_GNUC_UNUSED char *argument)
{
    reset(session);
    reply(session, "250 2.0.0 forgotten");
}

static void do_data_command(Session *session, char *argument)
{
    if (*argument)
        reply_error(session, "501 5.5.4 DATA stands alone");
    else
        do_data(session);
}

static void do_noop(Session *session, G_GNUC_UNUSED char *argument)
{
    reply(session, "250 2.0.0 ok");
}

static void do_vrfy(Session *session, G_GNUC_UNUSED char *argument)
{
    reply(session, "252 2.5.0 send it some mail");
}

static void do_help(Session *session, G_GNUC_UNUSED char *argument)
{
    reply(session,
          "214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT; see postkey-send --help");
}

static void do_quit(Session *session, G_GNUC_UNUSED char *argument)
{
    reply(session, "221 2.0.0 bye");
    session->wire.over = TRUE;
}

/* A browser that was led to this socket: its text may hold anything that its page wanted. */
static void do_http(Session *session, G_GNUC_UNUSED char *argument)
{
    reply(session, "421 4.7.0 this is SMTP, closing");
    smtpd_wire_cut_off(&session->wire);
}

static const struct {
    const char *verb;
    void (*run)(Session *session, char *argument);
} commands[] = {
    {"EHLO", do_ehlo},         {"HELO", do_helo},    {"MAIL", do_mail}, {"RCPT", do_rcpt},
    {"DATA", do_data_command}, {"RSET", do_rset},    {"NOOP", do_noop}, {"VRFY", do_vrfy},
    {"HELP", do_help},         {"QUIT", do_quit},    {"GET", do_http},  {"POST", do_http},
    {"PUT", do_http},          {"CONNECT", do_http}, {"AUTH", do_auth},
};

static void run_command(Session *session, const GString *line)
{
    gsize verb_len = strcspn(line->str, " ");
    if (strlen(line->str) != line->len) {
        reply_error(session, "500 5.5.2 a NUL byte in a command");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strlen(commands[i].verb) != verb_len ||
            g_ascii_strncasecmp(line->str, commands[i].verb, verb_len) != 0)
            continue;
        char *argument = g_strdup(line->str + verb_len);
        commands[i].run(session, g_strstrip(argument));
        secret_wipe_bytes(argument, line->len - verb_len);
        return;
    }
    reply_error(session, NO_SUCH_COMMAND);
}

int smtpd_serve(const SmtpdHost *host, int in, int out)
{
    Session *session = g_new0(Session, 1);
    g_autoptr(GString) line = smtpd_wire_line_new();
    session->host = host;
    smtpd_wire_open(&session->wire, in, out, host->timeout_ms);
    session->recipients = g_ptr_array_new_with_free_func(g_free);
    log_out(session);
    g_string_append_printf(session->wire.replies, "220 %s ESMTP postkey\r\n", host->host);
    while (!session->wire.over) {
        if (smtpd_wire_read_line(&session->wire, line))
            run_command(session, line);
        explicit_bzero(line->str, line->len); /* behind AUTH there is a password */
    }
    smtpd_wire_close(&session->wire);
    int status = session->wire.status;
    reset(session);
    log_out(session);
    g_ptr_array_unref(session->recipients);
    g_free(session);
    return status;
}

#include "smtp_session.h"

#include "address.h"
#include "log.h"

#include <string.h>
#include <unistd.h>

/* An EHLO line and its parameters (RFC 5321 section 4.5.3.1.4). */
#define COMMAND_MAX_LEN 512

/* ---- the state ---- */

const SmtpTimeouts smtp_timeouts = {.connect_ms = 30 * 1000,
                                    .tls_ms = 60 * 1000,
                                    .opening_ms = 20 * 1000,
                                    .greeting_ms = 5 * 60 * 1000,
                                    .reply_ms = 5 * 60 * 1000,
                                    .data_ms = 2 * 60 * 1000,
                                    .block_ms = 3 * 60 * 1000,
                                    .verdict_ms = 10 * 60 * 1000};

Deadline smtp_deadline(const SmtpSession *session, gint64 timeout_ms)
{
    Deadline deadline = deadline_in_ms(timeout_ms);
    return session->until > 0 ? MIN(deadline, session->until) : deadline;
}

#define BIT(state) (1u << (state))

/* From where a state may be entered. SMTP_ENDED: from everywhere. */
static const struct {
    const char *name;
    guint from;
} states[SMTP_STATES] = {
    [SMTP_CONNECTED] = {"connected", 0},
    [SMTP_GREETED] = {"greeted", BIT(SMTP_CONNECTED) | BIT(SMTP_SECURED)},
    [SMTP_PLAIN] = {"plain", BIT(SMTP_GREETED)},
    [SMTP_SECURED] = {"secured", BIT(SMTP_CONNECTED) | BIT(SMTP_PLAIN)},
    [SMTP_READY] = {"ready", BIT(SMTP_GREETED) | BIT(SMTP_SECURED)},
    [SMTP_LOGGED_IN] = {"logged in", BIT(SMTP_READY) | BIT(SMTP_ENVELOPE) | BIT(SMTP_VERDICT)},
    [SMTP_ENVELOPE] = {"envelope", BIT(SMTP_LOGGED_IN)},
    [SMTP_BODY] = {"body", BIT(SMTP_ENVELOPE)},
    [SMTP_VERDICT] = {"verdict", BIT(SMTP_BODY)},
    [SMTP_ENDED] = {"ended", ~0u},
};

void smtp_enter(SmtpSession *session, SmtpState state)
{
    if (!(states[state].from & BIT(session->state)))
        g_error("SMTP session: no way from \"%s\" to \"%s\"", states[session->state].name,
                states[state].name);
    log_debug("%s: %s -> %s", session->server->host, states[session->state].name,
              states[state].name);
    session->state = state;
}

gboolean smtp_is_open(const SmtpSession *session)
{
    return session->state != SMTP_ENDED;
}

/* ---- asking ---- */

Reply *smtp_hear(SmtpSession *session, gint64 timeout_ms, GError **error)
{
    Reply *reply = transport_hear(session->transport, smtp_deadline(session, timeout_ms), error);
    /* 421 at any time: the server closes (RFC 5321 section 3.8). */
    if (!reply || reply->code == 421)
        smtp_enter(session, SMTP_ENDED);
    return reply;
}

Reply *smtp_ask(SmtpSession *session, gint64 timeout_ms, const char *line, GError **error)
{
    Deadline deadline = smtp_deadline(session, timeout_ms);
    g_autofree char *ended = g_strconcat(line, "\r\n", NULL);
    if (!transport_say(session->transport, ended, deadline, error) ||
        !transport_flush(session->transport, deadline, error)) {
        smtp_enter(session, SMTP_ENDED);
        return NULL;
    }
    return smtp_hear(session, timeout_ms, error);
}

PostkeyErrorCode smtp_error_code(const Diagnosis *diagnosis)
{
    switch (diagnosis->action) {
    case DIAGNOSIS_NEW_TOKEN:
        return POSTKEY_ERROR_AUTHORIZATION;
    case DIAGNOSIS_TRY_LATER:
        return POSTKEY_ERROR_UNAVAILABLE;
    case DIAGNOSIS_HOLD:
        return POSTKEY_ERROR_THROTTLED;
    case DIAGNOSIS_GIVE_UP:
        break;
    }
    switch (diagnosis->scope) {
    case DIAGNOSIS_ACCOUNT:
        return POSTKEY_ERROR_AUTHORIZATION;
    case DIAGNOSIS_NETWORK:
        return POSTKEY_ERROR_UNAVAILABLE;
    case DIAGNOSIS_OURS:
        return POSTKEY_ERROR_PROTOCOL;
    case DIAGNOSIS_RECIPIENT:
    case DIAGNOSIS_MESSAGE:
        break;
    }
    return POSTKEY_ERROR_REFUSED;
}

const Diagnosis *smtp_diagnose(const SmtpSession *session, DiagnosisPhase phase, const Reply *reply)
{
    g_autofree char *text = reply_text(reply);
    return diagnosis_of_reply(phase, session->road->provider, reply->code, reply->enhanced, text);
}

void smtp_refuse(const SmtpSession *session, DiagnosisPhase phase, const Reply *reply,
                 const char *what, const Diagnosis **refusal, GError **error)
{
    g_autofree char *described = reply_describe(reply);
    *refusal = smtp_diagnose(session, phase, reply);
    error_set(error, smtp_error_code(*refusal), (*refusal)->meaning, (*refusal)->remedy,
              "%s %s: %s", session->server->host, what, described);
}

/* ---- EHLO ---- */

static void offer_clear(SmtpOffer *offer)
{
    g_strfreev(offer->mechanisms);
    *offer = (SmtpOffer){0};
}

/* One line of the EHLO reply: a keyword and its parameters. */
static void offer_add(SmtpOffer *offer, const char *line)
{
    g_autofree char *upper = g_ascii_strup(line, -1);
    if (strcmp(upper, "STARTTLS") == 0) {
        offer->starttls = TRUE;
    } else if (strcmp(upper, "8BITMIME") == 0) {
        offer->eight_bit_mime = TRUE;
    } else if (strcmp(upper, "SIZE") == 0 || g_str_has_prefix(upper, "SIZE ")) {
        offer->size = TRUE;
        offer->size_max = g_ascii_strtoull(upper + 4, NULL, 10);
    } else if (g_str_has_prefix(upper, "AUTH ") && !offer->mechanisms) {
        offer->mechanisms = g_strsplit(upper + 5, " ", -1);
    }
}

/* This machine's name where it is one, else an address literal (RFC 5321 section 4.1.4). */
static char *own_name(void)
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) == 0 && address_is_domain(name))
        return g_strdup(name);
    return g_strdup("[127.0.0.1]");
}

static gboolean say_hello(SmtpSession *session, const Diagnosis **refusal, GError **error)
{
    const char *configured = session->road->ehlo_name;
    g_autofree char *name = configured && *configured ? g_strdup(configured) : own_name();
    g_autofree char *line = g_strdup_printf("EHLO %.*s", COMMAND_MAX_LEN - 8, name);
    if (strpbrk(line, "\r\n")) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL, "mend ehlo_name= in postkey.conf",
                  "the name for EHLO holds a line break");
        return FALSE;
    }
    g_autoptr(Reply) reply = smtp_ask(session, session->timeouts->reply_ms, line, error);
    if (!reply)
        return FALSE;
    if (reply->code / 100 != 2) {
        smtp_refuse(session, DIAGNOSIS_HELLO, reply, "refused EHLO", refusal, error);
        return FALSE;
    }
    offer_clear(&session->offer);
    for (guint i = 1; i < reply->lines->len; i++)
        offer_add(&session->offer, g_ptr_array_index(reply->lines, i));
    return TRUE;
}

/* ---- opening ---- */

static gboolean hear_greeting(SmtpSession *session, const Diagnosis **refusal, GError **error)
{
    g_autoptr(Reply) reply = smtp_hear(session, session->timeouts->greeting_ms, error);
    if (!reply)
        return FALSE;
    if (reply->code / 100 != 2) {
        smtp_refuse(session, DIAGNOSIS_CONNECT, reply, "does not let us in", refusal, error);
        return FALSE;
    }
    smtp_enter(session, SMTP_GREETED);
    return TRUE;
}

static gboolean start_tls(SmtpSession *session, GError **error)
{
    if (!transport_start_tls(session->transport, session->road->ca_pem,
                             smtp_deadline(session, session->timeouts->tls_ms), error))
        return FALSE;
    offer_clear(&session->offer); /* RFC 3207 section 4.2 */
    smtp_enter(session, SMTP_SECURED);
    return TRUE;
}

static gboolean upgrade(SmtpSession *session, const Diagnosis **refusal, GError **error)
{
    if (!hear_greeting(session, refusal, error) || !say_hello(session, refusal, error))
        return FALSE;
    smtp_enter(session, SMTP_PLAIN);
    if (!session->offer.starttls) {
        error_set(error, POSTKEY_ERROR_PROTOCOL,
                  "without TLS everybody on the way could read the token: nothing was sent. The "
                  "server has no "
                  "TLS, or somebody in between hides it",
                  "use port 465 (tls) in smtp= of the configuration, or another network",
                  "%s offers no STARTTLS on port %u", session->server->host, session->server->port);
        return FALSE;
    }
    g_autoptr(Reply) reply = smtp_ask(session, session->timeouts->reply_ms, "STARTTLS", error);
    if (!reply)
        return FALSE;
    if (reply->code != 220) {
        smtp_refuse(session, DIAGNOSIS_TLS, reply, "refused STARTTLS", refusal, error);
        return FALSE;
    }
    return start_tls(session, error);
}

static gboolean open_session(SmtpSession *session, const Diagnosis **refusal, GError **error)
{
    if (session->server->tls == SMTP_TLS_STARTTLS) {
        if (!upgrade(session, refusal, error))
            return FALSE;
    } else if (!start_tls(session, error) || !hear_greeting(session, refusal, error)) {
        return FALSE;
    }
    if (!say_hello(session, refusal, error))
        return FALSE;
    smtp_enter(session, SMTP_READY);
    return TRUE;
}

/* Through one door. */
static SmtpSession *open_door(const SmtpRoad *road, const SmtpServer *server,
                              const Diagnosis **refusal, GError **error)
{
    const SmtpTimeouts *timeouts = road->timeouts ? road->timeouts : &smtp_timeouts;
    Transport *transport = transport_open(server->host, server->port, road->trace, road->trace_data,
                                          deadline_in_ms(timeouts->connect_ms), error);
    if (!transport)
        return NULL;
    g_autoptr(SmtpSession) session = g_new0(SmtpSession, 1);
    session->road = road;
    session->server = server;
    session->timeouts = timeouts;
    session->transport = transport;
    session->state = SMTP_CONNECTED;
    return open_session(session, refusal, error) ? g_steal_pointer(&session) : NULL;
}

/* The errors of several servers as one: all messages, and the meaning of the gravest (a server that
 * cannot be trusted says more than one that cannot be reached). */
static void join_errors(const GPtrArray *errors, GError **error)
{
    g_autoptr(GString) messages = g_string_new(NULL);
    const GError *gravest = g_ptr_array_index(errors, 0);
    for (guint i = 0; i < errors->len; i++) {
        const GError *one = g_ptr_array_index(errors, i);
        if (!strstr(messages->str, one->message)) /* two doors to one house often say the same */
            g_string_append_printf(messages, "%s%s", i ? "; " : "", one->message);
        if (gravest->code == POSTKEY_ERROR_UNAVAILABLE && one->code != POSTKEY_ERROR_UNAVAILABLE)
            gravest = one;
    }
    error_set(error, (PostkeyErrorCode)gravest->code, error_meaning(gravest), error_remedy(gravest),
              "%s", messages->str);
}

SmtpSession *smtp_open(const SmtpRoad *road, const Diagnosis **refusal, GError **error)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    *refusal = NULL;
    for (guint i = 0; i < road->n_servers && !*refusal; i++) {
        GError *failed = NULL;
        SmtpSession *session = open_door(road, &road->servers[i], refusal, &failed);
        if (session)
            return session;
        g_ptr_array_add(errors, failed);
    }
    join_errors(errors, error);
    return NULL;
}

const SmtpServer *smtp_server(const SmtpSession *session)
{
    return session->server;
}

void smtp_give_up_at(SmtpSession *session, Deadline until)
{
    session->until = until;
}

void smtp_close(SmtpSession *session)
{
    if (!session)
        return;
    /* In the middle of a message QUIT would be a line of it. */
    gboolean polite = session->state == SMTP_READY || session->state == SMTP_LOGGED_IN ||
                      session->state == SMTP_ENVELOPE || session->state == SMTP_PLAIN;
    if (polite)
        (void)transport_say(session->transport, "QUIT\r\n", deadline_in_ms(0), NULL);
    transport_close(session->transport);
    offer_clear(&session->offer);
    secret_free(session->credential);
    g_free(session);
}

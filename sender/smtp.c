#include "smtp_session.h"

#include "address.h"
#include "habits.h"
#include "log.h"
#include "race.h"

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
    [SMTP_GREETED] = {"greeted", BIT(SMTP_CONNECTED)},
    [SMTP_PLAIN] = {"plain", BIT(SMTP_GREETED)},
    [SMTP_SECURED] = {"secured", BIT(SMTP_PLAIN)},
    [SMTP_READY] = {"ready", BIT(SMTP_GREETED) | BIT(SMTP_SECURED)},
    [SMTP_LOGGED_IN] = {"logged in",
                        BIT(SMTP_READY) | BIT(SMTP_ENVELOPE) | BIT(SMTP_BODY) | BIT(SMTP_VERDICT)},
    [SMTP_ENVELOPE] = {"envelope", BIT(SMTP_LOGGED_IN)},
    [SMTP_BODY] = {"body", BIT(SMTP_ENVELOPE)},
    [SMTP_VERDICT] = {"verdict", BIT(SMTP_ENVELOPE) | BIT(SMTP_BODY)},
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

gboolean smtp_offers_dsn(const SmtpSession *session)
{
    return session->offer.dsn;
}

gboolean smtp_is_kept_open(const SmtpSession *session)
{
    /* The reply to a RSET is read with the next message. */
    return smtp_is_open(session) && (session->resets || transport_is_quiet(session->transport));
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

Reply *smtp_ask(SmtpSession *session, const char *line, const Secret *secret, GError **error)
{
    gint64 timeout_ms = session->timeouts->reply_ms;
    Deadline deadline = smtp_deadline(session, timeout_ms);
    Transport *transport = session->transport;
    if (!transport_say(transport, line, deadline, error) ||
        (secret && !transport_whisper(transport, secret, deadline, error)) ||
        !transport_say(transport, "\r\n", deadline, error) ||
        !transport_flush(transport, deadline, error)) {
        smtp_enter(session, SMTP_ENDED);
        return NULL;
    }
    if (secret && session->road->meanwhile)
        session->road->meanwhile(session->road->meanwhile_data);
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
    const Diagnosis *diagnosis = smtp_diagnose(session, phase, reply);
    /* In plain text anybody in between may have said it: no mail bounces, and no account is held,
     * for that. */
    gboolean authentic = transport_is_encrypted(session->transport);
    *refusal = authentic ? diagnosis : NULL;
    error_set(error, authentic ? smtp_error_code(diagnosis) : POSTKEY_ERROR_UNAVAILABLE,
              diagnosis->meaning, diagnosis->remedy, "%s %s: %s", session->server->host, what,
              described);
}

/* ---- EHLO ---- */

static void offer_clear(SmtpOffer *offer)
{
    g_strfreev(offer->mechanisms);
    *offer = (SmtpOffer){0};
}

/* Some servers say AUTH twice, the second time with "=" for clients that are older still. */
static void offer_mechanisms(SmtpOffer *offer, const char *names)
{
    g_auto(GStrv) before = offer->mechanisms;
    g_autofree char *joined = before ? g_strjoinv(" ", before) : g_strdup("");
    g_autofree char *all = g_strconcat(joined, " ", names, NULL);
    offer->mechanisms = g_strsplit_set(g_strstrip(all), " \t", -1);
}

/* One line of the EHLO reply: a keyword and its parameters. */
static void offer_add(SmtpOffer *offer, const char *line)
{
    g_autofree char *keyword = g_ascii_strup(line, -1);
    gsize len = strcspn(keyword, " \t=");
    const char *parameters = keyword[len] ? keyword + len + 1 : keyword + len;
    keyword[len] = '\0';
    if (strcmp(keyword, "STARTTLS") == 0) {
        offer->starttls = TRUE;
    } else if (strcmp(keyword, "8BITMIME") == 0) {
        offer->eight_bit_mime = TRUE;
    } else if (strcmp(keyword, "PIPELINING") == 0) {
        offer->pipelining = TRUE;
    } else if (strcmp(keyword, "CHUNKING") == 0) {
        offer->chunking = TRUE;
    } else if (strcmp(keyword, "SMTPUTF8") == 0) {
        offer->utf8 = TRUE;
    } else if (strcmp(keyword, "DSN") == 0) {
        offer->dsn = TRUE;
    } else if (strcmp(keyword, "SIZE") == 0) {
        offer->size = TRUE;
        offer->size_max = g_ascii_strtoull(parameters, NULL, 10);
    } else if (strcmp(keyword, "AUTH") == 0) {
        offer_mechanisms(offer, parameters);
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
    g_autoptr(Reply) reply = smtp_ask(session, line, NULL, error);
    if (!reply)
        return FALSE;
    if (reply->code / 100 != 2) {
        /* HELO would still be understood, but leads to a session without AUTH. */
        smtp_refuse(session, DIAGNOSIS_HELLO, reply,
                    reply->code / 10 == 50 ? "refused EHLO, without which there is no login"
                                           : "refused EHLO",
                    refusal, error);
        return FALSE;
    }
    offer_clear(&session->offer);
    for (guint i = 1; i < reply->lines->len; i++)
        offer_add(&session->offer, g_ptr_array_index(reply->lines, i));
    return TRUE;
}

/* ---- opening ---- */

/* QUIT, which leaves when the transport is closed; nobody waits for the answer. In the middle of a
 * message it would be a line of it. */
static void say_goodbye(SmtpSession *session)
{
    if (session->state == SMTP_READY || session->state == SMTP_LOGGED_IN ||
        session->state == SMTP_PLAIN)
        (void)transport_say(session->transport, "QUIT\r\n", deadline_in_ms(0), NULL);
}

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
    if (!transport_start_tls(session->transport, smtp_deadline(session, session->timeouts->tls_ms),
                             error))
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
    g_autoptr(Reply) reply = smtp_ask(session, "STARTTLS", NULL, error);
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
    } else if (!hear_greeting(session, refusal, error)) {
        return FALSE;
    }
    if (!say_hello(session, refusal, error))
        return FALSE;
    smtp_enter(session, SMTP_READY);
    return TRUE;
}

static void plan_peers(SmtpSession *session)
{
    const SmtpRoad *road = session->road;
    session->peers = g_new0(TransportPeer, road->n_servers);
    for (guint i = 0; i < road->n_servers; i++)
        session->peers[i] = (TransportPeer){.host = road->servers[i].host,
                                            .port = road->servers[i].port,
                                            .tls_first = road->servers[i].tls == SMTP_TLS_IMPLICIT,
                                            .connect_ms = session->timeouts->connect_ms,
                                            .tls_ms = session->timeouts->tls_ms,
                                            .word_ms = session->timeouts->greeting_ms,
                                            .trace = road->trace,
                                            .trace_data = road->trace_data};
}

/* Through one door, whose transport is taken. While another one is left, this one has less time. */
static gboolean try_door(SmtpSession *session, Transport *transport, gboolean others_left,
                         const Diagnosis **refusal, GError **error)
{
    session->transport = transport;
    session->state = SMTP_CONNECTED;
    session->until = session->road->until;
    if (others_left)
        session->until = smtp_deadline(session, session->timeouts->opening_ms);
    gboolean ok = open_session(session, refusal, error);
    session->until = session->road->until;
    return ok;
}

/* Leaves a door that led nowhere. */
static void leave_door(SmtpSession *session)
{
    say_goodbye(session);
    g_clear_pointer(&session->transport, transport_close);
    offer_clear(&session->offer);
}

SmtpSession *smtp_open(const SmtpRoad *road, const Diagnosis **refusal, GError **error)
{
    g_autoptr(SmtpSession) session = g_new0(SmtpSession, 1);
    Transport *transport;
    guint which = 0;
    *refusal = NULL;
    session->road = road;
    session->timeouts = road->timeouts ? road->timeouts : &smtp_timeouts;
    plan_peers(session);
    g_autoptr(Race) race = race_new(session->peers, road->n_servers, road->ca_pem);
    while ((transport = race_run(race, road->until, &which))) {
        const Diagnosis *refused = NULL;
        GError *failed = NULL;
        session->server = &road->servers[which];
        if (try_door(session, transport, race_goes_on(race), &refused, &failed)) {
            session->habit = habits_get(road->habits, session->server->host, session->server->port,
                                        g_get_real_time() / G_USEC_PER_SEC);
            return g_steal_pointer(&session);
        }
        transport_note(transport, "%s", failed->message);
        leave_door(session);
        race_fail(race, which, failed);
        *refusal = refused;
        if (refused)
            break;
    }
    race_explain(race, error);
    return NULL;
}

const SmtpServer *smtp_server(const SmtpSession *session)
{
    return session->server;
}

const char *const *smtp_mechanisms(const SmtpSession *session)
{
    return (const char *const *)session->offer.mechanisms;
}

const Tls *smtp_tls(const SmtpSession *session)
{
    return transport_tls(session->transport);
}

void smtp_give_up_at(SmtpSession *session, Deadline until)
{
    session->until = until;
}

void smtp_close(SmtpSession *session)
{
    if (!session)
        return;
    if (session->transport)
        say_goodbye(session);
    transport_close(session->transport);
    offer_clear(&session->offer);
    secret_free(session->credential);
    g_free(session->peers);
    g_free(session);
}

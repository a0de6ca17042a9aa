#include "smtp_session.h"

#include "log.h"
#include "sasl.h"

#include <string.h>

/* With CRLF: RFC 5321 section 4.5.3.1.4 for a command, RFC 4954 section 4 for a response. */
#define COMMAND_MAX_LEN 512
#define RESPONSE_MAX_LEN 12288

/* A login under way. */
typedef struct {
    SmtpSession *session;
    const char *mechanism;
    const Secret *response; /* the session's */
} Login;

static const char *const supported[] = {"XOAUTH2", "OAUTHBEARER", NULL};

/* The first of wanted that we speak and the server offers. Borrowed, static. */
static const char *choose(const char *const *wanted, const char *const *offered)
{
    for (; offered && *wanted; wanted++)
        for (const char *const *name = supported; *name; name++)
            if (g_ascii_strcasecmp(*wanted, *name) == 0 && g_strv_contains(offered, *name))
                return *name;
    return NULL;
}

static const char *choose_mechanism(const SmtpSession *session, const char *const *wanted,
                                    GError **error)
{
    const char *const *offered = (const char *const *)session->offer.mechanisms;
    const char *mechanism = choose(wanted, offered);
    if (mechanism)
        return mechanism;
    g_autofree char *shown = offered ? g_strjoinv(" ", session->offer.mechanisms) : NULL;
    error_set(error, POSTKEY_ERROR_CONFIGURATION,
              "a token of OAuth2 needs XOAUTH2 or OAUTHBEARER at the server",
              "check server and port in smtp= and mechanisms= in postkey.conf; the server's "
              "administrator may have "
              "to switch OAuth2 on",
              "%s offers no way to log in with a token (it offers: %s)", session->server->host,
              shown ? shown : "no AUTH at all");
    return NULL;
}

static Secret *make_response(const SmtpSession *session, const char *mechanism, const char *user,
                             const Secret *token, GError **error)
{
    Secret *response =
        strcmp(mechanism, "XOAUTH2") == 0
            ? sasl_xoauth2(user, token)
            : sasl_oauthbearer(user, session->server->host, session->server->port, token);
    if (response && secret_len(response) + 2 <= RESPONSE_MAX_LEN)
        return response;
    error_set(error, POSTKEY_ERROR_PROTOCOL,
              "the provider gave a token that no SMTP server can take",
              "run \"postkey refresh\" for the account; if it lasts, report it",
              "the access token %s", response ? "is too long" : "holds a control character");
    secret_free(response);
    return NULL;
}

/* The command and, where it did not fit, the response. Returns the reply to the response, or an
 * earlier refusal. */
static Reply *send_response(const Login *login, GError **error)
{
    g_autofree char *command = g_strdup_printf("AUTH %s", login->mechanism);
    if (strlen(command) + 1 + secret_len(login->response) + 2 <= COMMAND_MAX_LEN) {
        g_autofree char *spaced = g_strconcat(command, " ", NULL);
        return smtp_ask(login->session, spaced, login->response, error);
    }
    g_autoptr(Reply) reply = smtp_ask(login->session, command, NULL, error);
    if (!reply || reply->code != 334)
        return g_steal_pointer(&reply);
    return smtp_ask(login->session, "", login->response, error);
}

/* A 334 where the verdict was due is the explanation of a refusal (RFC 7628 section 3.2.3): it
 * wants an answer, and then the verdict comes. */
static Reply *hear_verdict(const Login *login, Reply *first, char **challenge, GError **error)
{
    g_autoptr(Reply) reply = first;
    if (reply->code != 334)
        return g_steal_pointer(&reply);
    *challenge = sasl_error_challenge(g_ptr_array_index(reply->lines, 0));
    Reply *verdict = smtp_ask(login->session, sasl_error_answer(login->mechanism), NULL, error);
    if (!verdict || verdict->code != 334)
        return verdict;
    reply_free(verdict);
    return smtp_ask(login->session, "*", NULL, error); /* RFC 4954 section 4: cancel */
}

static gboolean log_in(const Login *login, const Diagnosis **refusal, GError **error)
{
    g_autofree char *challenge = NULL;
    Reply *first = send_response(login, error);
    g_autoptr(Reply) reply = first ? hear_verdict(login, first, &challenge, error) : NULL;
    if (!reply)
        return FALSE;
    if (reply->code / 100 == 2) {
        smtp_enter(login->session, SMTP_LOGGED_IN);
        return TRUE;
    }
    g_autofree char *redacted = challenge ? secret_redact(challenge) : NULL;
    g_autofree char *shown = redacted ? log_printable(redacted, 300) : NULL;
    g_autofree char *what =
        shown ? g_strdup_printf("refused the login (%s)", shown) : g_strdup("refused the login");
    smtp_refuse(login->session, DIAGNOSIS_AUTH, reply, what, refusal, error);
    return FALSE;
}

gboolean smtp_authenticate(SmtpSession *session, const char *const *mechanisms, const char *user,
                           const Secret *token, const Diagnosis **refusal, GError **error)
{
    *refusal = NULL;
    if (session->state != SMTP_READY || !transport_is_encrypted(session->transport))
        g_error("a login where none may be");
    const char *mechanism = choose_mechanism(session, mechanisms, error);
    if (!mechanism)
        return FALSE;
    secret_free(session->credential);
    session->credential = make_response(session, mechanism, user, token, error);
    if (!session->credential)
        return FALSE;
    Login login = {.session = session, .mechanism = mechanism, .response = session->credential};
    return log_in(&login, refusal, error);
}

#include "smtp_session.h"

#include "sasl.h"

#include <string.h>

/* "AUTH PLAIN " and CRLF with it stay within the 512 octets of a command (RFC 5321 section
 * 4.5.3.1.4); a user and a password that need more are none. */
#define RESPONSE_MAX_LEN ((gsize)(512 - 13))

/* A login under way. */
typedef struct {
    SmtpSession *session;
    const char *user;
    const Secret *password;
} PasswordLogin;

static gboolean offers(const SmtpSession *session, const char *mechanism)
{
    const char *const *offered = (const char *const *)session->offer.mechanisms;
    return offered && g_strv_contains(offered, mechanism);
}

static gboolean refuse_password(GError **error)
{
    error_set(error, POSTKEY_ERROR_REFUSED, "no SMTP server can take it",
              "give it again: postkey add app-password ADDRESS",
              "the user or the app password holds a control character, or is too long");
    return FALSE;
}

/* What goes over the wire lives as long as the session, so that a server that repeats it is
 * redacted. Takes response; returns it, borrowed. */
static Secret *keep(SmtpSession *session, Secret *response)
{
    secret_free(session->credential);
    session->credential = response;
    return response;
}

/* Returns the verdict, owned. */
static Reply *by_plain(const PasswordLogin *login, GError **error)
{
    Secret *response = keep(login->session, sasl_plain(login->user, login->password));
    if (!response || secret_len(response) > RESPONSE_MAX_LEN) {
        (void)refuse_password(error); /* always FALSE */
        return NULL;
    }
    return smtp_ask(login->session, "AUTH PLAIN ", response, error);
}

/* The server asks twice, in words that differ from server to server; the order does not. */
static Reply *by_login(const PasswordLogin *login, GError **error)
{
    g_autoptr(Secret) user = sasl_login(login->user);
    Secret *password = keep(login->session, sasl_login(secret_reveal(login->password)));
    if (!user || !password) {
        (void)refuse_password(error); /* always FALSE */
        return NULL;
    }
    g_autoptr(Reply) first = smtp_ask(login->session, "AUTH LOGIN", NULL, error);
    if (!first || first->code != 334)
        return g_steal_pointer(&first);
    g_autoptr(Reply) second = smtp_ask(login->session, "", user, error);
    if (!second || second->code != 334)
        return g_steal_pointer(&second);
    return smtp_ask(login->session, "", password, error);
}

/* Neither mechanism has a third question. */
static Reply *hear_end(SmtpSession *session, Reply *reply, GError **error)
{
    if (!reply || reply->code != 334)
        return reply;
    reply_free(reply);
    return smtp_ask(session, "*", NULL, error); /* RFC 4954 section 4: cancel */
}

gboolean smtp_authenticate_by_password(SmtpSession *session, const char *user,
                                       const Secret *password, const Diagnosis **refusal,
                                       GError **error)
{
    *refusal = NULL;
    if (session->state != SMTP_READY || !transport_is_encrypted(session->transport))
        g_error("a login where none may be");
    PasswordLogin login = {.session = session, .user = user, .password = password};
    gboolean plain = offers(session, "PLAIN");
    if (!plain && !offers(session, "LOGIN")) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION,
                  "a password needs AUTH PLAIN or LOGIN at the server",
                  "authorize the account in the place of the app password: postkey authorize "
                  "ADDRESS",
                  "%s offers no way to log in with a password", session->server->host);
        return FALSE;
    }
    g_autoptr(Reply) reply =
        hear_end(session, plain ? by_plain(&login, error) : by_login(&login, error), error);
    if (!reply)
        return FALSE;
    if (reply->code / 100 == 2) {
        smtp_enter(session, SMTP_LOGGED_IN);
        return TRUE;
    }
    smtp_refuse(session, DIAGNOSIS_PASSWORD, reply, "refused the login", refusal, error);
    return FALSE;
}

/* One SMTP submission session (RFC 5321, 6409): greeting, TLS, EHLO, AUTH, any number of messages,
 * QUIT. Blocking; each step has the deadline of RFC 5321 section 4.5.3.2. Never a credential or a
 * message without TLS.
 */
#pragma once

#include "message.h"
#include "secret.h"
#include "transport.h"

#include "diagnosis.h"

/* How TLS starts: with the first byte (RFC 8314), or after STARTTLS (RFC 3207). */
typedef enum { SMTP_TLS_IMPLICIT, SMTP_TLS_STARTTLS } SmtpTls;

/* Where to and how. All borrowed for as long as the session lives. */
typedef struct {
    const char *host;
    guint port;
    SmtpTls tls;
    const char *provider;  /* for what its replies mean (diagnosis_of_reply()); NULL: unknown */
    const char *ca_pem;    /* NULL: the system's authorities */
    const char *ehlo_name; /* for EHLO; NULL: this machine's */
    TransportTrace trace;  /* NULL: none */
    gpointer trace_data;
} SmtpServer;

/* What became of a recipient. */
typedef enum {
    SMTP_UNTRIED,
    SMTP_SENT,
    SMTP_DEFERRED, /* temporary: nobody has it yet */
    SMTP_REFUSED,  /* permanent */
    SMTP_UNKNOWN, /* the connection broke after the message and before the verdict: it may have been
                     taken */
} SmtpOutcome;

typedef struct {
    const char *address; /* borrowed; passed address_check() */
    SmtpOutcome outcome;
    char *reply; /* the server's words that decided, or what went wrong; NULL where nothing did */
    const Diagnosis *diagnosis; /* NULL where no reply of the server decided */
} SmtpRecipient;

/* Frees what a session put into it. */
void smtp_recipient_clear(SmtpRecipient *recipient);

typedef struct SmtpSession SmtpSession;

/* Connects, and goes on until the server is ready for AUTH or MAIL over TLS.
 * POSTKEY_ERROR_UNAVAILABLE: not now; POSTKEY_ERROR_PROTOCOL: no STARTTLS, a certificate that is
 * not to be trusted, no SMTP; or what the server's refusal means (*refusal). Returns owned.
 */
SmtpSession *smtp_open(const SmtpServer *server, const Diagnosis **refusal, GError **error);

/* Says QUIT without waiting for the answer, and closes. */
void smtp_close(SmtpSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmtpSession, smtp_close)

/* Logs in with the first of mechanisms that the server offers too (XOAUTH2, OAUTHBEARER). The
 * initial response goes with the command while the whole line is within 512 octets (RFC 4954
 * section 4). On failure *refusal is the diagnosis of the server's reply, NULL where none decided.
 * POSTKEY_ERROR_AUTHORIZATION with DIAGNOSIS_NEW_TOKEN: the token was refused; the session is of no
 * use any more. */
gboolean smtp_authenticate(SmtpSession *session, const char *const *mechanisms, const char *user,
                           const Secret *token, const Diagnosis **refusal, GError **error);

/* Logs in with an app password, by PLAIN, or by LOGIN where the server offers only that. *refusal
 * as above; a refused password is POSTKEY_ERROR_AUTHORIZATION, and nothing is tried again. */
gboolean smtp_authenticate_by_password(SmtpSession *session, const char *user,
                                       const Secret *password, const Diagnosis **refusal,
                                       GError **error);

/* Sends message from the reverse-path sender ("" for none) to n recipients, whose outcomes it fills
 * in. FALSE when not all of them are served; *error then says why where one reason holds for all,
 * and is not set where the recipients' own verdicts tell. smtp_is_open() says whether the session
 * can take another message. */
gboolean smtp_send(SmtpSession *session, const char *sender, SmtpRecipient *recipients, guint n,
                   const Message *message, GError **error);

gboolean smtp_is_open(const SmtpSession *session);

/* One SMTP submission session (RFC 5321, 6409): greeting, TLS, EHLO, AUTH, any number of messages,
 * QUIT; in as few round trips as the server allows. Blocking; each step has the deadline of RFC
 * 5321 section 4.5.3.2. Never a credential or a message without TLS.
 */
#pragma once

#include "message.h"
#include "secret.h"
#include "transport.h"

#include "diagnosis.h"

/* ---- where to ---- */

/* How TLS starts: with the first byte (RFC 8314), or after STARTTLS (RFC 3207). */
typedef enum { SMTP_TLS_IMPLICIT, SMTP_TLS_STARTTLS } SmtpTls;

/* One door of a provider. */
typedef struct {
    char *host;
    guint port;
    SmtpTls tls;
} SmtpServer;

/* How long each step may take, in milliseconds. */
typedef struct {
    gint64 connect_ms;  /* to find the address and for TCP */
    gint64 tls_ms;      /* for the handshake */
    gint64 opening_ms;  /* from the connection to the end of EHLO, while another door is left */
    gint64 greeting_ms; /* the greeting */
    gint64 reply_ms;    /* the reply to a command */
    gint64 data_ms;     /* the reply to DATA */
    gint64 block_ms;    /* to write 16 KiB */
    gint64 verdict_ms;  /* the reply to a whole message */
} SmtpTimeouts;

/* Those of RFC 5321 section 4.5.3.2; connection, TLS and opening are ours. */
extern const SmtpTimeouts smtp_timeouts;

/* The doors of one provider and how to go through them. All borrowed for as long as the session
 * lives. */
typedef struct {
    const SmtpServer *servers; /* in the order to try; at least one */
    guint n_servers;
    const char *provider;  /* for what its replies mean (diagnosis_of_reply()); NULL: unknown */
    const char *ca_pem;    /* NULL: the system's authorities */
    const char *ehlo_name; /* for EHLO; NULL: this machine's */
    const char *habits; /* the file of habits.h, which remembers what servers cannot do; NULL: none
                         */
    const SmtpTimeouts *timeouts; /* NULL: smtp_timeouts */
    Deadline until;               /* when to give up; 0: each step has its own deadline alone */
    TransportTrace trace;         /* NULL: none */
    gpointer trace_data;
    /* Called when a credential has left and its answer has not come: time that nobody needs. NULL:
     * none. */
    void (*meanwhile)(gpointer data);
    gpointer meanwhile_data;
} SmtpRoad;

/* ---- what ---- */

/* What became of a recipient. */
typedef enum {
    SMTP_UNTRIED,
    SMTP_SENT,
    SMTP_DEFERRED, /* temporary: nobody has it yet */
    SMTP_REFUSED,  /* permanent */
    SMTP_UNKNOWN,  /* the connection broke after the end of the message may have left, and before
                      the verdict: it may have been taken */
} SmtpOutcome;

typedef struct {
    const char *address;  /* borrowed; passed address_check() */
    const char *original; /* for ORCPT (RFC 3461 section 4.2), "rfc822;a@b" without its xtext; NULL:
                             address. Borrowed */
    SmtpOutcome outcome;
    char *reply; /* the server's words that decided, or what went wrong; NULL where nothing did */
    const Diagnosis *diagnosis; /* NULL where no reply of the server decided */
} SmtpRecipient;

/* Frees what a session put into it. */
void smtp_recipient_clear(SmtpRecipient *recipient);

/* The delivery notices that the caller wants (RFC 3461); each may be NULL. Where the server offers
 * no DSN, nothing of it is said. Checked by whoever took them from a caller. */
typedef struct {
    const char *notify;      /* "NEVER", or "SUCCESS,FAILURE,DELAY" and parts of it */
    const char *ret;         /* "FULL" or "HDRS" */
    const char *envelope_id; /* ENVID, without its xtext */
} SmtpDsn;

/* A message and whom it is for. Borrowed, but for the outcomes, which are filled in. */
typedef struct {
    const char *sender; /* reverse-path; "" for none */
    SmtpRecipient *recipients;
    guint n_recipients;
    Message *message; /* prepared for what the server takes */
    SmtpDsn dsn;
    /* Called once, before the first byte of a flight leaves that holds the end of the message: from
     * there on the server may have taken it, whatever we learn. FALSE with *error: nothing that the
     * server could take leaves, and all recipients are deferred. Not called where nobody could get
     * the message. The duplicate window is closed again when no outcome is SMTP_UNKNOWN. NULL:
     * none.
     */
    gboolean (*about_to_commit)(gpointer data, GError **error);
    gpointer commit_data;
    /* Called when the whole message has left and its verdict has not come: time that nobody needs.
     * NULL: none. */
    void (*meanwhile)(gpointer data);
    gpointer meanwhile_data;
    /* Bytes of the message that were handed to the network, and its whole length; NULL: none. */
    void (*progress)(guint64 done, guint64 total, gpointer data);
    gpointer progress_data;
} SmtpMail;

/* ---- the session ---- */

typedef struct SmtpSession SmtpSession;

/* Connects, and goes on until a server is ready for AUTH over TLS. The doors are raced (race.h);
 * one that answers but does not lead to TLS and EHLO leaves the way to the others. One that cannot
 * be trusted is left like one that is shut: nothing was told to it, and the next one has to prove
 * itself as well; the trace says so, and where no other door opens, the error is that of the
 * certificate. A refusal that was said under TLS ends the search: the others are doors to the same
 * house. EHLO alone: HELO would lead to a session without AUTH, where nothing could be sent.
 *
 * POSTKEY_ERROR_UNAVAILABLE: not now; POSTKEY_ERROR_PROTOCOL: no STARTTLS, a certificate that is
 * not to be trusted, no SMTP; or what the server's refusal means (*refusal). Returns owned. */
SmtpSession *smtp_open(const SmtpRoad *road, const Diagnosis **refusal, GError **error);

/* The door that the session went through. Borrowed from the road. */
const SmtpServer *smtp_server(const SmtpSession *session);

/* The mechanisms of AUTH that the server offers under TLS, in upper case; NULL: none. Borrowed
 * until the session is closed. */
const char *const *smtp_mechanisms(const SmtpSession *session);

/* The session's TLS, to be looked at. Borrowed from the session. */
const Tls *smtp_tls(const SmtpSession *session);

/* No wait of the session goes beyond this point from now on (as SmtpRoad.until). */
void smtp_give_up_at(SmtpSession *session, Deadline until);

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

/* Sends one message and fills in the outcomes. FALSE when not all recipients are served; *error
 * then says why where one reason holds for all, and is not set where the recipients' own verdicts
 * tell. smtp_is_open() says whether the session can take another message.
 *
 * Where PIPELINING and CHUNKING are offered, a message of up to SMTP_FLIGHT_MAX_LEN goes in one
 * flight with its envelope (RFC 2920; design of RFC 3030 section 2 see smtp_mail.c); a server that
 * cannot do that is asked again, waiting, and remembered. A larger one waits for the envelope's
 * replies, then goes in chunks without waiting. DATA where there is no CHUNKING. Nothing is
 * pipelined where PIPELINING is not offered. */
gboolean smtp_send(SmtpSession *session, const SmtpMail *mail, GError **error);

#define SMTP_FLIGHT_MAX_LEN ((guint64)64 * 1024)

gboolean smtp_is_open(const SmtpSession *session);

/* Whether its server makes the notices that it is asked for (RFC 3461). */
gboolean smtp_offers_dsn(const SmtpSession *session);

/* The same for a session that was kept: whether the server has neither closed nor said anything
 * unasked, which would be its farewell. Known without a round trip; so no message is sent, and
 * maybe lost or doubled, into a connection that is dead. */
gboolean smtp_is_kept_open(const SmtpSession *session);

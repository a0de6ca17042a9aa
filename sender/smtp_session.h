/* The inside of an SmtpSession, for smtp.c, smtp_auth.c, smtp_password.c and smtp_mail.c alone.
 */
#pragma once

#include "errors.h"
#include "habits.h"
#include "smtp.h"

/* Where a session is. */
typedef enum {
    SMTP_CONNECTED, /* waits for the greeting */
    SMTP_GREETED,   /* waits for EHLO's answer */
    SMTP_PLAIN,     /* knows what the server offers without TLS */
    SMTP_SECURED,   /* TLS stands after STARTTLS: all that was said before is forgotten */
    SMTP_READY,     /* knows what the server offers under TLS; waits for AUTH */
    SMTP_LOGGED_IN, /* waits for MAIL */
    SMTP_ENVELOPE,  /* MAIL and RCPT are on their way */
    SMTP_BODY,      /* the message is, and its end is not */
    SMTP_VERDICT,   /* its end may have left */
    SMTP_ENDED,     /* the connection is of no use any more */
    SMTP_STATES,    /* how many there are */
} SmtpState;

/* What the server's last EHLO reply offers. */
typedef struct {
    gboolean starttls;
    gboolean eight_bit_mime;
    gboolean pipelining;
    gboolean chunking;
    gboolean utf8;
    gboolean dsn;
    gboolean size;
    guint64 size_max;  /* 0: no limit said */
    char **mechanisms; /* of AUTH, in upper case; NULL: none */
} SmtpOffer;

struct SmtpSession {
    const SmtpRoad *road;
    const SmtpTimeouts *timeouts;
    const SmtpServer *server; /* of the road */
    Deadline until;           /* 0: none */
    TransportPeer *peers;     /* what the road's servers are to a transport */
    Transport *transport;
    SmtpState state;
    SmtpOffer offer;
    Habit habit;     /* of the server */
    gboolean resets; /* RSET was said, and its reply not heard */
    Secret
        *credential; /* as it was sent: what the server repeats of it is redacted; NULL: none yet */
};

/* The one place where the state changes; a change that the protocol does not know is a bug, and
 * ends the program. */
void smtp_enter(SmtpSession *session, SmtpState state);

/* The point that is timeout_ms from now, or when the session gives up. */
Deadline smtp_deadline(const SmtpSession *session, gint64 timeout_ms);

/* Reads one reply; after a failure, and after a 421, the session is SMTP_ENDED. Returns owned. */
Reply *smtp_hear(SmtpSession *session, gint64 timeout_ms, GError **error);

/* Sends one line (without CRLF), whose end is secret (NULL: nothing is), and reads its reply.
 * Returns owned. */
Reply *smtp_ask(SmtpSession *session, const char *line, const Secret *secret, GError **error);

/* The code for what a diagnosis wants done. */
PostkeyErrorCode smtp_error_code(const Diagnosis *diagnosis);

/* The diagnosis of a reply that is not the one hoped for. Borrowed, static. */
const Diagnosis *smtp_diagnose(const SmtpSession *session, DiagnosisPhase phase,
                               const Reply *reply);

/* Sets *error from a reply: "HOST WHAT: REPLY", with its diagnosis, which is also stored in
 * *refusal. A reply in plain text is only words: POSTKEY_ERROR_UNAVAILABLE, and *refusal is NULL.
 */
void smtp_refuse(const SmtpSession *session, DiagnosisPhase phase, const Reply *reply,
                 const char *what, const Diagnosis **refusal, GError **error);

/* The broker's session for sending as one account: the route at once, the credential when it is
 * there, room for each message, and what became of it. Holds one of the account's connection places
 * while it lives.
 */
#pragma once

#include "broker_client.h"
#include "deadline.h"
#include "route.h"

/* The caller itself, not somebody else. */
#define ACCOUNT_SESSION_MYSELF ((gint64)-1)

/* Which account. All borrowed until account_session_open() returns, but for trace_data. */
typedef struct {
    PathsScope scope;      /* whose broker */
    const char *otherwise; /* the socket of the one to ask where scope leads to none; NULL: none */
    const char *account;   /* NULL: the broker chooses */
    const char *from;      /* by this address; NULL: none */
    gint64 on_behalf;      /* the uid that it is for, or ACCOUNT_SESSION_MYSELF */
    Deadline until;        /* no wait for the broker goes beyond; 0: each has its own end alone */
    TransportTrace trace;  /* NULL: none */
    gpointer trace_data;
} AccountRequest;

typedef struct AccountSession AccountSession;

/* Connects to the broker (starting it where there is none) and opens a session. POSTKEY_ERROR as
 * broker_client.h; POSTKEY_ERROR_THROTTLED: no place, or no room for another message. Returns
 * owned. */
AccountSession *account_session_open(const AccountRequest *request, GError **error);

/* Gives the place back without waiting for the answer's meaning. NULL is fine. */
void account_session_close(AccountSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AccountSession, account_session_close)

/* As AccountRequest.until, from now on. */
void account_session_give_up_at(AccountSession *session, Deadline until);

/* Borrowed from the session. */
const Route *account_session_route(const AccountSession *session);

/* A credential: a token, or the password of an account with an app password. Borrowed until the
 * next call. */
typedef struct {
    const char *user;
    const Secret *token;    /* or, */
    const Secret *password; /* NULL: there is a token */
} AccountCredential;

/* Waits for the credential. POSTKEY_ERROR of the broker: AUTHORIZATION, KEYRING_LOCKED ... */
gboolean account_session_credential(AccountSession *session, AccountCredential *credential,
                                    GError **error);

/* Asks for a credential anew, on the same route: for another login after a while. */
gboolean account_session_reopen(AccountSession *session, GError **error);

/* Asks the broker anew which account it chooses for from (NULL: none), and for a credential. FALSE:
 * it is another one now, or none; the session is of no use any more. */
gboolean account_session_is_still_chosen(AccountSession *session, const char *from);

/* Tells the broker that a server refused its token, in the words of detail, and asks for a
 * credential anew. *renewed: it is another one. */
gboolean account_session_renew(AccountSession *session, const char *detail, gboolean *renewed,
                               GError **error);

/* Reserves room for a message of so many octets to n recipients. POSTKEY_ERROR_THROTTLED with
 * error_retry_after() where there is none now. */
gboolean account_session_begin(AccountSession *session, guint n, guint64 size, GError **error);

/* What became of it: "sent", "unknown", "deferred" or "refused", of so many recipients. */
void account_session_end(AccountSession *session, const char *outcome, guint n);

/* Tells the broker something that a person should hear of the account: "mail_waiting" or
 * "mail_bounced" (ReportMail). On a connection of its own. */
gboolean account_session_report(PathsScope scope, const char *otherwise, const char *account,
                                const char *event, const char *reason, GError **error);

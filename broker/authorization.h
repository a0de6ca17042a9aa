/* One authorization of one account by a person, from the first step to the stored credential.
 *
 * Chooses the flow: the device flow first where the provider has one, and where the provider
 * refuses it the browser flow, within the same authorization. Afterwards the scopes granted are
 * compared with those asked for, who signed in with who was named, and a missing refresh token is
 * an error. An account that lives keeps its old credential until the new one is in the store.
 */
#pragma once

#include "accounts.h"

typedef struct Authorization Authorization;

typedef enum { AUTHORIZATION_AUTO, AUTHORIZATION_DEVICE, AUTHORIZATION_BROWSER } AuthorizationFlow;

/* The names are those of the interface's steps. */
typedef enum {
    AUTHORIZATION_PROVIDER, /* it was found; by MX records where there is a reason, which says how
                             */
    AUTHORIZATION_VISIT,
    AUTHORIZATION_WAITING,
    AUTHORIZATION_FALLBACK,
    AUTHORIZATION_DONE,
} AuthorizationStepKind;

/* All borrowed for the callback; NULL and -1: does not apply. */
typedef struct {
    AuthorizationStepKind kind;
    AuthorizationFlow flow; /* AUTO where no flow has begun: PROVIDER */
    const char *account, *provider;
    const char *verification_uri, *verification_uri_complete, *user_code; /* VISIT, device */
    const char *authorization_uri;                                        /* VISIT, browser */
    const char *reason;                                                   /* FALLBACK, PROVIDER */
    const char *const *scopes;                                            /* DONE */
    gint64 expires_in;
    gint64 authorization_expires_at; /* DONE */
} AuthorizationStep;

/* All borrowed and copied. */
typedef struct {
    const char *address;         /* or, without account, the name of one: as it is now */
    const char *provider;        /* NULL: found by the address */
    const char *account;         /* NULL: accounts_name_for() */
    const char *login;           /* NULL: address signs in */
    const char *const *purposes; /* NULL: smtp and imap */
    AuthorizationFlow flow;
    guint port;
} AuthorizationRequest;

typedef struct {
    void (*step)(const AuthorizationStep *step, gpointer data);
    /* Over without success; nothing was changed. After the step DONE it does not run. */
    void (*failed)(const GError *error, gpointer data);
} AuthorizationEvents;

/* The callbacks run later, from the main loop; after DONE or failed the handle is gone. An account
 * has one authorization at a time: a second one cancels the first (whose failed says
 * POSTKEY_ERROR_CANCELLED). NULL with POSTKEY_ERROR_USAGE (address). */
Authorization *authorization_start(Context *context, Accounts *accounts,
                                   const AuthorizationRequest *request,
                                   const AuthorizationEvents *events, gpointer data,
                                   GError **error);

/* The names of the account and of the provider that it is about; the provider's is NULL while it is
 * looked for (the step PROVIDER tells). Borrowed. */
const char *authorization_account(const Authorization *authorization);
const char *authorization_provider(const Authorization *authorization);

/* The caller hung up: nothing is stored any more, unless it is being stored already. */
void authorization_cancel(Authorization *authorization);

/* The pasted redirect URL for the authorization of this account: POSTKEY_ERROR_REFUSED when there
 * is none under way in the browser flow, or it is not the answer to it. */
gboolean authorization_complete(const Context *context, const char *account,
                                const char *redirect_url, GError **error);

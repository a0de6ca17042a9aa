/* A credential that a person already has, given to an account: a service account's key, an app
 * password, a refresh token of another tool, a client's own secret.
 *
 * The steps: find the provider, complete it, get one access token with the credential (an app
 * password cannot be tried: the broker speaks no SMTP), see whose it is where the provider tells,
 * put it into the store, write the record. What the provider refuses is not stored; an account that
 * lives keeps its old credential until the new one is in the store.
 */
#pragma once

#include "accounts.h"

/* All borrowed and copied; NULL where not said. */
typedef struct {
    StateKind kind;
    const char *address;
    const char *provider; /* NULL: as that account has it, else found by the address */
    const char *account;  /* NULL: accounts_name_for() */
    const char *login; /* NULL: address; the user of a service account, the login of a password */
    const char *client_id; /* of STATE_CLIENT_CREDENTIALS, which needs it */
    const char *tenant;
    const char *secret; /* the key file, the password, the refresh token, the client's secret */
} CredentialRequest;

/* Borrowed for the callback. */
typedef struct {
    const char *account, *provider;
    const char *reason;    /* how the provider was found; NULL: it was named */
    const char *confirmed; /* whose the credential is, where the provider said so; else NULL */
} CredentialAdded;

/* Exactly one of added and error is there: POSTKEY_ERROR_REFUSED (a file, a password of no known
 * form), _AUTHORIZATION (the provider refuses the credential, or it is somebody else's),
 * _CONFIGURATION, _CLIENT_NOT_FOUND, _USAGE, _UNAVAILABLE, _KEYRING_*. provider is its name as far
 * as it is known, else "". */
typedef void (*CredentialDone)(const CredentialAdded *added, const char *provider,
                               const GError *error, gpointer data);

typedef struct Credential Credential;

/* done runs once, later, never from inside this call. It cannot be stopped: a provider that rotates
 * has ended a refresh token when it was tried, and the new one must get into the store. NULL with
 * POSTKEY_ERROR_USAGE or POSTKEY_ERROR_REFUSED. */
Credential *credential_add(Context *context, Accounts *accounts, const CredentialRequest *request,
                           CredentialDone done, gpointer data, GError **error);

/* done will not run; the rest goes on. */
void credential_detach(Credential *credential);

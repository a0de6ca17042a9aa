/* Withdrawing an authorization (RFC 7009): at the provider first, then here. */
#pragma once

#include "accounts.h"

typedef struct Revocation Revocation;

/* error is NULL on success: the credential is gone at the provider, in the store and in the state.
 * Otherwise nothing was deleted, but for POSTKEY_ERROR_KEYRING_* and _IO after the provider has
 * withdrawn it. */
typedef void (*RevocationDone)(const GError *error, gpointer data);

/* A refresh in flight is waited for, and none is started meanwhile: with a provider that rotates,
 * the token that it brings would live on. at_provider FALSE: deletes it here alone, at once. done
 * runs once, later, never from inside this call. Cannot be stopped, and the end of the
 * broker waits for it (exchanges.h): who hangs up is not told (done == NULL through
 * revocation_detach()). */
Revocation *revocation_start(Context *context, Accounts *accounts, Account *account,
                             gboolean at_provider, RevocationDone done, gpointer data);

/* done will not run; the revocation goes on. */
void revocation_detach(Revocation *revocation);

/* One new access token for one account, from the provider's section to the keyring.
 *
 * The steps: complete the provider (lookup.h), take the credential from the store, ask the token
 * endpoint as its kind wants (grant.h), and where the provider rotated the refresh token put the
 * new one into the store before anybody sees the access token that came with it. The record's fate
 * (lost, interrupted, rotates) is kept in the state.
 */
#pragma once

#include "context.h"
#include "oauth.h"

typedef struct AccountRefresh AccountRefresh;

/* reply is borrowed, with the verdict OAUTH_GRANTED; or NULL and the error:
 * POSTKEY_ERROR_AUTHORIZATION, _CONFIGURATION, _CLIENT_NOT_FOUND, _UNAVAILABLE (with
 * error_retry_after()), _KEYRING_*. */
typedef void (*AccountRefreshDone)(OauthTokenReply *reply, const GError *error, gpointer data);

/* done runs once, later, never from inside this call; the handle is valid until then. */
AccountRefresh *account_refresh_start(Context *context, const char *account_name,
                                      const char *provider_name, AccountRefreshDone done,
                                      gpointer data);

/* For Context.abandoned, which owns those that nobody waits for but the store: it cannot be told to
 * forget a call. To be freed after the store, which answers no more then, and before the exchanges.
 * Returns owned. */
GHashTable *account_refresh_abandoned_new(void);

/* For unsaved_new(): the store has taken the account's rotated token after all. context is a
 * Context. */
void account_refresh_saved(const char *account_name, gpointer context);

/* done will not run. A rotated token that is on its way into the store still gets there, unless
 * another credential took its place. NULL is fine. */
void account_refresh_abandon(AccountRefresh *refresh);

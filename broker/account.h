/* The life of one account's access token: a cached token, one refresh in flight, the callers that
 * wait for it.
 *
 * Whoever asks, one refresh at a time; early, before the token ends, for an account in use; a
 * rotated refresh token is in the store before the access token that came with it is handed out;
 * the body of the provider's answer decides what a failure means. Deadlines are on CLOCK_BOOTTIME
 * (timer.h), wall clock only for show.
 */
#pragma once

#include "account_holds.h"
#include "account_waiter.h"
#include "cached_token.h"
#include "context.h"
#include "oauth.h"

typedef struct Account Account;

typedef enum {
    ACCOUNT_READY,
    ACCOUNT_AUTHORIZATION_REQUIRED,
    ACCOUNT_CONFIGURATION_ERROR,
    ACCOUNT_UNAVAILABLE,
    ACCOUNT_KEYRING_LOCKED,
} AccountState;

/* The interface's word for it. Borrowed, static. */
const char *account_state_name(AccountState state);

/* What is known of an account; all borrowed, valid until the next call on the account. */
typedef struct {
    const char *name, *address, *user, *provider;
    StateKind kind;
    AccountState state;
    const char *reason, *hint; /* NULL when ready */
    const char *const *scopes;
    gint64 token_expires_at;         /* wall clock, seconds; -1: no token in the cache */
    gint64 authorization_expires_at; /* -1: no limit known */
    gint64 authorized_at;            /* when its credential came; -1: never */
    gboolean unsaved;                /* a rotated refresh token waits for the store */
} AccountInfo;

/* Who an account is; all borrowed and copied. login is NULL when address itself signs in. */
typedef struct {
    const char *name, *address, *login, *provider;
} AccountIdentity;

/* An account of the configuration or the state; its record, where there is one, is found by its
 * name. Returns owned. */
Account *account_new(Context *context, const AccountIdentity *identity);

/* Waiting callers get POSTKEY_ERROR_ACCOUNT_NOT_FOUND; what is under way comes to nothing. */
void account_free(Account *account);

AccountInfo account_info(const Account *account);

/* Only who it is: for looking through many. Borrowed. */
AccountIdentity account_identity(const Account *account);
gboolean account_has_identity(const Account *account, const AccountIdentity *identity);

/* The default of min_validity (cached_token.h). */
#define ACCOUNT_MIN_VALIDITY_DEFAULT CACHED_TOKEN_VALIDITY_DEFAULT
#define ACCOUNT_TIMEOUT_DEFAULT_S 30
#define ACCOUNT_TIMEOUT_MAX_S 600

/* The token in the cache, if it lasts for min_validity_s more (cached_token_lasts()). */
gboolean account_peek_token(Account *account, gint64 min_validity_s, AccountToken *token);

/* Keeps what GetToken answers (taken) with the token in the cache, which it tells: making it anew
 * is most of what a call costs. It is gone with the token, and with account_retry_now(), as it also
 * tells what the configuration says. There must be a token. */
void account_keep_answer(Account *account, Secret *answer);

/* Waits for a token from the provider, at most timeout_s. An account with an app password has none:
 * POSTKEY_ERROR_CONFIGURATION. The others: POSTKEY_ERROR_AUTHORIZATION, _CONFIGURATION,
 * _UNAVAILABLE (with error_retry_after()), _KEYRING_*, _CLIENT_NOT_FOUND. done runs once, later,
 * never from inside this call; the handle is valid until then, for account_waiter_cancel(), too. */
AccountWaiter *account_wait_token(Account *account, gint64 min_validity_s, gint64 timeout_s,
                                  AccountTokenDone done, gpointer data);

/* As account_wait_token(), but asks the provider, whatever it said before and however long the
 * token in the cache is good for: that one is served until there is another. */
AccountWaiter *account_renew_token(Account *account, gint64 timeout_s, AccountTokenDone done,
                                   gpointer data);

/* Something was mended: the next wait asks the provider at once, unless the provider itself asked
 * for a pause. */
void account_retry_now(Account *account);

/* A server refused this token. Counts only for the token in the cache, and once in
 * ACCOUNT_REJECT_INTERVAL_S: a server that refuses every token must not become a storm at the
 * provider. */
#define ACCOUNT_REJECT_INTERVAL_S 300
void account_reject_token(Account *account, const Secret *token, const char *detail);

/* The account has a new credential: it is in the store already, its record in the state. reply is
 * the token that came with it; NULL where none did (an app password). */
void account_authorized(Account *account, const OauthTokenReply *reply);

/* Holds the account still: for whoever takes its credential away, and must not miss one that is
 * just being replaced. From now on no refresh is started, and held runs once, as soon as none is in
 * flight and what it brought is in the store (or kept, unsaved.h): later, never from inside this
 * call. The token in the cache is still served; who wants another one waits. Ends with the account,
 * or with account_release(), which lets those who wait ask again; as many of these as there were
 * holds. */
void account_hold(Account *account, AccountHeld held, gpointer data);
void account_release(Account *account);

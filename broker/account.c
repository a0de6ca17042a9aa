#include "account.h"

#include "account_refresh.h"
#include "cached_token.h"
#include "errors.h"
#include "grant.h"
#include "log.h"
#include "timer.h"

#include <string.h>

#define REJECT_DETAIL_MAX 300
#define EARLY_PERCENT 80
#define EARLY_JITTER_PERCENT 5
#define BACKOFF_FIRST_S 1
#define BACKOFF_MAX_S 60
#define KEEP_ALIVE_RETRY_S 3600

struct Account {
    Context *context;
    char *name, *address, *login, *provider;
    AccountState state;
    char *reason, *hint;

    CachedToken cached;
    gboolean used; /* asked for since the last refresh */

    AccountRefresh *refresh; /* in flight */
    gint64 refresh_began_us;
    GQueue waiters;     /* of AccountWaiter */
    AccountHolds holds; /* no refresh is started while there are any */
    Timer *next;        /* an early refresh, or another try */
    Timer *keep_alive;  /* a refresh of an account that nobody asks for */
    guint failures;
    gint64 asked_to_wait_until_us; /* Retry-After; 0: not asked */
    gint64 retry_at_us;            /* not before, after a failure; 0: any time */
    gint64 forced_at_us;           /* of the last refresh that RejectToken forced; 0: never */
};

static const char *const state_names[] = {
    [ACCOUNT_READY] = "ready",
    [ACCOUNT_AUTHORIZATION_REQUIRED] = "authorization_required",
    [ACCOUNT_CONFIGURATION_ERROR] = "configuration_error",
    [ACCOUNT_UNAVAILABLE] = "unavailable",
    [ACCOUNT_KEYRING_LOCKED] = "keyring_locked",
};

const char *account_state_name(AccountState state)
{
    return state_names[state];
}

static StateAccount *record_of(const Account *account)
{
    return state_account(account->context->state, account->name);
}

/* Who logs in at the mail server. A password is of the login; a token tells by itself who got it,
 * and some servers want to hear whose mailbox it is to open. */
static const char *user_of(const Account *account)
{
    const StateAccount *record = record_of(account);
    gboolean by_token = record && record->kind != STATE_APP_PASSWORD;
    gboolean mailbox = by_token && provider_user_is_mailbox(account->provider);
    return account->login && !mailbox ? account->login : account->address;
}

/* The one place where the state changes. */
static void set_state(Account *account, AccountState state, const char *reason, const char *hint)
{
    if (account->state != state)
        log_debug("%s: %s -> %s", account->name, state_names[account->state], state_names[state]);
    account->state = state;
    g_free(account->reason);
    g_free(account->hint);
    account->reason = g_strdup(reason);
    account->hint = g_strdup(hint);
}

static StateKind kind_of(const Account *account)
{
    const StateAccount *record = record_of(account);
    return record ? record->kind : STATE_OAUTH;
}

static void set_authorization_required(Account *account, const char *reason)
{
    g_autofree char *hint = grant_remedy(kind_of(account), account->address, account->name);
    set_state(account, ACCOUNT_AUTHORIZATION_REQUIRED, reason, hint);
}

/* A password opens the whole account, and for ever: no program gets it in the place of a token. */
static GError *no_token_error(const Account *account)
{
    GError *error = NULL;
    error_set(&error, POSTKEY_ERROR_CONFIGURATION,
              "it logs in with an app password, which is no token and is handed to no program",
              "send with postkey-send; for programs that want a token: postkey authorize ADDRESS",
              "there are no tokens for %s", account->name);
    return error;
}

static GError *authorization_error(const Account *account)
{
    GError *error = NULL;
    error_set(&error, POSTKEY_ERROR_AUTHORIZATION, NULL, account->hint, "%s", account->reason);
    return error;
}

/* ---- the token in the cache ---- */

static void fill_token(const Account *account, AccountToken *token)
{
    *token = (AccountToken){.user = user_of(account),
                            .token = account->cached.token,
                            .expires_at = account->cached.expires_at,
                            .answer = account->cached.answer};
}

gboolean account_peek_token(Account *account, gint64 min_validity_s, AccountToken *token)
{
    if (!cached_token_lasts(&account->cached, min_validity_s))
        return FALSE;
    account->used = TRUE;
    cached_token_follow_wall_clock(&account->cached);
    fill_token(account, token);
    return TRUE;
}

void account_keep_answer(Account *account, Secret *answer)
{
    cached_token_drop_answer(&account->cached);
    account->cached.answer = answer;
}

static void hear_provider_again(Account *account)
{
    if (account->state == ACCOUNT_AUTHORIZATION_REQUIRED && record_of(account))
        set_state(account, ACCOUNT_READY, NULL, NULL); /* let the provider say it again */
}

static void drop_token(Account *account)
{
    cached_token_clear(&account->cached);
    hear_provider_again(account);
}

static void plan_keep_alive(Account *account, gboolean failed);

void account_retry_now(Account *account)
{
    account->failures = 0;
    account->retry_at_us = account->asked_to_wait_until_us;
    /* The configuration may have changed both. */
    cached_token_drop_answer(&account->cached);
    plan_keep_alive(account, FALSE);
}

void account_reject_token(Account *account, const Secret *token, const char *detail)
{
    if (!account->cached.token || !secret_equal(account->cached.token, token))
        return;
    /* What a server said: bounded. The log makes it one line, and redacts the token itself. */
    g_autofree char *why =
        detail ? log_printable(detail, REJECT_DETAIL_MAX) : g_strdup("it gave no reason");
    gint64 now_us = timer_now_us();
    gint64 interval_us = (gint64)ACCOUNT_REJECT_INTERVAL_S * G_USEC_PER_SEC;
    if (account->forced_at_us && now_us - account->forced_at_us < interval_us) {
        log_warning("%s: a server refused the token again, too soon for another refresh: %s",
                    account->name, why);
        return;
    }
    log_notice("%s: a server refused the token, the next call refreshes: %s", account->name, why);
    account->forced_at_us = now_us;
    drop_token(account);
}

/* ---- refreshing ---- */

/* Without an error the token is fresh; with one, what is still valid is better than nothing. */
static void answer_all(Account *account, const GError *error)
{
    AccountToken token;
    cached_token_follow_wall_clock(&account->cached);
    fill_token(account, &token);
    gboolean valid = !error || cached_token_left_s(&account->cached) > 0;
    if (account_waiters_answer(&account->waiters, valid ? &token : NULL, error))
        account->used = TRUE;
}

static void start_refresh(Account *account);

static gboolean may_refresh(const Account *account)
{
    return !account->refresh && account->holds.count == 0;
}

static void next_is_due(gpointer data)
{
    Account *account = data;
    account->next = NULL;
    gboolean wanted = account->waiters.length > 0 || account->used;
    if (wanted && may_refresh(account) && account->state != ACCOUNT_AUTHORIZATION_REQUIRED)
        start_refresh(account);
}

static void schedule(Account *account, gint64 at_us)
{
    timer_cancel(account->next);
    account->next = timer_start(at_us, next_is_due, account);
}

/* ---- idle accounts ---- */

static void keep_alive_is_due(gpointer data)
{
    Account *account = data;
    account->keep_alive = NULL;
    if (may_refresh(account) && account->state != ACCOUNT_AUTHORIZATION_REQUIRED)
        start_refresh(account);
}

/* Providers end a grant that is not used for months: who never sends has to hear of it before he
 * needs it. The last time is stored, so it is the wall clock's; one that was set wrong costs one
 * refresh, or waits once more as long. */
static void plan_keep_alive(Account *account, gboolean failed)
{
    const StateAccount *record = record_of(account);
    gint64 period_s = account->context->config->keep_alive_s;
    g_clear_pointer(&account->keep_alive, timer_cancel);
    if (!record || record->kind == STATE_APP_PASSWORD ||
        account->state == ACCOUNT_AUTHORIZATION_REQUIRED)
        return;
    gint64 last_s = MAX(record->refreshed_at, record->authorized_at);
    gint64 wait_s = CLAMP(last_s + period_s - g_get_real_time() / G_USEC_PER_SEC, 0, period_s);
    if (failed)
        wait_s = MIN(KEEP_ALIVE_RETRY_S, period_s);
    /* Up to a tenth later: many accounts do not come at once when the machine starts. */
    gint64 spread_ms = MIN(period_s, KEEP_ALIVE_RETRY_S) * 100;
    gint64 wait_us = wait_s * G_USEC_PER_SEC + g_random_int_range(0, (gint32)spread_ms) * 1000;
    account->keep_alive = timer_start_in(wait_us, keep_alive_is_due, account);
}

static void publish(Account *account, const OauthTokenReply *reply)
{
    gint64 percent = EARLY_PERCENT - g_random_int_range(0, EARLY_JITTER_PERCENT + 1);
    cached_token_put(&account->cached, reply->access_token, reply->expires_in);
    account->failures = 0;
    account->retry_at_us = account->asked_to_wait_until_us = 0;
    account->used = FALSE;
    set_state(account, ACCOUNT_READY, NULL, NULL);
    gint64 life_us = account->cached.life_s * G_USEC_PER_SEC;
    schedule(account, account->cached.ends_us - life_us / 100 * (100 - percent));
    plan_keep_alive(account, FALSE);
}

static void back_off(Account *account, gint64 retry_after_s)
{
    gint64 wait_s = MIN((gint64)BACKOFF_FIRST_S << MIN(account->failures, 10), BACKOFF_MAX_S);
    wait_s = MAX(wait_s, retry_after_s);
    account->failures++;
    if (retry_after_s > 0)
        account->asked_to_wait_until_us = timer_now_us() + retry_after_s * G_USEC_PER_SEC;
    /* Up to a quarter more, so that the accounts of many machines do not come back in step. */
    gint64 wait_us = wait_s * G_USEC_PER_SEC + g_random_int_range(0, 250000) * wait_s;
    account->retry_at_us = timer_now_us() + wait_us;
    schedule(account, account->retry_at_us);
}

static void note_failure(Account *account, const GError *error)
{
    EventKind kind = EVENT_REFRESH_FAILED;
    g_autofree char *reason = error_meaning(error)
                                  ? g_strdup_printf("%s: %s", error->message, error_meaning(error))
                                  : g_strdup(error->message);
    switch (error->domain == POSTKEY_ERROR ? error->code : POSTKEY_ERROR_IO) {
    case POSTKEY_ERROR_AUTHORIZATION:
        set_authorization_required(account, reason);
        kind = EVENT_AUTHORIZATION_REQUIRED;
        break;
    case POSTKEY_ERROR_CONFIGURATION:
    case POSTKEY_ERROR_CLIENT_NOT_FOUND:
        set_state(account, ACCOUNT_CONFIGURATION_ERROR, reason, error_remedy(error));
        back_off(account, -1);
        break;
    case POSTKEY_ERROR_KEYRING_LOCKED:
        set_state(account, ACCOUNT_KEYRING_LOCKED, reason, error_remedy(error));
        break;
    case POSTKEY_ERROR_UNAVAILABLE:
        set_state(account, ACCOUNT_UNAVAILABLE, reason, error_remedy(error));
        back_off(account, error_retry_after(error));
        break;
    default:
        set_state(account, ACCOUNT_UNAVAILABLE, reason, error_remedy(error));
        break;
    }
    Event event = {.kind = kind, .account = account->name, .reason = reason, .expires = -1};
    events_emit(account->context->events, &event);
}

static MetricsOutcome outcome_of(const GError *error)
{
    if (!error)
        return METRICS_REFRESHED;
    switch (error->domain == POSTKEY_ERROR ? error->code : POSTKEY_ERROR_IO) {
    case POSTKEY_ERROR_AUTHORIZATION:
        return METRICS_AUTHORIZATION_LOST;
    case POSTKEY_ERROR_CONFIGURATION:
    case POSTKEY_ERROR_CLIENT_NOT_FOUND:
        return METRICS_MISCONFIGURED;
    case POSTKEY_ERROR_KEYRING_LOCKED:
    case POSTKEY_ERROR_KEYRING_UNAVAILABLE:
        return METRICS_KEYRING;
    default:
        return METRICS_UNAVAILABLE;
    }
}

static void count_refresh(const Account *account, const GError *error)
{
    MetricsAccount *counters = metrics_account(account->context->metrics, account->name);
    counters->refreshes[outcome_of(error)]++;
    counters->refresh_us[outcome_of(error)] += timer_now_us() - account->refresh_began_us;
}

static void refresh_done(OauthTokenReply *reply, const GError *error, gpointer data)
{
    Account *account = data;
    count_refresh(account, error);
    account->refresh = NULL;
    if (error) {
        /* While the old token lives we go on trying by ourselves; a dead one is asked for again. */
        account->used = cached_token_left_s(&account->cached) > 0;
        note_failure(account, error);
        plan_keep_alive(account, TRUE);
    } else {
        publish(account, reply);
        Event event = {.kind = EVENT_REFRESHED,
                       .account = account->name,
                       .expires = account->cached.expires_at};
        events_emit(account->context->events, &event);
    }
    /* An authorization that is lost is told in the words of the account, with its own remedy. */
    g_autoptr(GError) lost = error && account->state == ACCOUNT_AUTHORIZATION_REQUIRED
                                 ? authorization_error(account)
                                 : NULL;
    answer_all(account, lost ? lost : error);
    account_holds_tell(&account->holds);
}

static void start_refresh(Account *account)
{
    timer_cancel(g_steal_pointer(&account->next));
    account->refresh_began_us = timer_now_us();
    account->refresh = account_refresh_start(account->context, account->name, account->provider,
                                             refresh_done, account);
}

/* Why there is no sense in asking the provider now; NULL when there is. Returns owned. */
static GError *reason_not_to_ask(Account *account, gint64 deadline_us)
{
    GError *error = NULL;
    const StateAccount *record = record_of(account);
    if (kind_of(account) == STATE_APP_PASSWORD)
        return no_token_error(account);
    if (account->state == ACCOUNT_AUTHORIZATION_REQUIRED && (!record || record->lost_reason))
        return authorization_error(account);
    if (account->retry_at_us <= deadline_us || account->retry_at_us <= timer_now_us())
        return NULL;
    gint64 wait_s = (account->retry_at_us - timer_now_us()) / G_USEC_PER_SEC + 1;
    error_set(&error,
              account->state == ACCOUNT_CONFIGURATION_ERROR ? POSTKEY_ERROR_CONFIGURATION
                                                            : POSTKEY_ERROR_UNAVAILABLE,
              account->reason, account->hint,
              "the provider of %s failed %u times, the next try is in %" G_GINT64_FORMAT " s",
              account->name, account->failures, wait_s);
    error_set_retry_after(error, wait_s);
    return error;
}

AccountWaiter *account_wait_token(Account *account, gint64 min_validity_s, gint64 timeout_s,
                                  AccountTokenDone done, gpointer data)
{
    gint64 deadline_us = timer_now_us() + timeout_s * G_USEC_PER_SEC;
    gboolean content = min_validity_s == ACCOUNT_MIN_VALIDITY_DEFAULT;
    GError *futile = account->refresh ? NULL : reason_not_to_ask(account, deadline_us);
    account->used = TRUE;
    if (futile)
        return account_waiter_refuse(&account->waiters, futile, done, data);
    AccountWaiter *waiter =
        account_waiter_new(&account->waiters, account->name, content, timeout_s, done, data);
    if (!may_refresh(account))
        return waiter;
    if (account->retry_at_us > timer_now_us())
        schedule(account, account->retry_at_us);
    else
        start_refresh(account);
    return waiter;
}

AccountWaiter *account_renew_token(Account *account, gint64 timeout_s, AccountTokenDone done,
                                   gpointer data)
{
    hear_provider_again(account);
    account_retry_now(account);
    return account_wait_token(account, G_MAXINT64, timeout_s, done, data);
}

void account_authorized(Account *account, const OauthTokenReply *reply)
{
    /* A refresh with the old credential must not speak any more. */
    account_refresh_abandon(g_steal_pointer(&account->refresh));
    account_holds_tell(&account->holds);
    account->forced_at_us = 0;
    if (reply) {
        publish(account, reply);
        answer_all(account, NULL);
        return;
    }
    timer_cancel(g_steal_pointer(&account->next));
    drop_token(account);
    plan_keep_alive(account, FALSE);
    set_state(account, ACCOUNT_READY, NULL, NULL);
    g_autoptr(GError) no_token = no_token_error(account);
    answer_all(account, no_token);
}

/* ---- holding still ---- */

void account_hold(Account *account, AccountHeld held, gpointer data)
{
    account_holds_add(&account->holds, held, data);
    if (!account->refresh)
        account_holds_tell(&account->holds);
}

void account_release(Account *account)
{
    if (!account_holds_release(&account->holds))
        return;
    /* What came due meanwhile. */
    plan_keep_alive(account, FALSE);
    if (account->waiters.length > 0)
        schedule(account, account->retry_at_us);
}

/* ---- life ---- */

Account *account_new(Context *context, const AccountIdentity *identity)
{
    Account *account = g_new0(Account, 1);
    account->context = context;
    account->name = g_strdup(identity->name);
    account->address = g_strdup(identity->address);
    account->login = g_strdup(identity->login);
    account->provider = g_strdup(identity->provider);
    cached_token_init(&account->cached);
    g_queue_init(&account->waiters);
    account_holds_init(&account->holds);
    const StateAccount *record = record_of(account);
    if (!record)
        set_authorization_required(account, "nobody has authorized it yet");
    else if (record->lost_reason)
        set_authorization_required(account, record->lost_reason);
    plan_keep_alive(account, FALSE);
    return account;
}

void account_free(Account *account)
{
    if (!account)
        return;
    g_autoptr(GError) gone = NULL;
    error_set(&gone, POSTKEY_ERROR_ACCOUNT_NOT_FOUND, "it was removed while this call waited", NULL,
              "there is no account %s", account->name);
    cached_token_clear(&account->cached);
    account_waiters_refuse_all(&account->waiters, gone);
    account_holds_refuse_all(&account->holds, gone);
    account_refresh_abandon(account->refresh);
    timer_cancel(account->next);
    timer_cancel(account->keep_alive);
    g_free(account->name);
    g_free(account->address);
    g_free(account->login);
    g_free(account->provider);
    g_free(account->reason);
    g_free(account->hint);
    g_free(account);
}

AccountIdentity account_identity(const Account *account)
{
    return (AccountIdentity){.name = account->name,
                             .address = account->address,
                             .login = account->login,
                             .provider = account->provider};
}

AccountInfo account_info(const Account *account)
{
    static const char *const no_scopes[] = {NULL};
    const StateAccount *record = record_of(account);
    return (AccountInfo){
        .name = account->name,
        .address = account->address,
        .user = user_of(account),
        .provider = account->provider,
        .kind = kind_of(account),
        .state = account->state,
        .reason = account->reason,
        .hint = account->hint,
        .scopes = record && record->scopes ? (const char *const *)record->scopes : no_scopes,
        .token_expires_at = cached_token_expires_at(&account->cached),
        .authorization_expires_at = record ? record->authorization_expires_at : -1,
        .authorized_at = record ? record->authorized_at : -1,
        .unsaved = unsaved_peek(account->context->unsaved, account->name) != NULL,
    };
}

gboolean account_has_identity(const Account *account, const AccountIdentity *identity)
{
    return strcmp(account->name, identity->name) == 0 &&
           strcmp(account->address, identity->address) == 0 &&
           g_strcmp0(account->login, identity->login) == 0 &&
           strcmp(account->provider, identity->provider) == 0;
}

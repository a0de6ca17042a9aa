#include "account_refresh.h"

#include "errors.h"
#include "grant.h"
#include "log.h"
#include "lookup.h"

struct AccountRefresh {
    Context *context;
    char *account_name;
    AccountRefreshDone done; /* NULL: abandoned; freed when the store answers */
    gpointer data;
    Lookup *lookup;
    Provider *provider;
    GrantCall *call;
    Secret *credential; /* what the store keeps: a refresh token, a key, a client's secret */
    OauthTokenReply reply;
    gboolean asking_store;
    gboolean exchanging;         /* counted in the context's exchanges */
    gboolean interrupted_before; /* an earlier answer of the provider never reached the store */
};

static void refresh_free(gpointer data)
{
    AccountRefresh *refresh = data;
    if (refresh->exchanging)
        exchanges_end(refresh->context->exchanges);
    lookup_cancel(refresh->lookup);
    grant_cancel(refresh->call);
    provider_free(refresh->provider);
    secret_free(refresh->credential);
    oauth_token_reply_clear(&refresh->reply);
    g_free(refresh->account_name);
    g_free(refresh);
}

void account_refresh_abandon(AccountRefresh *refresh)
{
    if (!refresh)
        return;
    refresh->done = NULL;
    if (refresh->asking_store)
        g_hash_table_add(refresh->context->abandoned, refresh);
    else
        refresh_free(refresh);
}

GHashTable *account_refresh_abandoned_new(void)
{
    return g_hash_table_new_full(g_direct_hash, g_direct_equal, refresh_free, NULL);
}

/* The store has answered. */
static void end_asking(AccountRefresh *refresh)
{
    refresh->asking_store = FALSE;
    (void)g_hash_table_steal(refresh->context->abandoned, refresh); /* if it is there */
}

static StateAccount *record_of(const AccountRefresh *refresh)
{
    return state_account(refresh->context->state, refresh->account_name);
}

/* The state is a memory aid: mail must not stop because a disk is full. */
static void save_state(const Context *context, const char *account_name)
{
    g_autoptr(GError) error = NULL;
    if (!state_save(context->state, &error))
        log_error("%s: the state could not be saved: %s", account_name, error->message);
}

static void finish(AccountRefresh *refresh, const GError *error)
{
    AccountRefreshDone done = refresh->done;
    gpointer data = refresh->data;
    g_auto(OauthTokenReply) reply = refresh->reply;
    refresh->reply = (OauthTokenReply){0};
    refresh_free(refresh);
    if (done)
        done(error ? NULL : &reply, error, data);
}

static void fail(AccountRefresh *refresh, PostkeyErrorCode code, const char *reason,
                 const char *remedy)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, code, NULL, remedy, "%s", reason);
    finish(refresh, error);
}

static StateKind kind_of(const AccountRefresh *refresh)
{
    const StateAccount *record = record_of(refresh);
    return record ? record->kind : STATE_OAUTH;
}

/* ---- marks in the state ---- */

/* A provider that may rotate: should we be killed before the new token is stored, the next broker
 * can tell why the old one is refused. */
static void mark_begun(AccountRefresh *refresh)
{
    StateAccount *record = record_of(refresh);
    if (!record || record->kind != STATE_OAUTH || record->rotation == STATE_ROTATION_NEVER)
        return;
    gboolean unsaved = unsaved_peek(refresh->context->unsaved, refresh->account_name) != NULL;
    refresh->interrupted_before = record->refreshing && !unsaved;
    if (record->refreshing)
        return;
    record->refreshing = TRUE;
    save_state(refresh->context, refresh->account_name);
}

static void mark_ended(AccountRefresh *refresh)
{
    StateAccount *record = record_of(refresh);
    if (!record || !refresh->done) /* abandoned: the record is of a newer authorization */
        return;
    StateRotation rotation =
        refresh->reply.refresh_token ? STATE_ROTATION_ALWAYS : STATE_ROTATION_NEVER;
    gboolean granted = refresh->reply.verdict == OAUTH_GRANTED;
    /* What is only in memory would be lost with us: the mark stays until the store has it. */
    gboolean unsaved = unsaved_peek(refresh->context->unsaved, refresh->account_name) != NULL;
    gboolean changed = record->refreshing != unsaved || granted;
    record->refreshing = unsaved;
    if (granted && record->rotation != STATE_ROTATION_ALWAYS)
        record->rotation = rotation;
    if (granted) {
        record->refreshed_at = g_get_real_time() / G_USEC_PER_SEC;
        g_clear_pointer(&record->lost_reason, g_free);
    }
    if (granted && refresh->reply.scopes) {
        g_strfreev(record->scopes);
        record->scopes = g_strdupv(refresh->reply.scopes);
    }
    if (changed)
        save_state(refresh->context, refresh->account_name);
}

void account_refresh_saved(const char *account_name, gpointer context)
{
    const Context *broker = context;
    StateAccount *record = state_account(broker->state, account_name);
    if (!record)
        return;
    record->refreshing = FALSE;
    save_state(broker, account_name);
}

static void mark_lost(AccountRefresh *refresh, const char *reason)
{
    StateAccount *record = record_of(refresh);
    if (!record)
        return;
    record->refreshing = FALSE;
    g_free(record->lost_reason);
    record->lost_reason = g_strdup(reason);
    save_state(refresh->context, refresh->account_name);
}

/* ---- the answer ---- */

static void rotated_token_stored(const GError *error, gpointer data)
{
    AccountRefresh *refresh = data;
    end_asking(refresh);
    if (error && error->code == POSTKEY_ERROR_REFUSED) {
        log_notice("%s: another credential took the place of the rotated refresh token",
                   refresh->account_name);
    } else if (error) {
        log_warning(
            "%s: the keyring does not take the rotated refresh token, it is kept in memory: %s",
            refresh->account_name, error->message);
        if (refresh->done)
            unsaved_keep(refresh->context->unsaved, refresh->account_name,
                         secret_dup(refresh->reply.refresh_token));
    } else {
        unsaved_drop(refresh->context->unsaved, refresh->account_name);
    }
    mark_ended(refresh);
    finish(refresh, NULL);
}

static void store_rotated_token(AccountRefresh *refresh)
{
    const Secret *unsaved = unsaved_peek(refresh->context->unsaved, refresh->account_name);
    gboolean same = secret_equal(refresh->reply.refresh_token, refresh->credential);
    /* Only a refresh token can be rotated: a key or a client's secret must not be overwritten by
     * what a provider sends beside the access token. */
    if (!refresh->reply.refresh_token || same || kind_of(refresh) != STATE_OAUTH) {
        g_clear_pointer(&refresh->reply.refresh_token, secret_free);
        mark_ended(refresh);
        finish(refresh, NULL);
        return;
    }
    g_autofree char *name = store_account_name(refresh->account_name);
    g_autofree char *label = g_strdup_printf("postkey: %s", refresh->account_name);
    /* Where the token before this one never reached the store, the store holds a still older one.
     */
    const Secret *expected = unsaved ? NULL : refresh->credential;
    if (unsaved) /* an offer of the older one must not be queued behind our put */
        unsaved_keep(refresh->context->unsaved, refresh->account_name,
                     secret_dup(refresh->reply.refresh_token));
    refresh->asking_store = TRUE;
    store_put(refresh->context->store, name, expected, refresh->reply.refresh_token, label,
              rotated_token_stored, refresh);
}

/* The words that the account keeps until it has another credential. */
static void tell_lost(AccountRefresh *refresh, const GError *error)
{
    const char *told = error_meaning(error) ? error_meaning(error) : error->message;
    g_autofree char *reason =
        refresh->interrupted_before
            ? g_strdup_printf("rotation interrupted: the refresh token that replaced this one was "
                              "lost before it could be kept (%s)",
                              told)
            : g_strdup(told);
    mark_lost(refresh, reason);
    fail(refresh, POSTKEY_ERROR_AUTHORIZATION, reason, error_remedy(error));
}

static void token_arrived(OauthTokenReply *reply, const GError *error, gpointer data)
{
    AccountRefresh *refresh = data;
    refresh->call = NULL;
    if (!error) {
        refresh->reply = *reply;
        *reply = (OauthTokenReply){0};
        store_rotated_token(refresh);
    } else if (g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_AUTHORIZATION)) {
        tell_lost(refresh, error);
    } else {
        if (reply && reply->error) /* a provider that says so has rotated nothing */
            mark_ended(refresh);
        finish(refresh, error);
    }
}

/* ---- the question ---- */

static void ask_provider(AccountRefresh *refresh)
{
    const StateAccount *record = record_of(refresh);
    GrantRequest request = {.kind = kind_of(refresh),
                            .provider = refresh->provider,
                            .credential = refresh->credential,
                            .account = refresh->account_name,
                            .address = record ? record->address : refresh->account_name};
    if (record) {
        request.user = record->login ? record->login : record->address;
        request.client_id = record->client_id;
        request.tenant = record->tenant;
    }
    mark_begun(refresh);
    refresh->exchanging = TRUE;
    exchanges_begin(refresh->context->exchanges);
    refresh->call = grant_start(refresh->context->http, &request, token_arrived, refresh);
}

static void credential_arrived(const Secret *value, const GError *error, gpointer data)
{
    AccountRefresh *refresh = data;
    end_asking(refresh);
    if (!refresh->done || error) {
        finish(refresh, error);
        return;
    }
    if (!value) {
        const char *what = kind_of(refresh) == STATE_OAUTH
                               ? "its refresh token is no longer in the store of credentials"
                               : "its credential is no longer in the store of credentials";
        fail(refresh, POSTKEY_ERROR_AUTHORIZATION, what,
             "sign in again: postkey authorize ADDRESS");
        return;
    }
    refresh->credential = secret_dup(value);
    ask_provider(refresh);
}

static gboolean is_of_another_client(const AccountRefresh *refresh)
{
    const StateAccount *record = record_of(refresh);
    return record && record->kind == STATE_OAUTH && record->client_id &&
           g_strcmp0(record->client_id, refresh->provider->client_id) != 0;
}

static void provider_ready(Provider *provider, const GError *error, gpointer data)
{
    AccountRefresh *refresh = data;
    refresh->lookup = NULL;
    refresh->provider = provider;
    const Secret *unsaved = unsaved_peek(refresh->context->unsaved, refresh->account_name);
    if (error) {
        finish(refresh, error);
    } else if (!provider->token_endpoint) {
        fail(refresh, POSTKEY_ERROR_CONFIGURATION, "the provider's token endpoint is not known",
             "add issuer= or token_endpoint= to the provider's section");
    } else if (is_of_another_client(refresh)) {
        fail(refresh, POSTKEY_ERROR_AUTHORIZATION,
             "it was authorized with another OAuth client than the present one",
             "run \"postkey authorize\" again, or restore the client");
    } else if (unsaved) {
        refresh->credential = secret_dup(unsaved);
        ask_provider(refresh);
    } else {
        g_autofree char *name = store_account_name(refresh->account_name);
        refresh->asking_store = TRUE;
        store_get(refresh->context->store, name, credential_arrived, refresh);
    }
}

AccountRefresh *account_refresh_start(Context *context, const char *account_name,
                                      const char *provider_name, AccountRefreshDone done,
                                      gpointer data)
{
    AccountRefresh *refresh = g_new0(AccountRefresh, 1);
    *refresh = (AccountRefresh){
        .context = context, .account_name = g_strdup(account_name), .done = done, .data = data};
    refresh->lookup = kind_of(refresh) == STATE_OAUTH
                          ? lookup_provider(context, provider_name, provider_ready, refresh)
                          : lookup_endpoints(context, provider_name, provider_ready, refresh);
    return refresh;
}

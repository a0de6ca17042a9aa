#include "account_refresh.h"

#include "errors.h"
#include "log.h"
#include "lookup.h"

struct AccountRefresh {
    Context *context;
    char *account_name;
    AccountRefreshDone done; /* NULL: abandoned; freed when the store answers */
    gpointer data;
    Lookup *lookup;
    Provider *provider;
    HttpCall *call;
    Secret *refresh_token;
    OauthTokenReply reply;
    gboolean asking_store;
    gboolean exchanging;         /* counted in the context's exchanges */
    gboolean interrupted_before; /* an earlier answer of the provider never reached the store */
};

static void refresh_free(AccountRefresh *refresh)
{
    if (refresh->exchanging)
        exchanges_end(refresh->context->exchanges);
    lookup_cancel(refresh->lookup);
    if (refresh->call)
        http_cancel(refresh->call);
    provider_free(refresh->provider);
    secret_free(refresh->refresh_token);
    oauth_token_reply_clear(&refresh->reply);
    g_free(refresh->account_name);
    g_free(refresh);
}

void account_refresh_abandon(AccountRefresh *refresh)
{
    if (!refresh)
        return;
    refresh->done = NULL;
    if (!refresh->asking_store)
        refresh_free(refresh);
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
                 const char *remedy, gint64 retry_after_s)
{
    GError *error = NULL;
    error_set(&error, code, NULL, remedy, "%s", reason);
    error_set_retry_after(error, retry_after_s);
    finish(refresh, error);
    g_error_free(error);
}

/* ---- marks in the state ---- */

/* A provider that may rotate: should we be killed before the new token is stored, the next broker
 * can tell why the old one is refused. */
static void mark_begun(AccountRefresh *refresh)
{
    StateAccount *record = record_of(refresh);
    if (!record || record->rotation == STATE_ROTATION_NEVER)
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
    refresh->asking_store = FALSE;
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
    gboolean same = secret_equal(refresh->reply.refresh_token, refresh->refresh_token);
    if (!refresh->reply.refresh_token || same) {
        g_clear_pointer(&refresh->reply.refresh_token, secret_free);
        mark_ended(refresh);
        finish(refresh, NULL);
        return;
    }
    g_autofree char *name = store_account_name(refresh->account_name);
    g_autofree char *label = g_strdup_printf("postkey: %s", refresh->account_name);
    /* Where the token before this one never reached the store, the store holds a still older one.
     */
    const Secret *expected = unsaved ? NULL : refresh->refresh_token;
    if (unsaved) /* an offer of the older one must not be queued behind our put */
        unsaved_keep(refresh->context->unsaved, refresh->account_name,
                     secret_dup(refresh->reply.refresh_token));
    refresh->asking_store = TRUE;
    store_put(refresh->context->store, name, expected, refresh->reply.refresh_token, label,
              rotated_token_stored, refresh);
}

static void tell_lost(AccountRefresh *refresh)
{
    g_autofree char *reason = refresh->interrupted_before
                                  ? g_strdup_printf("rotation interrupted: the refresh token that "
                                                    "replaced this one was lost before it "
                                                    "could be kept (%s)",
                                                    refresh->reply.reason)
                                  : g_strdup(refresh->reply.reason);
    mark_lost(refresh, reason);
    fail(refresh, POSTKEY_ERROR_AUTHORIZATION, reason, "run postkey authorize again", -1);
}

static void token_arrived(const HttpReply *http_reply, const GError *error, gpointer data)
{
    AccountRefresh *refresh = data;
    refresh->call = NULL;
    if (error) {
        finish(refresh, error);
        return;
    }
    oauth_token_reply_parse(http_reply->status, http_reply->body, http_reply->len, &refresh->reply);
    switch (refresh->reply.verdict) {
    case OAUTH_GRANTED:
        store_rotated_token(refresh);
        return;
    case OAUTH_GRANT_LOST:
    case OAUTH_DENIED:
    case OAUTH_EXPIRED:
        tell_lost(refresh);
        return;
    case OAUTH_CLIENT_REFUSED:
        mark_ended(refresh);
        fail(refresh, POSTKEY_ERROR_CONFIGURATION, refresh->reply.reason,
             "check the OAuth client (postkey client list) and the provider's section", -1);
        return;
    case OAUTH_NO_ENDPOINT:
    case OAUTH_PENDING:
    case OAUTH_SLOW_DOWN:
    case OAUTH_TRANSIENT:
    default:
        if (refresh->reply.error) /* a provider that says so has rotated nothing */
            mark_ended(refresh);
        fail(refresh, POSTKEY_ERROR_UNAVAILABLE, refresh->reply.reason,
             "nothing: postkey tries again by itself", http_reply->retry_after_s);
    }
}

/* ---- the question ---- */

static void ask_provider(AccountRefresh *refresh)
{
    const Provider *provider = refresh->provider;
    OauthClient client = {.id = provider->client_id,
                          .secret = provider->client_secret,
                          .authentication = provider->client_authentication};
    g_autoptr(Secret) form = oauth_refresh_request(&client, refresh->refresh_token);
    g_autoptr(Secret) authorization = oauth_client_authorization(&client);
    HttpRequest request = {.url = provider->token_endpoint,
                           .ca_file = provider->ca_file,
                           .form = form,
                           .authorization = authorization};
    mark_begun(refresh);
    refresh->exchanging = TRUE;
    exchanges_begin(refresh->context->exchanges);
    refresh->call = http_start(refresh->context->http, &request, token_arrived, refresh);
}

static void refresh_token_arrived(const Secret *value, const GError *error, gpointer data)
{
    AccountRefresh *refresh = data;
    refresh->asking_store = FALSE;
    if (!refresh->done || error) {
        finish(refresh, error);
        return;
    }
    if (!value) {
        fail(refresh, POSTKEY_ERROR_AUTHORIZATION, "its refresh token is not in the keyring",
             "run postkey authorize again", -1);
        return;
    }
    refresh->refresh_token = secret_dup(value);
    ask_provider(refresh);
}

static gboolean is_of_another_client(const AccountRefresh *refresh)
{
    const StateAccount *record = record_of(refresh);
    return record && record->client_id &&
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
             "add issuer= or token_endpoint= to the provider's section", -1);
    } else if (is_of_another_client(refresh)) {
        fail(refresh, POSTKEY_ERROR_AUTHORIZATION,
             "it was authorized with another OAuth client than the present one",
             "run postkey authorize again, or restore the client", -1);
    } else if (unsaved) {
        refresh->refresh_token = secret_dup(unsaved);
        ask_provider(refresh);
    } else {
        g_autofree char *name = store_account_name(refresh->account_name);
        refresh->asking_store = TRUE;
        store_get(refresh->context->store, name, refresh_token_arrived, refresh);
    }
}

AccountRefresh *account_refresh_start(Context *context, const char *account_name,
                                      const char *provider_name, AccountRefreshDone done,
                                      gpointer data)
{
    AccountRefresh *refresh = g_new0(AccountRefresh, 1);
    *refresh = (AccountRefresh){
        .context = context, .account_name = g_strdup(account_name), .done = done, .data = data};
    refresh->lookup = lookup_provider(context, provider_name, provider_ready, refresh);
    return refresh;
}

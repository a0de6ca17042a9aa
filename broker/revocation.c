#include "revocation.h"

#include "errors.h"
#include "lookup.h"

struct Revocation {
    Context *context;
    Accounts *accounts;
    char *account_name;
    gboolean at_provider;
    RevocationDone done;
    gpointer data;
    Provider *provider;
    gboolean holding; /* the account starts no refresh */
};

void revocation_detach(Revocation *revocation)
{
    revocation->done = NULL;
}

static void finish(Revocation *revocation, const GError *error)
{
    if (!error) {
        Event event = {.kind = revocation->at_provider ? EVENT_REVOKED : EVENT_FORGOTTEN,
                       .account = revocation->account_name,
                       .expires = -1};
        events_emit(revocation->context->events, &event);
    }
    Account *account =
        revocation->holding ? accounts_named(revocation->accounts, revocation->account_name) : NULL;
    if (account)
        account_release(account);
    if (revocation->done)
        revocation->done(error, revocation->data);
    exchanges_end(revocation->context->exchanges);
    provider_free(revocation->provider);
    g_free(revocation->account_name);
    g_free(revocation);
}

static void fail(Revocation *revocation, PostkeyErrorCode code, const char *meaning,
                 const char *remedy, const char *what)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, code, meaning, remedy, "%s", what);
    finish(revocation, error);
}

/* A failure that passes, told with what it left behind: nothing tries it again. */
static void finish_unreachable(Revocation *revocation, const GError *error, const char *left)
{
    if (!g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE)) {
        finish(revocation, error);
        return;
    }
    g_autoptr(GError) told = NULL;
    const char *why = error_meaning(error), *first = error_remedy(error);
    g_autofree char *meaning = g_strconcat(error->message, why ? ": " : NULL, why, NULL);
    g_autofree char *remedy = g_strconcat(
        first ? first : "", first ? "; " : "",
        "then run it again, since nothing does so by itself; or delete the account here alone, "
        "which leaves the authorization at the provider: postkey forget ACCOUNT",
        NULL);
    error_set(&told, POSTKEY_ERROR_UNAVAILABLE, meaning, remedy, "%s", left);
    error_set_retry_after(told, error_retry_after(error));
    finish(revocation, told);
}

/* ---- here ---- */

static void removed(const GError *error, gpointer data)
{
    Revocation *revocation = data;
    g_autoptr(GError) unsaved_state = NULL;
    if (!error)
        (void)accounts_remove(revocation->accounts, revocation->account_name,
                              &unsaved_state); /* told below */
    finish(revocation, error ? error : unsaved_state);
}

static void delete_here(Revocation *revocation)
{
    g_autofree char *name = store_account_name(revocation->account_name);
    unsaved_drop(revocation->context->unsaved, revocation->account_name);
    store_remove(revocation->context->store, name, removed, revocation);
}

/* ---- at the provider ---- */

static void provider_answered(const HttpReply *reply, const GError *error, gpointer data)
{
    Revocation *revocation = data;
    g_autofree char *reason = NULL;
    if (error) /* what was on its way may have arrived all the same */
        finish_unreachable(revocation, error,
                           "nothing was deleted here, and the provider has not confirmed that it "
                           "withdrew anything");
    else if (oauth_revocation_done(reply->status, reply->body, reply->len, &reason))
        delete_here(revocation);
    else
        fail(revocation, POSTKEY_ERROR_UNAVAILABLE, reason,
             "try again later; nothing was deleted here",
             "the provider did not withdraw the authorization");
}

static void ask_provider(Revocation *revocation, const Secret *refresh_token)
{
    const Provider *provider = revocation->provider;
    OauthClient client = {.id = provider->client_id,
                          .secret = provider->client_secret,
                          .authentication = provider->client_authentication};
    g_autoptr(Secret) form = oauth_revocation_request(&client, refresh_token);
    g_autoptr(Secret) authorization = oauth_client_authorization(&client);
    HttpRequest request = {.url = provider->revocation_endpoint,
                           .ca_file = provider->ca_file,
                           .form = form,
                           .authorization = authorization};
    /* The handle is not kept: a revocation is not cancelled. */
    (void)http_start(revocation->context->http, &request, provider_answered, revocation);
}

static void refresh_token_arrived(const Secret *value, const GError *error, gpointer data)
{
    Revocation *revocation = data;
    if (error)
        finish(revocation, error);
    else if (value)
        ask_provider(revocation, value);
    else
        delete_here(revocation);
}

static StateKind kind_of(const Revocation *revocation)
{
    const StateAccount *record =
        state_account(revocation->context->state, revocation->account_name);
    return record ? record->kind : STATE_OAUTH;
}

static const char *remedy_of_kind(StateKind kind)
{
    if (kind == STATE_SERVICE_ACCOUNT)
        return "delete the key in Google's console, then run: postkey forget ACCOUNT";
    if (kind == STATE_APP_PASSWORD)
        return "delete the app password on the provider's account page, then run: postkey forget "
               "ACCOUNT";
    return "delete the client's secret in the provider's console, then run: postkey forget ACCOUNT";
}

static void provider_ready(Provider *provider, const GError *error, gpointer data)
{
    Revocation *revocation = data;
    revocation->provider = provider;
    const Secret *unsaved = unsaved_peek(revocation->context->unsaved, revocation->account_name);
    if (error) {
        finish_unreachable(
            revocation, error,
            "nothing was changed, and the authorization still lives, here and at the provider");
    } else if (kind_of(revocation) != STATE_OAUTH) {
        fail(revocation, POSTKEY_ERROR_CONFIGURATION,
             "only a person's authorization can be revoked", remedy_of_kind(kind_of(revocation)),
             "a key, a password or a client's secret cannot be withdrawn from here");
    } else if (!provider->revocation_endpoint) {
        fail(revocation, POSTKEY_ERROR_CONFIGURATION,
             "its revocation endpoint is not known, or it has none",
             "withdraw it on the provider's account page, then run: postkey forget ACCOUNT",
             "the provider offers no way to withdraw the authorization");
    } else if (unsaved) {
        ask_provider(revocation, unsaved);
    } else {
        g_autofree char *name = store_account_name(revocation->account_name);
        store_get(revocation->context->store, name, refresh_token_arrived, revocation);
    }
}

/* No refresh is in flight any more: the token that the provider gave last is where we look. */
static void account_held(const GError *gone, gpointer data)
{
    Revocation *revocation = data;
    Context *context = revocation->context;
    const StateAccount *record = state_account(context->state, revocation->account_name);
    revocation->holding = !gone;
    if (gone)
        finish(revocation, gone);
    else if (record && record->kind != STATE_OAUTH) /* the handles are not kept either */
        (void)lookup_endpoints(context, record->provider, provider_ready, revocation);
    else if (record)
        (void)lookup_provider(context, record->provider, provider_ready, revocation);
    else
        delete_here(revocation);
}

Revocation *revocation_start(Context *context, Accounts *accounts, Account *account,
                             gboolean at_provider, RevocationDone done, gpointer data)
{
    Revocation *revocation = g_new0(Revocation, 1);
    *revocation = (Revocation){.context = context,
                               .accounts = accounts,
                               .account_name = g_strdup(account_identity(account).name),
                               .at_provider = at_provider,
                               .done = done,
                               .data = data};
    exchanges_begin(context->exchanges);
    if (at_provider)
        account_hold(account, account_held, revocation);
    else
        delete_here(revocation);
    return revocation;
}

#include "authorization.h"

#include "enrolment.h"
#include "errors.h"
#include "flow_browser.h"
#include "flow_device.h"
#include "identity.h"
#include "locate.h"
#include "log.h"
#include "lookup.h"

#include <string.h>

struct Authorization {
    Context *context;
    Accounts *accounts;
    char *name, *address, *login, *provider_name;
    char **purposes;
    char **scopes; /* asked for */
    AuthorizationFlow wanted;
    guint port;
    const AuthorizationEvents *events; /* NULL: cancelled while the store is at work */
    gpointer data;
    Locate *locate;
    Lookup *lookup;
    IdentityCall *identity;
    Provider *provider;
    FlowDevice *device;
    FlowBrowser *browser;
    OauthTokenReply granted;
    gboolean storing;
    guint early_end; /* the idle source that tells early_error */
    GError *early_error;
};

/* ---- life ---- */

static void end_flows(Authorization *authorization, const GError *error)
{
    g_clear_pointer(&authorization->device, flow_device_free);
    FlowBrowser *browser = g_steal_pointer(&authorization->browser);
    if (error) {
        flow_browser_free(browser, &(RedirectOutcome){.heading = "Not authorized",
                                                      .what = error->message,
                                                      .meaning = error_meaning(error),
                                                      .remedy = error_remedy(error)});
        return;
    }
    g_autofree char *what = g_strdup_printf("Programs on your computer can now send mail as %s.",
                                            authorization->address);
    flow_browser_free(browser,
                      &(RedirectOutcome){.success = TRUE, .heading = "All set", .what = what});
}

static void authorization_free(Authorization *authorization, const GError *error)
{
    GHashTable *authorizing = authorization->context->authorizing;
    if (g_hash_table_lookup(authorizing, authorization->name) == authorization)
        g_hash_table_remove(authorizing, authorization->name);
    locate_cancel(authorization->locate);
    lookup_cancel(authorization->lookup);
    identity_cancel(authorization->identity);
    end_flows(authorization, error);
    g_clear_handle_id(&authorization->early_end, g_source_remove);
    g_clear_error(&authorization->early_error);
    provider_free(authorization->provider);
    oauth_token_reply_clear(&authorization->granted);
    g_strfreev(authorization->purposes);
    g_strfreev(authorization->scopes);
    g_free(authorization->name);
    g_free(authorization->address);
    g_free(authorization->login);
    g_free(authorization->provider_name);
    g_free(authorization);
}

static void fail(Authorization *authorization, const GError *error)
{
    const AuthorizationEvents *events = authorization->events;
    gpointer data = authorization->data;
    log_info("%s: not authorized: %s", authorization->name, error->message);
    authorization_free(authorization, error);
    if (events)
        events->failed(error, data);
}

static void fail_with(Authorization *authorization, PostkeyErrorCode code, const char *meaning,
                      const char *remedy, const char *what)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, code, meaning, remedy, "%s", what);
    fail(authorization, error);
}

static gboolean tell_early_end(gpointer data)
{
    Authorization *authorization = data;
    authorization->early_end = 0;
    g_autoptr(GError) error = g_steal_pointer(&authorization->early_error);
    fail(authorization, error);
    return G_SOURCE_REMOVE;
}

void authorization_cancel(Authorization *authorization)
{
    if (!authorization)
        return;
    authorization->events = NULL;
    if (authorization->storing)
        return;
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_CANCELLED, "The program that asked for it went away.",
              "run postkey authorize again", "The authorization was cancelled.");
    authorization_free(authorization, error);
}

static void tell(Authorization *authorization, AuthorizationStep step)
{
    step.account = authorization->name;
    step.provider = authorization->provider_name;
    if (authorization->events)
        authorization->events->step(&step, authorization->data);
}

/* ---- the end: check, enrol ---- */

/* The first scope asked for that was not granted, or NULL. Identity scopes come back under other
 * names. */
static const char *missing_scope(const Authorization *authorization)
{
    const char *const *granted = (const char *const *)authorization->granted.scopes;
    if (!granted)
        return NULL;
    for (char **scope = authorization->scopes; *scope; scope++)
        if (!provider_is_identity_scope(*scope) && !g_strv_contains(granted, *scope))
            return *scope;
    return NULL;
}

/* NULL when what was granted is what we need. */
static GError *check_grant(const Authorization *authorization)
{
    GError *error = NULL;
    const char *expected = authorization->login ? authorization->login : authorization->address;
    const char *who = authorization->granted.id_token_email;
    const char *scope = missing_scope(authorization);
    if (who && !oauth_same_identity(who, expected)) {
        g_autofree char *meaning = g_strdup_printf("the tokens would be for %s", who);
        error_set(&error, POSTKEY_ERROR_AUTHORIZATION, meaning,
                  "run postkey authorize again and choose the right account, or name the other one "
                  "with --login",
                  "%s signed in, but %s was expected", who, expected);
    } else if (scope) {
        g_autofree char *meaning = g_strdup_printf("without %s no mail can be sent", scope);
        error_set(&error, POSTKEY_ERROR_AUTHORIZATION, meaning,
                  "run postkey authorize again and leave every box on the consent page ticked",
                  "not everything that postkey asked for was granted");
    } else if (!authorization->granted.refresh_token) {
        error_set(&error, POSTKEY_ERROR_AUTHORIZATION,
                  "without one a person would have to sign in again every hour",
                  "remove postkey's access on the provider's account page and authorize again; "
                  "with other providers "
                  "add offline_access to scopes=",
                  "the provider sent no refresh token");
    }
    return error;
}

/* An authorization code gives a first token: never one that is unsaved. */
static void enrolled(const GError *error, G_GNUC_UNUSED const GError *unsaved, gpointer data)
{
    Authorization *authorization = data;
    authorization->storing = FALSE;
    if (error) {
        fail(authorization, error);
        return;
    }
    const StateAccount *record = state_account(authorization->context->state, authorization->name);
    tell(authorization,
         (AuthorizationStep){.kind = AUTHORIZATION_DONE,
                             .flow = authorization->browser ? AUTHORIZATION_BROWSER
                                                            : AUTHORIZATION_DEVICE,
                             .scopes = (const char *const *)record->scopes,
                             .expires_in = -1,
                             .authorization_expires_at = record->authorization_expires_at});
    authorization_free(authorization, NULL);
}

static void check_and_store(Authorization *authorization)
{
    g_autoptr(GError) unfit = check_grant(authorization);
    if (unfit) {
        fail(authorization, unfit);
        return;
    }
    Enrolment enrolment = {.name = authorization->name,
                           .address = authorization->address,
                           .provider = authorization->provider_name,
                           .login = authorization->login,
                           .client_id = authorization->provider->client_id,
                           .kind = STATE_OAUTH,
                           .rotation = STATE_ROTATION_UNKNOWN,
                           .scopes = (const char *const *)authorization->scopes,
                           .credential = authorization->granted.refresh_token,
                           .granted = &authorization->granted};
    authorization->storing = TRUE;
    enrolment_start(authorization->context, authorization->accounts, &enrolment, enrolled,
                    authorization);
}

static void identity_told(const char *who, gpointer data)
{
    Authorization *authorization = data;
    authorization->identity = NULL;
    authorization->granted.id_token_email = g_strdup(who);
    check_and_store(authorization);
}

/* A flow brought tokens, or an error. */
static void flow_finished(OauthTokenReply *reply, const GError *error, gpointer data)
{
    Authorization *authorization = data;
    if (error) {
        fail(authorization, error);
        return;
    }
    authorization->granted = *reply;
    *reply = (OauthTokenReply){0};
    const char *foreign =
        oauth_token_reply_distrust(&authorization->granted, authorization->provider);
    if (foreign)
        log_notice("%s: its ID token is not believed: %s", authorization->name, foreign);
    if (authorization->granted.id_token_email)
        check_and_store(authorization);
    else
        authorization->identity =
            identity_ask(authorization->context->http, authorization->provider,
                         authorization->granted.access_token, identity_told, authorization);
}

/* ---- the browser flow ---- */

static const FlowBrowserEvents browser_events = {.finished = flow_finished};

static void start_browser(Authorization *authorization)
{
    g_autoptr(GError) error = NULL;
    if (!authorization->provider->authorization_endpoint) {
        fail_with(authorization, POSTKEY_ERROR_CONFIGURATION, "no authorization endpoint is known",
                  "add issuer= or authorization_endpoint= to the provider's section",
                  "the provider cannot be used with the browser flow");
        return;
    }
    FlowBrowserRequest request = {.scopes = (const char *const *)authorization->scopes,
                                  .login_hint = authorization->login ? authorization->login
                                                                     : authorization->address,
                                  .port = authorization->port};
    authorization->browser =
        flow_browser_start(authorization->context->http, authorization->provider, &request,
                           &browser_events, authorization, &error);
    if (!authorization->browser) {
        fail(authorization, error);
        return;
    }
    gint64 expires_in = flow_browser_expires_in(authorization->browser);
    tell(authorization,
         (AuthorizationStep){.kind = AUTHORIZATION_VISIT,
                             .flow = AUTHORIZATION_BROWSER,
                             .authorization_uri = flow_browser_uri(authorization->browser),
                             .expires_in = expires_in,
                             .authorization_expires_at = -1});
    tell(authorization, (AuthorizationStep){.kind = AUTHORIZATION_WAITING,
                                            .flow = AUTHORIZATION_BROWSER,
                                            .expires_in = expires_in,
                                            .authorization_expires_at = -1});
}

/* ---- the device flow ---- */

static void device_visit(const OauthDeviceReply *reply, gpointer data)
{
    tell(data, (AuthorizationStep){.kind = AUTHORIZATION_VISIT,
                                   .flow = AUTHORIZATION_DEVICE,
                                   .verification_uri = reply->verification_uri,
                                   .verification_uri_complete = reply->verification_uri_complete,
                                   .user_code = reply->user_code,
                                   .expires_in = reply->expires_in,
                                   .authorization_expires_at = -1});
}

static void device_waiting(gint64 expires_in_s, gpointer data)
{
    tell(data, (AuthorizationStep){.kind = AUTHORIZATION_WAITING,
                                   .flow = AUTHORIZATION_DEVICE,
                                   .expires_in = expires_in_s,
                                   .authorization_expires_at = -1});
}

static void fall_back(Authorization *authorization, const char *reason)
{
    tell(authorization, (AuthorizationStep){.kind = AUTHORIZATION_FALLBACK,
                                            .flow = AUTHORIZATION_DEVICE,
                                            .reason = reason,
                                            .expires_in = -1,
                                            .authorization_expires_at = -1});
    start_browser(authorization);
}

static void device_refused(const char *reason, gpointer data)
{
    Authorization *authorization = data;
    g_autofree char *why = g_strdup(reason); /* it is the flow's own */
    g_clear_pointer(&authorization->device, flow_device_free);
    if (authorization->wanted == AUTHORIZATION_DEVICE)
        fail_with(authorization, POSTKEY_ERROR_CONFIGURATION, why,
                  "use the browser flow: --flow browser", "the provider refuses the device flow");
    else
        fall_back(authorization, why);
}

static const FlowDeviceEvents device_events = {.visit = device_visit,
                                               .waiting = device_waiting,
                                               .refused = device_refused,
                                               .finished = flow_finished};

static void start_flow(Authorization *authorization)
{
    gboolean has_device = authorization->provider->device_authorization_endpoint != NULL;
    if (authorization->wanted == AUTHORIZATION_BROWSER)
        start_browser(authorization);
    else if (has_device)
        authorization->device = flow_device_start(
            authorization->context->http, authorization->provider,
            (const char *const *)authorization->scopes, &device_events, authorization);
    else if (authorization->wanted == AUTHORIZATION_DEVICE)
        fail_with(authorization, POSTKEY_ERROR_CONFIGURATION,
                  "no device authorization endpoint is known",
                  "use the browser flow: --flow browser",
                  "the provider cannot be used with the device flow");
    else
        fall_back(authorization, "the provider has no device authorization endpoint");
}

/* ---- the beginning ---- */

static void provider_ready(Provider *provider, const GError *error, gpointer data)
{
    Authorization *authorization = data;
    authorization->lookup = NULL;
    authorization->provider = provider;
    if (error) {
        fail(authorization, error);
        return;
    }
    g_autoptr(GError) unfit = NULL;
    authorization->scopes =
        provider_scopes(provider, (const char *const *)authorization->purposes, &unfit);
    if (!authorization->scopes)
        fail(authorization, unfit);
    else if (!provider->token_endpoint)
        fail_with(authorization, POSTKEY_ERROR_CONFIGURATION, "no token endpoint is known",
                  "add issuer= or token_endpoint= to the provider's section",
                  "the provider cannot be used");
    else
        start_flow(authorization);
}

static void provider_located(const char *provider, const char *exchanger, const GError *error,
                             gpointer data)
{
    Authorization *authorization = data;
    authorization->locate = NULL;
    if (error) {
        fail(authorization, error);
        return;
    }
    authorization->provider_name = g_strdup(provider);
    g_autofree char *reason = exchanger ? locate_reason(provider, exchanger) : NULL;
    tell(authorization, (AuthorizationStep){.kind = AUTHORIZATION_PROVIDER,
                                            .reason = reason,
                                            .expires_in = -1,
                                            .authorization_expires_at = -1});
    authorization->lookup =
        lookup_provider(authorization->context, provider, provider_ready, authorization);
}

/* A second authorization of the same account takes the place of the first. */
static void supersede(Context *context, const char *name)
{
    Authorization *older = g_hash_table_lookup(context->authorizing, name);
    if (!older || older->storing)
        return;
    g_hash_table_remove(context->authorizing, name);
    error_set(&older->early_error, POSTKEY_ERROR_CANCELLED,
              "A newer one for the same account took its place.", "finish that one",
              "The authorization was cancelled.");
    locate_cancel(g_steal_pointer(&older->locate));
    lookup_cancel(g_steal_pointer(&older->lookup));
    identity_cancel(g_steal_pointer(&older->identity));
    end_flows(older, older->early_error);
    older->early_end = g_idle_add(tell_early_end, older);
}

/* The name of an account that there is, in the place of an address: the same person signs in, as
 * before. */
static AuthorizationRequest resolve_name(const Accounts *accounts,
                                         const AuthorizationRequest *request)
{
    AuthorizationRequest resolved = *request;
    const Account *account = request->account ? NULL : accounts_named(accounts, request->address);
    if (!account)
        return resolved;
    AccountIdentity identity = account_identity(account);
    resolved.account = identity.name;
    resolved.address = identity.address;
    resolved.login = request->login ? request->login : identity.login;
    resolved.provider = request->provider ? request->provider : identity.provider;
    return resolved;
}

Authorization *authorization_start(Context *context, Accounts *accounts,
                                   const AuthorizationRequest *asked,
                                   const AuthorizationEvents *events, gpointer data, GError **error)
{
    AuthorizationRequest resolved = resolve_name(accounts, asked), *request = &resolved;
    if (!accounts_is_address(request->address) ||
        (request->login && !accounts_is_address(request->login))) {
        error_set(
            error, POSTKEY_ERROR_USAGE, NULL,
            "give the mail address, as in you@gmail.com; or the name of an account that there is",
            "this is not a mail address");
        return NULL;
    }
    if (request->account && !config_is_name(request->account)) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, "use letters, digits, and . _ @ + - inside",
                  "this cannot be the name of an account");
        return NULL;
    }
    g_autofree char *name = request->account ? g_strdup(request->account)
                                             : accounts_name_for(accounts, request->address);
    const StateAccount *record = state_account(context->state, name);
    const char *provider = request->provider;
    if (!provider && record && g_ascii_strcasecmp(record->address, request->address) == 0)
        provider = record->provider;
    if (!provider)
        provider = config_provider_named_for(context->config, request->address);
    supersede(context, name);
    Authorization *authorization = g_new0(Authorization, 1);
    *authorization = (Authorization){.context = context,
                                     .accounts = accounts,
                                     .name = g_steal_pointer(&name),
                                     .address = g_strdup(request->address),
                                     .login = g_strdup(request->login),
                                     .provider_name = g_strdup(provider),
                                     .purposes = g_strdupv((char **)request->purposes),
                                     .wanted = request->flow,
                                     .port = request->port,
                                     .events = events,
                                     .data = data};
    g_hash_table_replace(context->authorizing, authorization->name, authorization);
    if (provider)
        authorization->lookup = lookup_provider(context, provider, provider_ready, authorization);
    else
        authorization->locate =
            locate_provider(context, request->address, provider_located, authorization);
    return authorization;
}

const char *authorization_account(const Authorization *authorization)
{
    return authorization->name;
}

const char *authorization_provider(const Authorization *authorization)
{
    return authorization->provider_name;
}

gboolean authorization_complete(const Context *context, const char *account,
                                const char *redirect_url, GError **error)
{
    Authorization *authorization = g_hash_table_lookup(context->authorizing, account);
    if (authorization && authorization->browser)
        return flow_browser_complete(authorization->browser, redirect_url, error);
    error_set(error, POSTKEY_ERROR_REFUSED,
              "nobody is authorizing this account in a browser right now",
              "run postkey authorize, and paste the address there",
              "no browser authorization of %s is under way", account);
    return FALSE;
}

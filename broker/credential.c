#include "credential.h"

#include "enrolment.h"
#include "errors.h"
#include "flow_service_account.h"
#include "grant.h"
#include "identity.h"
#include "locate.h"
#include "log.h"
#include "lookup.h"

#include <string.h>

#define PASSWORD_MAX ((gsize)1024)
#define CLIENT_ID_MAX ((gsize)2048)

struct Credential {
    Context *context;
    Accounts *accounts;
    StateKind kind;
    char *address, *provider_name, *name, *login, *client_id, *tenant;
    char *reason;
    Secret *secret;
    CredentialDone done; /* NULL: who asked is gone */
    gpointer data;
    Provider *provider;
    OauthTokenReply granted;
};

static void credential_free(Credential *credential)
{
    provider_free(credential->provider);
    oauth_token_reply_clear(&credential->granted);
    secret_free(credential->secret);
    g_free(credential->address);
    g_free(credential->provider_name);
    g_free(credential->name);
    g_free(credential->login);
    g_free(credential->client_id);
    g_free(credential->tenant);
    g_free(credential->reason);
    g_free(credential);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Credential, credential_free)

void credential_detach(Credential *credential)
{
    credential->done = NULL;
}

static void finish(Credential *credential, const GError *error)
{
    CredentialAdded added = {.account = credential->name,
                             .provider = credential->provider_name,
                             .reason = credential->reason,
                             .confirmed = credential->granted.id_token_email};
    const char *provider = credential->provider_name ? credential->provider_name : "";
    if (error)
        log_info("%s: its %s is not taken: %s", credential->name, state_kind_name(credential->kind),
                 error->message);
    if (credential->done)
        credential->done(error ? NULL : &added, provider, error, credential->data);
    Exchanges *exchanges = credential->context->exchanges;
    credential_free(credential);
    exchanges_end(exchanges);
}

static const char *user_of(const Credential *credential)
{
    return credential->login ? credential->login : credential->address;
}

/* ---- the end ---- */

static void enrolled(const GError *error, const GError *unsaved, gpointer data)
{
    Credential *credential = data;
    if (unsaved) {
        g_free(credential->reason);
        credential->reason =
            g_strdup_printf("the provider replaced the refresh token, and the new one "
                            "is only in memory until the store takes it (%s)",
                            unsaved->message);
    }
    finish(credential, error);
}

static void enrol(Credential *credential)
{
    static const char *const no_scopes[] = {NULL};
    gboolean oauth = credential->kind == STATE_OAUTH;
    const Secret *rotated = oauth ? credential->granted.refresh_token : NULL;
    Enrolment enrolment = {
        .name = credential->name,
        .address = credential->address,
        .provider = credential->provider_name,
        .login = credential->login,
        .client_id = oauth ? credential->provider->client_id : credential->client_id,
        .tenant = credential->tenant,
        .kind = credential->kind,
        .rotation = rotated ? STATE_ROTATION_ALWAYS : STATE_ROTATION_UNKNOWN,
        .scopes = no_scopes,
        .credential = rotated ? rotated : credential->secret,
        .replaces = rotated != NULL,
        .granted = &credential->granted,
    };
    enrolment_start(credential->context, credential->accounts, &enrolment, enrolled, credential);
}

/* ---- is it good, and whose is it? ---- */

static void check_identity(Credential *credential)
{
    const char *who = credential->granted.id_token_email;
    if (!who || oauth_same_identity(who, user_of(credential))) {
        enrol(credential);
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autofree char *meaning = g_strdup_printf("the tokens would be for %s", who);
    error_set(&error, POSTKEY_ERROR_AUTHORIZATION, meaning,
              "give the refresh token of the right account, or name the other one with --login",
              "the refresh token is of %s, but %s was expected", who, user_of(credential));
    /* Where the provider rotated, the token that we were given is dead now; its heir is not ours to
     * keep, and the person has to hear of it. */
    if (credential->granted.refresh_token)
        error_set_remedy(error, "the provider has replaced this refresh token when it was tried: "
                                "get a new one, or run postkey authorize");
    finish(credential, error);
}

static void identity_told(const char *who, gpointer data)
{
    Credential *credential = data;
    credential->granted.id_token_email = g_strdup(who);
    check_identity(credential);
}

static void token_arrived(OauthTokenReply *reply, const GError *error, gpointer data)
{
    Credential *credential = data;
    if (error) {
        finish(credential, error);
        return;
    }
    credential->granted = *reply;
    *reply = (OauthTokenReply){0};
    const char *foreign =
        credential->kind == STATE_OAUTH
            ? oauth_token_reply_distrust(&credential->granted, credential->provider)
            : NULL;
    if (foreign)
        log_notice("%s: its ID token is not believed: %s", credential->name, foreign);
    if (credential->kind != STATE_OAUTH) /* no person has signed in */
        enrol(credential);
    else if (credential->granted.id_token_email)
        check_identity(credential);
    else /* the handle is not kept: it is not cancelled */
        (void)identity_ask(credential->context->http, credential->provider,
                           credential->granted.access_token, identity_told, credential);
}

static void provider_ready(Provider *provider, const GError *error, gpointer data)
{
    Credential *credential = data;
    credential->provider = provider;
    if (error) {
        finish(credential, error);
        return;
    }
    if (credential->kind == STATE_APP_PASSWORD) {
        enrol(credential);
        return;
    }
    GrantRequest request = {.kind = credential->kind,
                            .provider = provider,
                            .credential = credential->secret,
                            .address = credential->address,
                            .account = credential->name,
                            .user = user_of(credential),
                            .client_id = credential->client_id,
                            .tenant = credential->tenant};
    (void)grant_start(credential->context->http, &request, token_arrived, credential);
}

/* ---- the beginning ---- */

static void complete_provider(Credential *credential)
{
    if (credential->kind == STATE_OAUTH) /* the handles are not kept either */
        (void)lookup_provider(credential->context, credential->provider_name, provider_ready,
                              credential);
    else
        (void)lookup_endpoints(credential->context, credential->provider_name, provider_ready,
                               credential);
}

static void provider_located(const char *provider, const char *exchanger, const GError *error,
                             gpointer data)
{
    Credential *credential = data;
    if (error) {
        finish(credential, error);
        return;
    }
    credential->provider_name = g_strdup(provider);
    credential->reason = locate_reason(provider, exchanger);
    complete_provider(credential);
}

static gboolean refuse(GError **error, const char *meaning, const char *remedy, const char *what)
{
    error_set(error, POSTKEY_ERROR_REFUSED, meaning, remedy, "%s", what);
    return FALSE;
}

/* Google and others show an app password in groups of four, which are not part of it. */
static char *without_groups(const char *password)
{
    static const char shape[] = "xxxx xxxx xxxx xxxx";
    gboolean grouped = strlen(password) == strlen(shape);
    for (gsize i = 0; grouped && shape[i]; i++)
        grouped = shape[i] == ' ' ? password[i] == ' ' : g_ascii_isalnum(password[i]);
    char *joined = g_strdup(password);
    char *out = joined;
    for (const char *in = password; *in; in++)
        if (!grouped || *in != ' ')
            *out++ = *in;
    *out = '\0';
    return joined;
}

static gboolean is_line(const char *text, gsize max_len)
{
    gsize len = strnlen(text, max_len + 1);
    for (gsize i = 0; i < len; i++)
        if (g_ascii_iscntrl(text[i]))
            return FALSE;
    return len > 0 && len <= max_len;
}

/* Takes the secret in the form of its kind. FALSE with POSTKEY_ERROR_REFUSED. */
static gboolean take_secret(Credential *credential, const char *text, GError **error)
{
    g_autofree char *client_email = NULL;
    gsize max_len = credential->kind == STATE_APP_PASSWORD ? PASSWORD_MAX : OAUTH_TOKEN_MAX;
    if (credential->kind == STATE_SERVICE_ACCOUNT) {
        credential->secret = secret_new(text, -1);
        return credential->secret
                   ? flow_service_account_check(credential->secret, &client_email, error)
                   : refuse(error, "it is too long, or holds a NUL", "give the JSON file alone",
                            "the file is not the key of a service account");
    }
    if (!is_line(text, max_len))
        return refuse(error, "it is empty, too long, or holds a control character",
                      "give it alone, as one line", "this is no secret that can be kept");
    credential->secret = credential->kind == STATE_APP_PASSWORD ? secret_take(without_groups(text))
                                                                : secret_new(text, -1);
    return TRUE;
}

static gboolean check_request(const CredentialRequest *request, GError **error)
{
    gboolean own_client = request->kind == STATE_CLIENT_CREDENTIALS;
    const char *addresses[] = {request->address, request->login ? request->login : NULL};
    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
        gboolean free_form = i == 1 && request->kind == STATE_APP_PASSWORD;
        if (addresses[i] &&
            !(free_form ? is_line(addresses[i], 254) : accounts_is_address(addresses[i]))) {
            error_set(error, POSTKEY_ERROR_USAGE, NULL,
                      "give the mail address, as in you@example.com", "this is not a mail address");
            return FALSE;
        }
    }
    if (request->account && !config_is_name(request->account)) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, "use letters, digits, and . _ @ + - inside",
                  "this cannot be the name of an account");
        return FALSE;
    }
    if (own_client != (request->client_id != NULL) || (request->tenant && !own_client) ||
        (own_client && !is_line(request->client_id, CLIENT_ID_MAX))) {
        error_set(error, POSTKEY_ERROR_USAGE,
                  "a client id and a tenant belong to client credentials, which need the id",
                  "see postkey help add client-credentials",
                  "the credential does not go with what is said of its client");
        return FALSE;
    }
    return TRUE;
}

Credential *credential_add(Context *context, Accounts *accounts, const CredentialRequest *request,
                           CredentialDone done, gpointer data, GError **error)
{
    if (!check_request(request, error))
        return NULL;
    g_autoptr(Credential) credential = g_new0(Credential, 1);
    *credential = (Credential){.context = context,
                               .accounts = accounts,
                               .kind = request->kind,
                               .done = done,
                               .data = data,
                               .granted = {.expires_in = -1, .refresh_token_expires_in = -1}};
    credential->address = g_strdup(request->address);
    credential->login = g_strdup(request->login);
    credential->client_id = g_strdup(request->client_id);
    credential->tenant = g_strdup(request->tenant);
    credential->name = request->account ? g_strdup(request->account)
                                        : accounts_name_for(accounts, request->address);
    if (!take_secret(credential, request->secret, error))
        return NULL;
    const StateAccount *record = state_account(context->state, credential->name);
    const char *provider = request->provider;
    if (!provider && record && g_ascii_strcasecmp(record->address, request->address) == 0)
        provider = record->provider;
    credential->provider_name = g_strdup(provider);
    Credential *started = g_steal_pointer(&credential);
    exchanges_begin(context->exchanges);
    if (provider)
        complete_provider(started);
    else /* nor is this handle */
        (void)locate_provider(context, started->address, provider_located, started);
    return started;
}

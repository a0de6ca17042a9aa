#include "endpoints.h"

#include "switches.h"

#include <string.h>

static char issuer[sizeof "https://localhost:65535"];

static const Endpoint endpoints[] = {
    {"discovery", "/.well-known/openid-configuration", answer_discovery},
    {"device", "/device/code", answer_device},
    {"device_page", "/device", answer_device_page},
    {"authorization", "/o/oauth2/v2/auth", answer_authorization},
    {"token", "/token", answer_token},
    {"tenant_token", "/test-tenant/oauth2/v2.0/token", answer_token},
    {"revocation", "/revoke", answer_revocation},
    {"introspection", "/introspect", answer_introspection},
    {"userinfo", "/v1/userinfo", answer_userinfo},
    {"jwks", "/oauth2/v3/certs", answer_jwks},
    {"other", "", answer_other},
};

void endpoints_init(guint16 https_port)
{
    g_snprintf(issuer, sizeof issuer, "https://localhost:%u", https_port);
}

const char *endpoints_issuer(void)
{
    return issuer;
}

const Endpoint *endpoint_find(const char *path)
{
    gsize i = 0;
    while (i < G_N_ELEMENTS(endpoints) - 1 && !g_str_equal(endpoints[i].path, path))
        i++;
    return &endpoints[i];
}

static void add_endpoint(cJSON *metadata, const char *key, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(endpoints); i++) {
        if (!g_str_equal(endpoints[i].name, name))
            continue;
        g_autofree char *url = g_strconcat(issuer, endpoints[i].path, NULL);
        cJSON_AddStringToObject(metadata, key, url);
    }
}

/* OpenID Connect Discovery §3, RFC 8414, RFC 9207 §3. */
void answer_discovery(const Request *request, Reply *reply)
{
    static const char *const scopes[] = {"openid", "email", "profile", "https://mail.google.com/",
                                         NULL};
    static const char *const response_types[] = {"code", NULL};
    static const char *const methods[] = {"S256", NULL};
    static const char *const subjects[] = {"public", NULL};
    static const char *const algorithms[] = {"RS256", NULL};
    static const char *const authentication[] = {"client_secret_post", "client_secret_basic",
                                                 "none", NULL};
    static const char *const grants[] = {"authorization_code",
                                         "refresh_token",
                                         "client_credentials",
                                         "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                         "urn:ietf:params:oauth:grant-type:device_code",
                                         NULL};
    static const char *const grants_without_device[] = {
        "authorization_code", "refresh_token", "client_credentials",
        "urn:ietf:params:oauth:grant-type:jwt-bearer", NULL};
    (void)request; /* all are answered alike */
    gboolean device = switch_is_on(SWITCH_DEVICE_ENABLED);
    cJSON *metadata = cJSON_CreateObject();
    cJSON_AddStringToObject(metadata, "issuer", issuer);
    add_endpoint(metadata, "authorization_endpoint", "authorization");
    if (device)
        add_endpoint(metadata, "device_authorization_endpoint", "device");
    add_endpoint(metadata, "token_endpoint", "token");
    add_endpoint(metadata, "userinfo_endpoint", "userinfo");
    add_endpoint(metadata, "revocation_endpoint", "revocation");
    add_endpoint(metadata, "introspection_endpoint", "introspection");
    add_endpoint(metadata, "jwks_uri", "jwks");
    json_add_words(metadata, "scopes_supported", scopes);
    json_add_words(metadata, "response_types_supported", response_types);
    json_add_words(metadata, "subject_types_supported", subjects);
    json_add_words(metadata, "id_token_signing_alg_values_supported", algorithms);
    json_add_words(metadata, "code_challenge_methods_supported", methods);
    json_add_words(metadata, "grant_types_supported", device ? grants : grants_without_device);
    json_add_words(metadata, "token_endpoint_auth_methods_supported", authentication);
    if (switch_is_on(SWITCH_ISS_ANNOUNCE))
        cJSON_AddTrueToObject(metadata, "authorization_response_iss_parameter_supported");
    reply_json(reply, 200, metadata);
}

void answer_userinfo(const Request *request, Reply *reply)
{
    const char *authorization = request_header(request, "authorization");
    g_autoptr(Consent) consent = NULL;
    if (authorization != NULL && g_ascii_strncasecmp(authorization, "Bearer ", 7) == 0)
        consent = tokens_check(authorization + 7);
    if (consent == NULL || !scope_has_identity(consent->scope)) {
        reply_error(reply, 401, "invalid_request", "Invalid Credentials");
        return;
    }
    cJSON *person = cJSON_CreateObject();
    cJSON_AddStringToObject(person, "sub", "110169484474386276334");
    cJSON_AddStringToObject(person, "email", consent->email);
    cJSON_AddTrueToObject(person, "email_verified");
    reply_json(reply, 200, person);
}

/* A token that does not live, and one that never did, are answered alike (RFC 7662 §2.2). */
void answer_introspection(const Request *request, Reply *reply)
{
    const char *token = form_get(request->body, "token");
    if (!g_str_equal(request->method, "POST")) {
        reply_error(reply, 405, "invalid_request", "POST is wanted.");
        return;
    }
    const Client *client = client_authenticate(request, reply);
    if (client == NULL)
        return;
    if (!client->is_server || token == NULL) {
        reply_error(reply, client->is_server ? 400 : 403,
                    client->is_server ? "invalid_request" : "unauthorized_client", NULL);
        return;
    }
    g_autoptr(Consent) consent = tokens_check(token);
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddBoolToObject(answer, "active", consent != NULL);
    if (consent != NULL) {
        cJSON_AddStringToObject(answer, "username", consent->email);
        cJSON_AddStringToObject(answer, "client_id", consent->client_id);
        cJSON_AddStringToObject(answer, "scope", consent->scope);
        cJSON_AddStringToObject(answer, "token_type", "Bearer");
    }
    reply_json(reply, 200, answer);
}

/* Nobody can check our signatures: they are random bytes. */
void answer_jwks(const Request *request, Reply *reply)
{
    (void)request; /* all are answered alike */
    cJSON *set = cJSON_CreateObject();
    cJSON_AddArrayToObject(set, "keys");
    reply_json(reply, 200, set);
}

void answer_other(const Request *request, Reply *reply)
{
    (void)request; /* all are answered alike */
    reply_html(reply, 404,
               "<!DOCTYPE html><title>Error 404 (Not Found)</title><p><b>404.</b> "
               "That’s an error. The requested URL was not found on this server.");
}

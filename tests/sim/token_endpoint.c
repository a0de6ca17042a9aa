#include "counters.h"
#include "endpoints.h"
#include "switches.h"

#include <string.h>

static void refuse(Reply *reply, guint status, const char *error, const char *description)
{
    count_by("token.refused", 1);
    reply_error(reply, status, error, description);
}

/* RFC 6749 §3.2.1 and Google's words for a parameter that is not there. */
static const char *demand(const Request *request, const char *name, Reply *reply)
{
    const char *value = form_get(request->body, name);
    if (value == NULL) {
        g_autofree char *text = g_strconcat("Missing required parameter: ", name, NULL);
        refuse(reply, 400, "invalid_request", text);
    }
    return value;
}

static char *encode_part(const void *data, gsize len)
{
    char *text = g_base64_encode(data, len);
    g_strdelimit(g_strdelimit(text, "+", '-'), "/", '_');
    text[strcspn(text, "=")] = '\0';
    return text;
}

/* Well-formed, signed with random bytes. Returns owned. */
static char *id_token_new(const Consent *consent)
{
    static const char header[] = "{\"alg\":\"RS256\",\"kid\":\"small-google\",\"typ\":\"JWT\"}";
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(cJSON) claims = cJSON_CreateObject();
    cJSON_AddStringToObject(claims, "iss", endpoints_issuer());
    cJSON_AddStringToObject(claims, "azp", consent->client_id);
    cJSON_AddStringToObject(claims, "aud", consent->client_id);
    cJSON_AddStringToObject(claims, "sub", "110169484474386276334");
    cJSON_AddStringToObject(claims, "email", consent->email);
    cJSON_AddTrueToObject(claims, "email_verified");
    cJSON_AddNumberToObject(claims, "iat", (double)now);
    cJSON_AddNumberToObject(claims, "exp", (double)(now + 3600));
    g_autofree char *text = json_line(claims);
    g_autofree char *noise = random_name("", 256);
    g_autofree char *first = encode_part(header, strlen(header));
    g_autofree char *second = encode_part(text, strlen(text));
    g_autofree char *third = encode_part(noise, strlen(noise));
    return g_strjoin(".", first, second, third, NULL);
}

/* RFC 6749 §5.1; takes tokens. */
static void reply_tokens(Reply *reply, Tokens *tokens)
{
    g_autoptr(Tokens) owned = tokens;
    g_autofree char *type = switch_text(SWITCH_TOKEN_TYPE_CASE);
    gint64 lifetime = switch_number(SWITCH_TOKEN_LIFETIME, 0);
    gint64 limit = switch_number(SWITCH_TOKEN_REFRESH_TOKEN_EXPIRES_IN, -1);
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "access_token", owned->access_token);
    cJSON_AddNumberToObject(answer, "expires_in",
                            (double)switch_number(SWITCH_TOKEN_EXPIRES_IN, lifetime));
    if (owned->refresh_token != NULL)
        cJSON_AddStringToObject(answer, "refresh_token", owned->refresh_token);
    cJSON_AddStringToObject(answer, "scope", owned->consent->scope);
    cJSON_AddStringToObject(answer, "token_type", type);
    if (limit >= 0)
        cJSON_AddNumberToObject(answer, "refresh_token_expires_in", (double)limit);
    if (scope_has_identity(owned->consent->scope)) {
        g_autofree char *id_token = id_token_new(owned->consent);
        cJSON_AddStringToObject(answer, "id_token", id_token);
    }
    g_auto(GStrv) omitted = switch_words(SWITCH_TOKEN_OMIT);
    for (gsize i = 0; omitted[i] != NULL; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(answer, omitted[i]);
    reply_json(reply, 200, answer);
}

static void grant_by_code(const Request *request, const Client *client, Reply *reply)
{
    const char *code = demand(request, "code", reply);
    const char *redirect_uri = code != NULL ? demand(request, "redirect_uri", reply) : NULL;
    if (redirect_uri == NULL)
        return;
    Consent *consent = NULL;
    switch (codes_redeem(code, client->id, redirect_uri, form_get(request->body, "code_verifier"),
                         &consent)) {
    case CODE_GRANTED:
        reply_tokens(reply, tokens_issue(consent));
        break;
    case CODE_UNKNOWN:
        refuse(reply, 400, "invalid_grant", "Malformed auth code.");
        break;
    case CODE_OTHER_REDIRECT:
        refuse(reply, 400, "redirect_uri_mismatch", "Bad Request");
        break;
    case CODE_NO_VERIFIER:
        refuse(reply, 400, "invalid_grant", "Missing code verifier.");
        break;
    case CODE_OTHER_VERIFIER:
        refuse(reply, 400, "invalid_grant", "Invalid code verifier.");
        break;
    }
}

/* RFC 8628 §3.5; the statuses are Google's unless the switch wants 400 for all. */
static void refuse_device(Reply *reply, guint google_status, const char *error, const char *text)
{
    gboolean standard = switch_is_on(SWITCH_DEVICE_STANDARD_STATUSES);
    refuse(reply, standard ? 400 : google_status, error, text);
}

static void grant_by_device(const Request *request, const Client *client, Reply *reply)
{
    const char *device_code = demand(request, "device_code", reply);
    Consent *consent = NULL;
    if (device_code == NULL)
        return;
    switch (codes_poll_device(device_code, client->id, &consent)) {
    case DEVICE_GRANTED:
        reply_tokens(reply, tokens_issue(consent));
        break;
    case DEVICE_PENDING:
        refuse_device(reply, 428, "authorization_pending", "Precondition Required");
        break;
    case DEVICE_TOO_FAST:
        refuse_device(reply, 403, "slow_down", "Forbidden");
        break;
    case DEVICE_DENIED:
        refuse_device(reply, 403, "access_denied", "Forbidden");
        break;
    case DEVICE_EXPIRED:
        refuse_device(reply, 400, "expired_token", "The device code has expired.");
        break;
    case DEVICE_UNKNOWN:
        refuse_device(reply, 400, "invalid_grant", "Malformed device code.");
        break;
    }
}

static void grant_by_refresh(const Request *request, const Client *client, Reply *reply)
{
    const char *refresh_token = demand(request, "refresh_token", reply);
    Tokens *tokens = NULL;
    if (refresh_token == NULL)
        return;
    switch (tokens_refresh(refresh_token, client->id, form_get(request->body, "scope"), &tokens)) {
    case REFRESH_GRANTED:
        reply_tokens(reply, tokens);
        break;
    case REFRESH_ENDED:
        refuse(reply, 400, "invalid_grant", "Token has been expired or revoked.");
        break;
    case REFRESH_UNKNOWN:
        refuse(reply, 400, "invalid_grant", "Bad Request");
        break;
    case REFRESH_OF_ANOTHER:
        refuse(reply, 401, "unauthorized_client", "Unauthorized");
        break;
    }
}

/* RFC 7523 §2.1: the assertion says who asks; there is no client. */
static void grant_by_assertion(const Request *request, const Client *client, Reply *reply)
{
    (void)client; /* there is none */
    const char *assertion = demand(request, "assertion", reply);
    if (assertion == NULL)
        return;
    Consent *consent = NULL;
    g_autofree char *audience = g_strconcat(endpoints_issuer(), "/token", NULL);
    const Refusal *refusal = assertions_check(assertion, audience, &consent);
    if (refusal != NULL)
        refuse(reply, refusal->status, refusal->error, refusal->description);
    else
        reply_tokens(reply, tokens_issue(consent));
}

/* RFC 6749 §4.4: the client is let in by itself, to the mailbox of identity.email. */
static void grant_to_client(const Request *request, const Client *client, Reply *reply)
{
    const char *scope = demand(request, "scope", reply);
    if (scope == NULL)
        return;
    if (!client->is_app) {
        refuse(reply, 400, "unauthorized_client", "The client has no permissions of its own.");
        return;
    }
    g_autofree char *email = switch_text(SWITCH_IDENTITY_EMAIL);
    reply_tokens(reply, tokens_issue(consent_new(client->id, email, scope, FALSE)));
}

static const struct {
    const char *type;
    const char *counter;
    void (*grant)(const Request *request, const Client *client, Reply *reply);
} grants[] = {
    {"client_credentials", "client_credentials", grant_to_client},
    {"authorization_code", "authorization_code", grant_by_code},
    {"refresh_token", "refresh_token", grant_by_refresh},
    {"urn:ietf:params:oauth:grant-type:device_code", "device_code", grant_by_device},
    {"http://oauth.net/grant_type/device/1.0", "device_code", grant_by_device},
    {"urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", grant_by_assertion},
};

void answer_token(const Request *request, Reply *reply)
{
    if (!g_str_equal(request->method, "POST")) {
        refuse(reply, 405, "invalid_request", "POST is wanted.");
        return;
    }
    if (form_repeated(request->body) != NULL) {
        refuse(reply, 400, "invalid_request", "A parameter is given twice.");
        return;
    }
    const char *type = demand(request, "grant_type", reply);
    if (type == NULL)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(grants); i++) {
        if (!g_str_equal(grants[i].type, type))
            continue;
        count("token", grants[i].counter);
        gboolean by_itself = grants[i].grant == grant_by_assertion;
        const Client *client = by_itself ? NULL : client_authenticate(request, reply);
        if (client != NULL || by_itself)
            grants[i].grant(request, client, reply);
        else
            count_by("token.refused", 1);
        return;
    }
    g_autofree char *text = g_strconcat("Invalid grant_type: ", type, NULL);
    refuse(reply, 400, "unsupported_grant_type", text);
}

/* RFC 7009; Google knows only tokens that live. */
void answer_revocation(const Request *request, Reply *reply)
{
    const char *token = form_get(request->body, "token");
    if (token == NULL)
        token = form_get(request->query, "token");
    if (!g_str_equal(request->method, "POST"))
        reply_error(reply, 405, "invalid_request", "POST is wanted.");
    else if (token == NULL)
        reply_error(reply, 400, "invalid_request", "Missing required parameter: token");
    else if (!tokens_revoke(token) && switch_is_on(SWITCH_REVOKE_STRICT))
        reply_error(reply, 400, "invalid_token", "Token expired or revoked");
    else
        reply_json(reply, 200, cJSON_CreateObject());
}

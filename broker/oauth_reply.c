#include "oauth.h"

#include "jwt.h"
#include "log.h"
#include "oauth_error.h"

#include <string.h>

#define USER_CODE_MAX ((gsize)64)
#define IDENTITY_MAX ((gsize)320)
#define SCOPES_MAX ((gsize)8 * 1024)

/* Times that a provider may name, in seconds: beyond these it is wrong, and sums could overflow. */
#define LIFE_MAX ((gint64)10 * 365 * 24 * 3600)
#define DEVICE_LIFE_DEFAULT 900
#define DEVICE_LIFE_MAX ((gint64)24 * 3600)
#define INTERVAL_DEFAULT 5
#define INTERVAL_MAX 60

/* ---- reading ---- */

static gboolean is_success(guint http_status)
{
    return http_status >= 200 && http_status < 300;
}

/* The text under key; NULL when it is absent, empty or no string. Borrowed. */
static const char *text_or_null(const cJSON *object, const char *key)
{
    const char *text = json_string_or(object, key, "");
    return *text ? text : NULL;
}

/* Judges an answer that is no success; object is its body, or NULL where that is no JSON. */
static OauthVerdict judge(guint http_status, const cJSON *object, const char *body, gsize len,
                          char **error, char **reason)
{
    OauthRefusal refusal = {
        .error = text_or_null(object, "error"),
        .subtype = text_or_null(object, "error_subtype"),
        .code = text_or_null(object, "error_code"),
        .description = text_or_null(object, "error_description"),
    };
    if (!refusal.error && !refusal.code)
        return oauth_error_judge_status(http_status, body, len, reason);
    *error = oauth_error_printable(refusal.error ? refusal.error : refusal.code);
    return oauth_error_judge(&refusal, reason);
}

/* Whether the body tells an error, in whatever form. */
static gboolean tells_error(const cJSON *object)
{
    const char *text = NULL;
    return text_or_null(object, "error") || text_or_null(object, "error_code") ||
           json_string(object, "error", &text) == JSON_WRONG_TYPE;
}

/* The object of an answer that grants something, to be freed by json_wipe(); for any other NULL,
 * with verdict, error and reason set. */
static cJSON *read_grant(guint http_status, const char *body, gsize len, OauthVerdict *verdict,
                         char **error, char **reason)
{
    cJSON *object = json_parse_object(body ? body : "", len, NULL);
    if (object && is_success(http_status) && !tells_error(object))
        return object;
    *verdict = judge(http_status, object, body, len, error, reason);
    json_wipe(object);
    return NULL;
}

/* Visible ASCII and blanks (RFC 6749 appendix A), within the maximum: nothing that could end a line
 * of SMTP or HTTP, or a field of a SASL response. */
static gboolean is_token(const char *text)
{
    gsize len = strnlen(text, OAUTH_TOKEN_MAX + 1);
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isprint(text[i]))
            return FALSE;
    return len <= OAUTH_TOKEN_MAX;
}

/* Takes the secret under key, which may be absent or empty. FALSE when it is no token. */
static gboolean take_secret(const cJSON *object, const char *key, Secret **secret)
{
    const char *text = "";
    JsonFound found = json_string(object, key, &text);
    if (found == JSON_WRONG_TYPE || !is_token(text))
        return FALSE;
    if (*text)
        *secret = secret_new(text, -1);
    return TRUE;
}

/* Seconds under key, at most max; -1 when absent, not above 0, or no number. Some send them as a
 * string. */
static gint64 read_seconds(const cJSON *object, const char *key, gint64 max)
{
    gint64 seconds = -1;
    guint64 parsed = 0;
    const char *text = NULL;
    if (json_string(object, key, &text) == JSON_FOUND &&
        g_ascii_string_to_unsigned(text, 10, 0, (guint64)JSON_MAX_INT, &parsed, NULL))
        seconds = (gint64)parsed;
    else
        seconds = json_int_or(object, key, -1);
    return seconds > 0 ? MIN(seconds, max) : -1;
}

/* A web address that a person may be shown, within the maximum; else NULL. Returns owned. */
static char *read_web_uri(const cJSON *object, const char *key)
{
    const char *uri = json_string_or(object, key, "");
    gsize len = strnlen(uri, PROVIDER_URI_MAX + 1);
    if (len > PROVIDER_URI_MAX)
        return NULL;
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isgraph(uri[i]) || strchr("\"<>\\^`{|}", uri[i]))
            return NULL;
    g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_NONE, NULL);
    if (!parsed || !g_uri_get_host(parsed) || !*g_uri_get_host(parsed))
        return NULL;
    const char *scheme = g_uri_get_scheme(parsed);
    gboolean web = strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0;
    return web ? g_strdup(uri) : NULL;
}

/* ---- the token endpoint ---- */

/* The words of a scope; NULL when there are none. Returns owned. */
static char **read_scopes(const cJSON *object)
{
    g_autofree char *scope = log_printable(json_string_or(object, "scope", ""), SCOPES_MAX);
    g_auto(GStrv) words = g_strsplit(scope, " ", -1);
    g_autoptr(GPtrArray) scopes = g_ptr_array_new();
    for (char **word = words; *word; word++)
        if (**word)
            g_ptr_array_add(scopes, *word);
    if (scopes->len == 0)
        return NULL;
    g_ptr_array_add(scopes, NULL);
    return g_strdupv((char **)scopes->pdata);
}

/* Who the claims are about; NULL when they do not say. */
static char *identity_of_claims(const cJSON *claims)
{
    const char *name = json_string_or(claims, "email", NULL);
    if (!name || !*name)
        name = json_string_or(claims, "preferred_username", NULL);
    if (!name || !*name || strnlen(name, IDENTITY_MAX + 1) > IDENTITY_MAX)
        return NULL;
    return log_printable(name, IDENTITY_MAX);
}

/* One client or several; never NULL. Returns owned. */
static char **read_audience(const cJSON *claims)
{
    const cJSON *list = NULL;
    g_autoptr(GStrvBuilder) audience = g_strv_builder_new();
    const char *one = json_string_or(claims, "aud", NULL);
    if (one)
        g_strv_builder_add(audience, one);
    else if (json_array(claims, "aud", &list) == JSON_FOUND)
        for (const cJSON *item = list->child; item; item = item->next)
            if (cJSON_IsString(item))
                g_strv_builder_add(audience, item->valuestring);
    return g_strv_builder_end(audience);
}

/* Who signed in; nobody is claimed when the ID token does not say, or cannot be read. */
static void take_identity(const cJSON *object, OauthTokenReply *reply)
{
    const char *token = NULL;
    if (json_string(object, "id_token", &token) != JSON_FOUND)
        return;
    g_autoptr(cJSON) claims = jwt_claims(token, NULL);
    if (!claims)
        return;
    reply->id_token_email = identity_of_claims(claims);
    reply->id_token_issuer = g_strdup(json_string_or(claims, "iss", NULL));
    reply->id_token_audience = read_audience(claims);
}

/* Google leaves out the scheme at times. */
static gboolean is_issuer(const char *issuer, const char *named)
{
    return named &&
           (strcmp(issuer, named) == 0 || (g_str_has_prefix(issuer, "https://") &&
                                           strcmp(issuer + strlen("https://"), named) == 0));
}

const char *oauth_token_reply_distrust(OauthTokenReply *reply, const Provider *provider)
{
    const char *const *audience = (const char *const *)reply->id_token_audience;
    const char *why = NULL;
    if (!reply->id_token_email)
        return NULL;
    if (provider->issuer && !is_issuer(provider->issuer, reply->id_token_issuer))
        why = "it is of another issuer";
    else if (!audience || !provider->client_id || !g_strv_contains(audience, provider->client_id))
        why = "it is for another client";
    if (why)
        g_clear_pointer(&reply->id_token_email, g_free);
    return why;
}

char *oauth_userinfo_parse(guint http_status, const char *body, gsize len)
{
    g_autoptr(cJSON) claims = json_parse_object(body ? body : "", len, NULL);
    return is_success(http_status) ? identity_of_claims(claims) : NULL;
}

/* Returns what is wrong with the answer, or NULL. */
static const char *take_tokens(const cJSON *object, OauthTokenReply *reply)
{
    if (!take_secret(object, "access_token", &reply->access_token))
        return "the provider's answer holds an access token of no known form";
    if (!reply->access_token)
        return "the provider's answer holds no access token";
    /* To drop one would lose the authorization: the old one may already be dead. */
    if (!take_secret(object, "refresh_token", &reply->refresh_token))
        return "the provider's answer holds a refresh token of no known form";
    reply->expires_in = read_seconds(object, "expires_in", LIFE_MAX);
    reply->refresh_token_expires_in = read_seconds(object, "refresh_token_expires_in", LIFE_MAX);
    reply->scopes = read_scopes(object);
    take_identity(object, reply);
    return NULL;
}

/* A token of another type would need what no mail server understands (RFC 6749 section 7.1). */
static gboolean is_bearer(const cJSON *object)
{
    const char *type = "Bearer";
    return json_string(object, "token_type", &type) != JSON_WRONG_TYPE &&
           g_ascii_strcasecmp(type, "Bearer") == 0;
}

void oauth_token_reply_parse(guint http_status, const char *body, gsize len, OauthTokenReply *reply)
{
    *reply = (OauthTokenReply){.expires_in = -1, .refresh_token_expires_in = -1};
    cJSON *object =
        read_grant(http_status, body, len, &reply->verdict, &reply->error, &reply->reason);
    if (!object)
        return;
    const char *wrong = take_tokens(object, reply);
    OauthVerdict verdict = wrong ? OAUTH_TRANSIENT : OAUTH_GRANTED;
    if (!wrong && !is_bearer(object)) {
        wrong = "the provider gives tokens of another type than Bearer, which no mail server takes";
        verdict = OAUTH_CLIENT_REFUSED;
    }
    json_wipe(object);
    if (wrong) {
        oauth_token_reply_clear(reply);
        reply->reason = g_strdup(wrong);
    }
    reply->verdict = verdict;
}

void oauth_token_reply_clear(OauthTokenReply *reply)
{
    g_free(reply->error);
    g_free(reply->reason);
    secret_free(reply->access_token);
    secret_free(reply->refresh_token);
    g_strfreev(reply->scopes);
    g_free(reply->id_token_email);
    g_free(reply->id_token_issuer);
    g_strfreev(reply->id_token_audience);
    *reply = (OauthTokenReply){
        .verdict = OAUTH_TRANSIENT, .expires_in = -1, .refresh_token_expires_in = -1};
}

/* ---- the device authorization endpoint ---- */

static char *read_user_code(const cJSON *object)
{
    const char *code = json_string_or(object, "user_code", "");
    gsize len = strnlen(code, USER_CODE_MAX + 1);
    return len > 0 && len <= USER_CODE_MAX ? log_printable(code, USER_CODE_MAX) : NULL;
}

/* Returns what is wrong with the answer, or NULL. */
static const char *take_device_codes(const cJSON *object, OauthDeviceReply *reply)
{
    if (!take_secret(object, "device_code", &reply->device_code) || !reply->device_code)
        return "the provider's answer holds no device code";
    reply->user_code = read_user_code(object);
    if (!reply->user_code)
        return "the provider's answer holds no code to enter";
    reply->verification_uri = read_web_uri(object, "verification_uri");
    if (!reply->verification_uri)
        reply->verification_uri = read_web_uri(object, "verification_url"); /* Google */
    if (!reply->verification_uri)
        return "the provider's answer does not say where to enter the code";
    reply->verification_uri_complete = read_web_uri(object, "verification_uri_complete");
    gint64 expires_in = read_seconds(object, "expires_in", DEVICE_LIFE_MAX);
    reply->expires_in = expires_in > 0 ? expires_in : DEVICE_LIFE_DEFAULT;
    gint64 interval = read_seconds(object, "interval", INTERVAL_MAX);
    reply->interval = interval > 0 ? interval : INTERVAL_DEFAULT;
    return NULL;
}

void oauth_device_reply_parse(guint http_status, const char *body, gsize len,
                              OauthDeviceReply *reply)
{
    *reply = (OauthDeviceReply){.expires_in = DEVICE_LIFE_DEFAULT, .interval = INTERVAL_DEFAULT};
    cJSON *object =
        read_grant(http_status, body, len, &reply->verdict, &reply->error, &reply->reason);
    if (!object)
        return;
    const char *wrong = take_device_codes(object, reply);
    json_wipe(object);
    if (wrong) {
        oauth_device_reply_clear(reply);
        reply->reason = g_strdup(wrong);
    } else {
        reply->verdict = OAUTH_GRANTED;
    }
}

void oauth_device_reply_clear(OauthDeviceReply *reply)
{
    g_free(reply->error);
    g_free(reply->reason);
    secret_free(reply->device_code);
    g_free(reply->user_code);
    g_free(reply->verification_uri);
    g_free(reply->verification_uri_complete);
    *reply = (OauthDeviceReply){.verdict = OAUTH_TRANSIENT,
                                .expires_in = DEVICE_LIFE_DEFAULT,
                                .interval = INTERVAL_DEFAULT};
}

gboolean oauth_device_refusal_allows_browser(const OauthDeviceReply *reply)
{
    return reply->verdict == OAUTH_CLIENT_REFUSED || reply->verdict == OAUTH_NO_ENDPOINT;
}

/* ---- the revocation endpoint ---- */

gboolean oauth_revocation_done(guint http_status, const char *body, gsize len, char **reason)
{
    g_autofree char *error = NULL;
    g_autofree char *why = NULL;
    if (is_success(http_status))
        return TRUE; /* also for a token that it did not know; the body says nothing (RFC 7009) */
    g_autoptr(cJSON) object = json_parse_object(body ? body : "", len, NULL);
    OauthVerdict verdict = judge(http_status, object, body, len, &error, &why);
    /* Google answers so for a token that is dead already. */
    if (verdict == OAUTH_GRANT_LOST)
        return TRUE;
    *reason = g_steal_pointer(&why);
    return FALSE;
}

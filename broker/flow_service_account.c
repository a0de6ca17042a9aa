#include "flow_service_account.h"

#include "errors.h"
#include "jwt.h"

#include <string.h>

/* The longest that Google takes. */
#define ASSERTION_LIFE_S 3600

/* A clock within this is not to blame. */
#define SKEW_MIN_S 60

#define TEXT_MAX ((gsize)320)

/* What we take out of a key file. */
typedef struct {
    char *client_email;
    char *client_id; /* a number, which administrators allow; may be NULL */
    char *key_id;    /* may be NULL */
    Secret *private_key;
} KeyFile;

static void key_file_clear(KeyFile *key)
{
    g_free(key->client_email);
    g_free(key->client_id);
    g_free(key->key_id);
    secret_free(key->private_key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KeyFile, key_file_clear)

static gboolean refuse(GError **error, const char *meaning)
{
    error_set(error, POSTKEY_ERROR_REFUSED, meaning,
              "in Google's console, under the service account, \"Keys\", make a key of the type "
              "JSON and give the file that it offers",
              "the file is not the key of a service account");
    return FALSE;
}

/* A short text without control characters, which goes into errors and assertions; else NULL. */
static char *short_text(const cJSON *document, const char *key)
{
    const char *text = json_string_or(document, key, "");
    gsize len = strnlen(text, TEXT_MAX + 1);
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isgraph(text[i]))
            return NULL;
    return len > 0 && len <= TEXT_MAX ? g_strdup(text) : NULL;
}

static gboolean read_document(const cJSON *document, KeyFile *key, GError **error)
{
    const char *private_key = NULL;
    if (strcmp(json_string_or(document, "type", ""), "service_account") != 0)
        return refuse(error,
                      "its \"type\" is not \"service_account\"; a client_secret.json belongs "
                      "to: postkey client import");
    if (json_string(document, "private_key", &private_key) != JSON_FOUND)
        return refuse(error, "it has no private_key");
    key->client_email = short_text(document, "client_email");
    key->client_id = short_text(document, "client_id");
    key->key_id = short_text(document, "private_key_id");
    key->private_key = secret_new(private_key, -1);
    if (!key->client_email || !key->private_key)
        return refuse(error, "it has no client_email, or no private_key");
    return TRUE;
}

static gboolean read_key_file(const Secret *file, KeyFile *key, GError **error)
{
    if (secret_len(file) > FLOW_SERVICE_ACCOUNT_FILE_MAX)
        return refuse(error, "it is too long");
    cJSON *document = json_parse_object(secret_reveal(file), secret_len(file), NULL);
    if (!document)
        return refuse(error, "it is not JSON");
    gboolean ok = read_document(document, key, error);
    json_wipe(document);
    return ok;
}

gboolean flow_service_account_check(const Secret *key_file, char **client_email, GError **error)
{
    g_auto(KeyFile) key = {0};
    if (!read_key_file(key_file, &key, error))
        return FALSE;
    g_autoptr(Secret) sample = jwt_sign_rs256("{}", NULL, key.private_key, error);
    if (!sample)
        return FALSE;
    *client_email = g_steal_pointer(&key.client_email);
    return TRUE;
}

Secret *flow_service_account_request(const FlowServiceAccount *grant, GError **error)
{
    g_auto(KeyFile) key = {0};
    if (!read_key_file(grant->key_file, &key, error))
        return NULL;
    g_autofree char *scope = g_strjoinv(" ", (char **)grant->scopes);
    g_autoptr(cJSON) claims = cJSON_CreateObject();
    json_add_string(claims, "iss", key.client_email);
    json_add_string(claims, "sub", grant->subject);
    json_add_string(claims, "scope", scope);
    json_add_string(claims, "aud", grant->provider->token_endpoint);
    json_add_time(claims, "iat", grant->now);
    json_add_time(claims, "exp", grant->now + ASSERTION_LIFE_S);
    g_autofree char *text = json_format(claims);
    g_autoptr(Secret) assertion = jwt_sign_rs256(text, key.key_id, key.private_key, error);
    return assertion ? oauth_assertion_request(assertion) : NULL;
}

/* ---- refusals ---- */

typedef enum { NOT_ALLOWED, NO_SUCH_USER, KEY_GONE, CLOCK_WRONG, WRONG_AUDIENCE } Trouble;

/* fragment: of what the provider says; NULL: whatever it says. The first row that fits. */
static const struct {
    const char *error, *fragment;
    Trouble trouble;
    PostkeyErrorCode code;
} rows[] = {
    {"unauthorized_client", NULL, NOT_ALLOWED, POSTKEY_ERROR_CONFIGURATION},
    {"access_denied", NULL, NOT_ALLOWED, POSTKEY_ERROR_CONFIGURATION},
    {"invalid_grant", "Invalid email or User ID", NO_SUCH_USER, POSTKEY_ERROR_CONFIGURATION},
    {"invalid_grant", "reasonable timeframe", CLOCK_WRONG, POSTKEY_ERROR_UNAVAILABLE},
    {"invalid_grant", "iat and exp", CLOCK_WRONG, POSTKEY_ERROR_UNAVAILABLE},
    {"invalid_grant", "audience", WRONG_AUDIENCE, POSTKEY_ERROR_CONFIGURATION},
    {"invalid_grant", NULL, KEY_GONE, POSTKEY_ERROR_AUTHORIZATION},
};

static char *describe_skew(const FlowServiceAccount *grant, gint64 server_date)
{
    gint64 ahead_s = server_date >= 0 ? grant->now - server_date : 0;
    if (ABS(ahead_s) < SKEW_MIN_S)
        return g_strdup("this machine's clock is wrong, and the provider takes no assertion from "
                        "another hour");
    return g_strdup_printf("this machine's clock is %" G_GINT64_FORMAT " min %s the provider's",
                           (ABS(ahead_s) + 30) / 60, ahead_s > 0 ? "ahead of" : "behind");
}

static GError *explain(const FlowServiceAccount *grant, const KeyFile *key, Trouble trouble,
                       PostkeyErrorCode code, const char *what, gint64 server_date)
{
    g_autofree char *meaning = NULL, *remedy = NULL;
    g_autofree char *scope = g_strjoinv(" ", (char **)grant->scopes);
    const char *client = key->client_id ? key->client_id : key->client_email;
    switch (trouble) {
    case NOT_ALLOWED:
        meaning = g_strdup_printf(
            "no administrator has allowed the service account %s to act for users with this scope",
            key->client_email);
        remedy = g_strdup_printf(
            "an administrator of the domain adds the client %s with the scope %s: "
            "admin.google.com, "
            "Security, API controls, Domain-wide delegation; that may take some minutes",
            client, scope);
        break;
    case NO_SUCH_USER:
        meaning = g_strdup_printf("%s is no user of the service account's domain", grant->subject);
        remedy = g_strdup("check the address after --for: it has to be the user's own, no alias");
        break;
    case CLOCK_WRONG:
        meaning = describe_skew(grant, server_date);
        remedy = g_strdup("set the clock (timedatectl set-ntp true); it is tried again later");
        break;
    case WRONG_AUDIENCE:
        meaning = g_strdup_printf("the assertion is for %s", grant->provider->token_endpoint);
        remedy = g_strdup("check token_endpoint= in the provider's section");
        break;
    case KEY_GONE:
        meaning = g_strdup_printf(
            "the provider does not know this key of %s any more: it, or the service account, was "
            "deleted or disabled",
            key->client_email);
        remedy = g_strdup_printf("make a new key, and run: postkey add service-account KEY.json "
                                 "--for %s",
                                 grant->subject);
        break;
    }
    GError *error = NULL;
    error_set(&error, code, meaning, remedy, "%s", what);
    return error;
}

GError *flow_service_account_refusal(const FlowServiceAccount *grant, const OauthTokenReply *reply,
                                     gint64 server_date)
{
    g_auto(KeyFile) key = {0};
    GError *error = NULL;
    if (!read_key_file(grant->key_file, &key, &error))
        return error;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_strcmp0(rows[i].error, reply->error) == 0 &&
            (!rows[i].fragment || strstr(reply->reason, rows[i].fragment)))
            return explain(grant, &key, rows[i].trouble, rows[i].code, reply->reason, server_date);
    gboolean passes = reply->verdict == OAUTH_TRANSIENT || reply->verdict == OAUTH_PENDING ||
                      reply->verdict == OAUTH_SLOW_DOWN;
    error_set(&error, passes ? POSTKEY_ERROR_UNAVAILABLE : POSTKEY_ERROR_CONFIGURATION, NULL,
              passes ? "nothing: postkey tries again by itself"
                     : "check the key file and the provider's section",
              "%s", reply->reason);
    return error;
}

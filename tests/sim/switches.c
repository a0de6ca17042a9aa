#include "switches.h"

#include "guard.h"

#include <string.h>

typedef enum {
    KIND_BOOL,
    KIND_NUMBER,
    KIND_TEXT,
    KIND_WORDS,
    KIND_CERTIFICATE,
    KIND_EARLY,
    KIND_ISS
} Kind;

typedef struct {
    const char *key;
    Kind kind;
    const char *initial; /* as a command line would write it; NULL is null */
} Definition;

static const Definition definitions[N_SWITCHES] = {
    [SWITCH_DEVICE_ENABLED] = {"device.enabled", KIND_BOOL, "true"},
    [SWITCH_DEVICE_REFUSE_GMAIL_SCOPES] = {"device.refuse_gmail_scopes", KIND_BOOL, "false"},
    [SWITCH_DEVICE_REQUIRE_TV_CLIENT] = {"device.require_tv_client", KIND_BOOL, "false"},
    [SWITCH_DEVICE_SPELL_VERIFICATION_URL] = {"device.spell_verification_url", KIND_BOOL, "false"},
    [SWITCH_DEVICE_VERIFICATION_URI_COMPLETE] = {"device.verification_uri_complete", KIND_BOOL,
                                                 "true"},
    [SWITCH_DEVICE_STANDARD_STATUSES] = {"device.standard_statuses", KIND_BOOL, "false"},
    [SWITCH_DEVICE_INTERVAL] = {"device.interval", KIND_NUMBER, "1"},
    [SWITCH_DEVICE_EXPIRES_IN] = {"device.expires_in", KIND_NUMBER, "1800"},
    [SWITCH_DEVICE_ERROR] = {"device.error", KIND_TEXT, NULL},
    [SWITCH_TOKEN_ROTATE] = {"token.rotate", KIND_BOOL, "false"},
    [SWITCH_TOKEN_REUSE_AFTER_ROTATION] = {"token.reuse_after_rotation", KIND_BOOL, "false"},
    [SWITCH_TOKEN_LIFETIME] = {"token.lifetime", KIND_NUMBER, "3600"},
    [SWITCH_TOKEN_EXPIRES_IN] = {"token.expires_in", KIND_NUMBER, NULL},
    [SWITCH_TOKEN_OMIT] = {"token.omit", KIND_WORDS, ""},
    [SWITCH_TOKEN_SCOPE] = {"token.scope", KIND_TEXT, NULL},
    [SWITCH_TOKEN_GOOGLE_SCOPE_NAMES] = {"token.google_scope_names", KIND_BOOL, "false"},
    [SWITCH_TOKEN_OFFLINE_ONLY] = {"token.offline_only", KIND_BOOL, "false"},
    [SWITCH_TOKEN_REFRESH_TOKEN_EXPIRES_IN] = {"token.refresh_token_expires_in", KIND_NUMBER, NULL},
    [SWITCH_TOKEN_TYPE_CASE] = {"token.type_case", KIND_TEXT, "Bearer"},
    [SWITCH_TOKEN_PADDING] = {"token.padding", KIND_NUMBER, "0"},
    [SWITCH_IDENTITY_EMAIL] = {"identity.email", KIND_TEXT, NULL},
    [SWITCH_ASSERTION_CLOCK_OFFSET] = {"assertion.clock_offset", KIND_NUMBER, "0"},
    [SWITCH_HTTP_CLOCK_OFFSET] = {"http.clock_offset", KIND_NUMBER, "0"},
    [SWITCH_REVOKE_STRICT] = {"revoke.strict", KIND_BOOL, "false"},
    [SWITCH_ISS_ANNOUNCE] = {"iss.announce", KIND_BOOL, "true"},
    [SWITCH_ISS_SEND] = {"iss.send", KIND_ISS, "true"},
    [SWITCH_TLS_HTTPS] = {"tls.https", KIND_CERTIFICATE, "good"},
    [SWITCH_TLS_SMTP] = {"tls.smtp", KIND_CERTIFICATE, "good"},
    [SWITCH_SMTP_STARTTLS] = {"smtp.starttls", KIND_BOOL, "true"},
    [SWITCH_SMTP_INJECT_AFTER_STARTTLS] = {"smtp.inject_after_starttls", KIND_TEXT, NULL},
    [SWITCH_SMTP_SIZE] = {"smtp.size", KIND_NUMBER, "35882577"},
    [SWITCH_SMTP_AUTH] = {"smtp.auth", KIND_WORDS,
                          "LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH"},
    [SWITCH_SMTP_SCOPE] = {"smtp.scope", KIND_TEXT, "https://mail.google.com/"},
    [SWITCH_SMTP_APP_PASSWORD] = {"smtp.app_password", KIND_TEXT, NULL},
    [SWITCH_SMTP_RECIPIENTS_MAX] = {"smtp.recipients_max", KIND_NUMBER, "100"},
    [SWITCH_SMTP_EXTENSIONS] = {"smtp.extensions", KIND_WORDS,
                                "SIZE 8BITMIME STARTTLS AUTH ENHANCEDSTATUSCODES PIPELINING "
                                "CHUNKING SMTPUTF8"},
    [SWITCH_SMTP_MAX_COMMAND] = {"smtp.max_command", KIND_NUMBER, "512"},
    [SWITCH_SMTP_EARLY_BDAT] = {"smtp.early_bdat", KIND_EARLY, "take"},
    [SWITCH_SMTP_CUT_AFTER] = {"smtp.cut_after", KIND_NUMBER, NULL},
};

static const char *const certificate_names[] = {
    "good", "wrong-name", "expired", "ends-soon", "self-signed", "unknown-ca", "old-cross", NULL};

static const char *const early_names[] = {"take", "refuse", "misread", "close", NULL};

static const char google_preset[] = "{\"device.refuse_gmail_scopes\":true,"
                                    "\"device.require_tv_client\":true,"
                                    "\"device.spell_verification_url\":true,"
                                    "\"device.verification_uri_complete\":false,"
                                    "\"device.interval\":5,"
                                    "\"token.google_scope_names\":true,"
                                    "\"token.offline_only\":true,"
                                    "\"revoke.strict\":true}";

static GMutex mutex;
static cJSON *current[N_SWITCHES];
static char *default_email;

static cJSON *words_from_text(const char *text)
{
    cJSON *array = cJSON_CreateArray();
    g_auto(GStrv) words = g_strsplit_set(text, " ,", -1);
    for (gsize i = 0; words[i] != NULL; i++)
        if (*words[i] != '\0')
            cJSON_AddItemToArray(array, cJSON_CreateString(words[i]));
    return array;
}

/* The value that a command line's text stands for, or NULL where it is none of that kind. */
static cJSON *value_from_text(Kind kind, const char *text)
{
    gboolean is_bool = g_str_equal(text, "true") || g_str_equal(text, "false");
    gint64 number = 0;
    switch (kind) {
    case KIND_BOOL:
        return is_bool ? cJSON_CreateBool(text[0] == 't') : NULL;
    case KIND_NUMBER:
        if (!g_ascii_string_to_signed(text, 10, 0, G_MAXINT32, &number, NULL))
            return NULL;
        return cJSON_CreateNumber((double)number);
    case KIND_WORDS:
        return words_from_text(text);
    case KIND_CERTIFICATE:
        return g_strv_contains(certificate_names, text) ? cJSON_CreateString(text) : NULL;
    case KIND_EARLY:
        return g_strv_contains(early_names, text) ? cJSON_CreateString(text) : NULL;
    case KIND_ISS:
        return is_bool ? cJSON_CreateBool(text[0] == 't') : cJSON_CreateString(text);
    case KIND_TEXT:
        break;
    }
    return cJSON_CreateString(text);
}

static cJSON *initial_value(Switch which)
{
    const Definition *definition = &definitions[which];
    if (which == SWITCH_IDENTITY_EMAIL)
        return cJSON_CreateString(default_email);
    if (definition->initial == NULL)
        return cJSON_CreateNull();
    return value_from_text(definition->kind, definition->initial);
}

static gboolean is_list_of_words(const cJSON *value)
{
    const cJSON *word = NULL;
    if (!cJSON_IsArray(value))
        return FALSE;
    cJSON_ArrayForEach (word, value)
        if (!cJSON_IsString(word))
            return FALSE;
    return TRUE;
}

/* A copy of given in the switch's own type, or NULL. */
static cJSON *value_from_json(Switch which, const cJSON *given)
{
    Kind kind = definitions[which].kind;
    if (cJSON_IsNull(given))
        return initial_value(which);
    if (cJSON_IsString(given))
        return value_from_text(kind, given->valuestring);
    gboolean fits = (kind == KIND_BOOL && cJSON_IsBool(given)) ||
                    (kind == KIND_ISS && cJSON_IsBool(given)) ||
                    (kind == KIND_NUMBER && cJSON_IsNumber(given) && given->valuedouble >= 0 &&
                     given->valuedouble <= G_MAXINT32) ||
                    (kind == KIND_WORDS && is_list_of_words(given));
    return fits ? cJSON_Duplicate(given, TRUE) : NULL;
}

static int find(const char *key, GError **error)
{
    for (int i = 0; i < N_SWITCHES; i++)
        if (g_str_equal(definitions[i].key, key))
            return i;
    g_set_error(error, SIM_ERROR, 0, "unknown switch \"%s\"", key);
    return -1;
}

static void put(Switch which, cJSON *value)
{
    cJSON_Delete(current[which]);
    current[which] = value;
}

void switches_init(const char *address)
{
    default_email = g_strdup(address);
    switches_reset();
}

void switches_clear(void)
{
    GUARD(&mutex);
    for (int i = 0; i < N_SWITCHES; i++)
        put((Switch)i, NULL);
    g_clear_pointer(&default_email, g_free);
}

void switches_reset(void)
{
    GUARD(&mutex);
    for (int i = 0; i < N_SWITCHES; i++)
        put((Switch)i, initial_value((Switch)i));
}

gboolean switches_set(const cJSON *values, GError **error)
{
    cJSON *wanted[N_SWITCHES] = {NULL};
    const cJSON *value = NULL;
    gboolean good = TRUE;
    cJSON_ArrayForEach (value, values) {
        int which = find(value->string, error);
        if (which < 0) {
            good = FALSE;
            break;
        }
        cJSON_Delete(wanted[which]);
        wanted[which] = value_from_json((Switch)which, value);
        if (wanted[which] == NULL) {
            g_set_error(error, SIM_ERROR, 0, "%s cannot have this value", value->string);
            good = FALSE;
            break;
        }
    }
    GUARD(&mutex);
    for (int i = 0; i < N_SWITCHES; i++) {
        if (good && wanted[i] != NULL)
            put((Switch)i, wanted[i]);
        else
            cJSON_Delete(wanted[i]);
    }
    return good;
}

gboolean switches_preset(const char *name, GError **error)
{
    if (!g_str_equal(name, "standard") && !g_str_equal(name, "google")) {
        g_set_error(error, SIM_ERROR, 0, "unknown preset \"%s\"", name);
        return FALSE;
    }
    switches_reset();
    if (g_str_equal(name, "standard"))
        return TRUE;
    g_autoptr(cJSON) values = cJSON_Parse(google_preset);
    return switches_set(values, error);
}

cJSON *switches_get(const char *key, GError **error)
{
    int which = find(key, error);
    if (which < 0)
        return NULL;
    GUARD(&mutex);
    return cJSON_Duplicate(current[which], TRUE);
}

cJSON *switches_all(void)
{
    cJSON *all = cJSON_CreateObject();
    GUARD(&mutex);
    for (int i = 0; i < N_SWITCHES; i++)
        cJSON_AddItemToObject(all, definitions[i].key, cJSON_Duplicate(current[i], TRUE));
    return all;
}

gboolean switch_is_on(Switch which)
{
    GUARD(&mutex);
    return cJSON_IsTrue(current[which]) != 0;
}

gint64 switch_number(Switch which, gint64 fallback)
{
    GUARD(&mutex);
    return cJSON_IsNumber(current[which]) ? (gint64)current[which]->valuedouble : fallback;
}

char *switch_text(Switch which)
{
    GUARD(&mutex);
    return g_strdup(cJSON_GetStringValue(current[which]));
}

GStrv switch_words(Switch which)
{
    GUARD(&mutex);
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    const cJSON *word = NULL;
    cJSON_ArrayForEach (word, current[which])
        g_strv_builder_add(words, word->valuestring);
    return g_strv_builder_end(words);
}

gboolean switch_has_word(Switch which, const char *word)
{
    g_auto(GStrv) words = switch_words(which);
    return g_strv_contains((const char *const *)words, word);
}

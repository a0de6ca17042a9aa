#include "grants.h"

#include "guard.h"
#include "switches.h"

#include <string.h>

typedef struct {
    Consent *consent;
    char *redirect_uri;
    char *challenge;
} Code;

typedef struct {
    char *user_code;
    Consent *asked;   /* its email is empty */
    Consent *allowed; /* NULL until a person said yes */
    gboolean denied;
    gint64 ends_at; /* monotonic, as next_poll_at */
    gint64 next_poll_at;
    gint64 interval_s;
} Device;

static GMutex mutex;
static GHashTable *codes;
static GHashTable *devices;

static void code_free(void *data)
{
    Code *code = data;
    g_clear_pointer(&code->consent, consent_free);
    g_free(code->redirect_uri);
    g_free(code->challenge);
    g_free(code);
}

static void device_free(void *data)
{
    Device *device = data;
    g_free(device->user_code);
    consent_free(device->asked);
    g_clear_pointer(&device->allowed, consent_free);
    g_free(device);
}

void codes_init(void)
{
    codes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, code_free);
    devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, device_free);
}

void codes_clear(void)
{
    g_clear_pointer(&codes, g_hash_table_unref);
    g_clear_pointer(&devices, g_hash_table_unref);
}

char *codes_add(Consent *consent, const char *redirect_uri, const char *challenge)
{
    Code *code = g_new0(Code, 1);
    code->consent = consent;
    code->redirect_uri = g_strdup(redirect_uri);
    code->challenge = g_strdup(challenge);
    char *name = random_name("4/0A", 68);
    GUARD(&mutex);
    g_hash_table_insert(codes, g_strdup(name), code);
    return name;
}

/* RFC 7636 §4.6: BASE64URL(SHA256(verifier)) without padding. */
static gboolean verifier_fits(const char *verifier, const char *challenge)
{
    guint8 digest[32];
    gsize digest_len = sizeof digest;
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, (const guchar *)verifier, (gssize)strlen(verifier));
    g_checksum_get_digest(checksum, digest, &digest_len);
    g_autofree char *encoded = g_base64_encode(digest, digest_len);
    g_strdelimit(g_strdelimit(encoded, "+", '-'), "/", '_');
    encoded[strcspn(encoded, "=")] = '\0';
    gsize len = strlen(verifier);
    return len >= 43 && len <= 128 && g_str_equal(encoded, challenge);
}

CodeEnd codes_redeem(const char *name, const char *client_id, const char *redirect_uri,
                     const char *verifier, Consent **out)
{
    GUARD(&mutex);
    g_autofree char *key = NULL;
    Code *code = NULL;
    CodeEnd end = CODE_GRANTED;
    if (!g_hash_table_steal_extended(codes, name, (void **)&key, (void **)&code))
        return CODE_UNKNOWN;
    if (!g_str_equal(code->consent->client_id, client_id))
        end = CODE_UNKNOWN;
    else if (!g_str_equal(code->redirect_uri, redirect_uri))
        end = CODE_OTHER_REDIRECT;
    else if (verifier == NULL)
        end = CODE_NO_VERIFIER;
    else if (!verifier_fits(verifier, code->challenge))
        end = CODE_OTHER_VERIFIER;
    else
        *out = g_steal_pointer(&code->consent);
    code_free(code);
    return end;
}

/* Letters alone, none that looks like another. */
static char *user_code_new(void)
{
    static const char letters[] = "BCDFGHJKLMNPQRSTVWXZ";
    char code[] = "XXXX-XXXX";
    for (gsize i = 0; code[i] != '\0'; i++)
        if (code[i] == 'X')
            code[i] = letters[g_random_int_range(0, (gint32)strlen(letters))];
    return g_strdup(code);
}

void codes_add_device(const char *client_id, const char *scope, char **device_code,
                      char **user_code)
{
    gint64 now = g_get_monotonic_time();
    Device *device = g_new0(Device, 1);
    device->user_code = user_code_new();
    device->asked = consent_new(client_id, "", scope, TRUE);
    device->interval_s = switch_number(SWITCH_DEVICE_INTERVAL, 5);
    device->ends_at = now + switch_number(SWITCH_DEVICE_EXPIRES_IN, 0) * G_TIME_SPAN_SECOND;
    *device_code = random_name("AH-1Ng", 94);
    *user_code = g_strdup(device->user_code);
    GUARD(&mutex);
    g_hash_table_insert(devices, g_strdup(*device_code), device);
}

/* As people type it: any case, spaces or none, with or without the hyphen. */
static gboolean is_same_user_code(const char *typed, const char *code)
{
    GString *kept[2] = {g_string_new(NULL), g_string_new(NULL)};
    const char *from[2] = {typed, code};
    for (gsize i = 0; i < 2; i++)
        for (const char *c = from[i]; *c != '\0'; c++)
            if (g_ascii_isalnum(*c))
                g_string_append_c(kept[i], g_ascii_toupper(*c));
    gboolean same = g_string_equal(kept[0], kept[1]);
    g_string_free(kept[0], TRUE);
    g_string_free(kept[1], TRUE);
    return same;
}

static gboolean waits(const Device *device)
{
    return device->allowed == NULL && !device->denied && device->ends_at > g_get_monotonic_time();
}

/* Under the lock. */
static Device *find_waiting(const char *user_code)
{
    GHashTableIter iter;
    void *value = NULL;
    g_hash_table_iter_init(&iter, devices);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Device *device = value;
        if (waits(device) && is_same_user_code(user_code, device->user_code))
            return device;
    }
    return NULL;
}

gboolean codes_decide_device(const char *user_code, Consent *consent)
{
    g_autoptr(Consent) allowed = consent;
    GUARD(&mutex);
    Device *device = find_waiting(user_code);
    if (device == NULL)
        return FALSE;
    device->denied = allowed == NULL;
    device->allowed = g_steal_pointer(&allowed);
    return TRUE;
}

Consent *codes_waiting_device(const char *user_code)
{
    GUARD(&mutex);
    const Device *device = find_waiting(user_code);
    return device != NULL ? consent_copy(device->asked) : NULL;
}

cJSON *codes_waiting(void)
{
    cJSON *list = cJSON_CreateArray();
    GHashTableIter iter;
    void *value = NULL;
    GUARD(&mutex);
    g_hash_table_iter_init(&iter, devices);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Device *device = value;
        if (waits(device))
            cJSON_AddItemToArray(list, cJSON_CreateString(device->user_code));
    }
    return list;
}

DeviceEnd codes_poll_device(const char *device_code, const char *client_id, Consent **out)
{
    /* Timers of honest clients are a little early now and then. */
    const gint64 tolerance = 50 * G_TIME_SPAN_MILLISECOND;
    GUARD(&mutex);
    Device *device = g_hash_table_lookup(devices, device_code);
    if (device == NULL || !g_str_equal(device->asked->client_id, client_id))
        return DEVICE_UNKNOWN;
    gint64 now = g_get_monotonic_time();
    if (device->denied)
        return DEVICE_DENIED;
    if (device->ends_at <= now)
        return DEVICE_EXPIRED;
    gboolean too_fast = now + tolerance < device->next_poll_at;
    if (too_fast)
        device->interval_s += 5; /* RFC 8628 §3.5: for this and all later requests */
    device->next_poll_at = now + device->interval_s * G_TIME_SPAN_SECOND;
    if (too_fast)
        return DEVICE_TOO_FAST;
    if (device->allowed == NULL)
        return DEVICE_PENDING;
    *out = g_steal_pointer(&device->allowed);
    g_hash_table_remove(devices, device_code);
    return DEVICE_GRANTED;
}

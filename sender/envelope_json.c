/* Envelopes as JSON text. */

#include "envelope_fields.h"
#include "errors.h"
#include "json.h"

#include <string.h>

/* 9999-12-31T23:59:59Z: later years do not fit the text. */
#define TIME_MAX G_GINT64_CONSTANT(253402300799)

/* ---- writing ---- */

static char *time_text(gint64 at)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(at);
    return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

static char *notify_text(guint notify)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    for (guint i = 0; envelope_notify_words[i]; i++)
        if (notify & (1U << i))
            g_ptr_array_add(words, (gpointer)envelope_notify_words[i]);
    g_ptr_array_add(words, NULL);
    return g_strjoinv(",", (char **)words->pdata);
}

static gboolean add_int(cJSON *object, gconstpointer base, const Field *field, GError **error)
{
    gint64 value = INT_AT(base, field);
    if (value < 0 || value > JSON_MAX_INT) {
        envelope_set_damaged(error, "\"%s\" is out of bounds", field->key);
        return FALSE;
    }
    if (value != 0 || field->required)
        cJSON_AddNumberToObject(object, field->key, (double)value);
    return TRUE;
}

static gboolean add_time(cJSON *object, gconstpointer base, const Field *field, GError **error)
{
    gint64 value = INT_AT(base, field);
    if (value < 0 || value > TIME_MAX || (value == 0 && field->required)) {
        envelope_set_damaged(error, "\"%s\" is no time", field->key);
        return FALSE;
    }
    g_autofree char *text = value ? time_text(value) : NULL;
    json_add_string(object, field->key, text);
    return TRUE;
}

static gboolean add_text(cJSON *object, gconstpointer base, const Field *field, GError **error)
{
    const char *text = TEXT_AT(base, field);
    if (!text && field->required) {
        envelope_set_damaged(error, "\"%s\" is missing", field->key);
        return FALSE;
    }
    if (text && !envelope_check_text(field->key, text, error))
        return FALSE;
    json_add_string(object, field->key, text);
    return TRUE;
}

static gboolean add_field(cJSON *object, gconstpointer base, const Field *field, GError **error)
{
    guint word = 0;
    switch (field->type) {
    case FIELD_TEXT:
        return add_text(object, base, field, error);
    case FIELD_INT:
        return add_int(object, base, field, error);
    case FIELD_TIME:
        return add_time(object, base, field, error);
    case FIELD_BOOL:
        if (BOOL_AT(base, field))
            cJSON_AddBoolToObject(object, field->key, TRUE);
        return TRUE;
    case FIELD_WORD:
        word = WORD_AT(base, field);
        if (word != 0 || field->required)
            cJSON_AddStringToObject(object, field->key, field->words[word]);
        return TRUE;
    case FIELD_NOTIFY:
        word = WORD_AT(base, field);
        if (word != 0) {
            g_autofree char *text = notify_text(word);
            cJSON_AddStringToObject(object, field->key, text);
        }
        return TRUE;
    }
    g_assert_not_reached();
}

static gboolean add_fields(cJSON *object, gconstpointer base, const Field *fields, gsize n,
                           GError **error)
{
    for (gsize i = 0; i < n; i++)
        if (!add_field(object, base, &fields[i], error))
            return FALSE;
    return TRUE;
}

char *envelope_format(const Envelope *envelope, GError **error)
{
    g_autoptr(cJSON) object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "version", ENVELOPE_VERSION);
    if (!add_fields(object, envelope, envelope_message_fields, envelope_message_fields_n, error))
        return NULL;
    cJSON *array = cJSON_AddArrayToObject(object, "recipients");
    for (guint i = 0; i < envelope->recipients->len; i++) {
        cJSON *member = cJSON_CreateObject();
        cJSON_AddItemToArray(array, member);
        if (!add_fields(member, envelope_recipient(envelope, i), envelope_recipient_fields,
                        envelope_recipient_fields_n, error))
            return NULL;
    }
    if (!envelope_check(envelope, error))
        return NULL;
    g_autofree char *text = cJSON_Print(object);
    return g_strconcat(text, "\n", NULL);
}

/* ---- reading ---- */

static gboolean parse_time(const char *text, gint64 *at)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, utc);
    gint64 seconds = time ? g_date_time_to_unix(time) : 0;
    g_autofree char *again = seconds > 0 ? time_text(seconds) : NULL;
    /* GLib reads many forms; ours is one. */
    if (g_strcmp0(again, text) != 0)
        return FALSE;
    *at = seconds;
    return TRUE;
}

static gboolean parse_word(const char *const *words, const char *text, guint *value)
{
    for (guint i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean parse_notify(const char *text, guint *value)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    guint notify = 0;
    for (char **word = words; *word; word++) {
        guint i;
        if (!parse_word(envelope_notify_words, *word, &i) || (notify & (1U << i)))
            return FALSE;
        notify |= 1U << i;
    }
    *value = notify;
    return notify != 0;
}

static gboolean take_text(gpointer base, const Field *field, const char *text, GError **error)
{
    gboolean ok = FALSE;
    if (!envelope_check_text(field->key, text, error))
        return FALSE;
    switch (field->type) {
    case FIELD_TEXT:
        TEXT_AT(base, field) = g_strdup(text);
        return TRUE;
    case FIELD_TIME:
        ok = parse_time(text, &INT_AT(base, field));
        break;
    case FIELD_WORD:
        ok = parse_word(field->words, text, &WORD_AT(base, field));
        break;
    case FIELD_NOTIFY:
        ok = parse_notify(text, &WORD_AT(base, field));
        break;
    case FIELD_INT:
    case FIELD_BOOL:
        g_assert_not_reached();
    }
    if (!ok)
        envelope_set_damaged(error, "\"%s\" has a value that is not known", field->key);
    return ok;
}

static gboolean take_field(const cJSON *object, gpointer base, const Field *field, GError **error)
{
    JsonFound found;
    const char *text = NULL;
    if (field->type == FIELD_INT)
        found = json_int(object, field->key, &INT_AT(base, field));
    else if (field->type == FIELD_BOOL)
        found = json_bool(object, field->key, &BOOL_AT(base, field));
    else
        found = json_string(object, field->key, &text);
    if (found == JSON_ABSENT && !field->required)
        return TRUE;
    if (found != JSON_FOUND) {
        envelope_set_damaged(error, "\"%s\" %s", field->key,
                             found == JSON_ABSENT ? "is missing" : "has a wrong type");
        return FALSE;
    }
    if (field->type == FIELD_INT && INT_AT(base, field) < 0) {
        envelope_set_damaged(error, "\"%s\" is negative", field->key);
        return FALSE;
    }
    return !text || take_text(base, field, text, error);
}

static gboolean is_known(const char *key, const Field *fields, gsize n, const char *const *others)
{
    for (gsize i = 0; i < n; i++)
        if (strcmp(fields[i].key, key) == 0)
            return TRUE;
    return others && g_strv_contains(others, key);
}

static gboolean take_fields(const cJSON *object, gpointer base, const Field *fields, gsize n,
                            const char *const *others, GError **error)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, object) {
        if (!is_known(member->string, fields, n, others)) {
            /* The key is not shown: it may be anything. */
            envelope_set_damaged(error, "it holds a field that is not known");
            return FALSE;
        }
    }
    for (gsize i = 0; i < n; i++)
        if (!take_field(object, base, &fields[i], error))
            return FALSE;
    return TRUE;
}

static gboolean take_recipients(const cJSON *object, Envelope *envelope, GError **error)
{
    const cJSON *array = NULL, *member;
    if (json_array(object, "recipients", &array) != JSON_FOUND) {
        envelope_set_damaged(error, "\"recipients\" is missing or no list");
        return FALSE;
    }
    cJSON_ArrayForEach (member, array) {
        EnvelopeRecipient *recipient = g_new0(EnvelopeRecipient, 1);
        g_ptr_array_add(envelope->recipients, recipient);
        if (!cJSON_IsObject(member)) {
            envelope_set_damaged(error, "a recipient is no object");
            return FALSE;
        }
        if (!take_fields(member, recipient, envelope_recipient_fields, envelope_recipient_fields_n,
                         NULL, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean check_version(const cJSON *object, gint64 *version, GError **error)
{
    if (json_int(object, "version", version) != JSON_FOUND) {
        envelope_set_damaged(error, "\"version\" is missing or no number");
        return FALSE;
    }
    if (*version == ENVELOPE_VERSION)
        return TRUE;
    error_set(error, POSTKEY_ERROR_REFUSED,
              "the message is kept, but this version of postkey cannot say who is to get it",
              "send it with the version of postkey that kept it, or take the .eml and send it anew",
              "the envelope is of version %" G_GINT64_FORMAT ", this postkey reads version %d",
              *version, ENVELOPE_VERSION);
    return FALSE;
}

Envelope *envelope_parse(const char *text, gsize len, gint64 *version, GError **error)
{
    static const char *const others[] = {"version", "recipients", NULL};
    gint64 found = 0;
    g_autoptr(GError) mistake = NULL;
    g_autoptr(Envelope) envelope = envelope_new();
    g_autoptr(cJSON) object =
        len <= ENVELOPE_MAX_LEN ? json_parse_object(text, len, &mistake) : NULL;
    if (!object) {
        envelope_set_damaged(error, "%s", mistake ? mistake->message : "it is too long");
        return NULL;
    }
    gboolean ok = check_version(object, &found, error);
    if (version)
        *version = found;
    if (ok &&
        take_fields(object, envelope, envelope_message_fields, envelope_message_fields_n, others,
                    error) &&
        take_recipients(object, envelope, error) && envelope_check(envelope, error))
        return g_steal_pointer(&envelope);
    return NULL;
}

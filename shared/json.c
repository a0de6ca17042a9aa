#include "json.h"

#include "errors.h"

#include <math.h>
#include <string.h>

/* What cJSON does not look at: NUL escapes. Counted on the text, since afterwards the string is cut
 * short. An escaped backslash before the u is no escape of ours. */
static gboolean has_nul_escape(const char *text, gsize len)
{
    for (gsize i = 0; i + 1 < len; i++) {
        if (text[i] != '\\')
            continue;
        if (text[i + 1] == 'u' && i + 5 < len && memcmp(text + i + 2, "0000", 4) == 0)
            return TRUE;
        i++; /* the escaped character */
    }
    return FALSE;
}

static gboolean is_strict(const cJSON *value, guint depth);

static gboolean members_are_strict(const cJSON *container, guint depth)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    const cJSON *member;
    cJSON_ArrayForEach (member, container) {
        if (!is_strict(member, depth + 1))
            return FALSE;
        if (cJSON_IsObject(container) && !g_hash_table_add(seen, member->string))
            return FALSE;
    }
    return TRUE;
}

static gboolean is_strict(const cJSON *value, guint depth)
{
    if (depth > JSON_MAX_DEPTH)
        return FALSE;
    if (cJSON_IsNumber(value))
        return isfinite(value->valuedouble) && fabs(value->valuedouble) <= (double)JSON_MAX_INT;
    if (cJSON_IsArray(value) || cJSON_IsObject(value))
        return members_are_strict(value, depth);
    return TRUE;
}

static gboolean only_blanks(const char *text, const char *end)
{
    while (text < end && strchr(" \t\r\n", *text))
        text++;
    return text == end;
}

cJSON *json_parse(const char *text, gsize len, GError **error)
{
    const char *why = NULL;
    const char *end = NULL;
    cJSON *value = NULL;
    if (!g_utf8_validate_len(text, len, NULL))
        why = "it is not UTF-8 or holds a NUL";
    else if (has_nul_escape(text, len))
        why = "a string holds \\u0000";
    else if (!(value = cJSON_ParseWithLengthOpts(text, len, &end, FALSE)))
        why = "it is malformed";
    else if (!only_blanks(end, text + len))
        why = "bytes follow the value";
    else if (!is_strict(value, 0))
        why = "a key is given twice, a number is too large, or it is nested too deeply";
    if (!why)
        return value;
    json_wipe(value);
    error_set(error, POSTKEY_ERROR_PROTOCOL, NULL, NULL, "not valid JSON: %s", why);
    return NULL;
}

cJSON *json_parse_object(const char *text, gsize len, GError **error)
{
    g_autoptr(cJSON) value = json_parse(text, len, error);
    if (value && !cJSON_IsObject(value)) {
        error_set(error, POSTKEY_ERROR_PROTOCOL, NULL, NULL, "the JSON value is not an object");
        return NULL;
    }
    return g_steal_pointer(&value);
}

static const cJSON *find(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

JsonFound json_string(const cJSON *object, const char *key, const char **value)
{
    const cJSON *item = find(object, key);
    if (!item)
        return JSON_ABSENT;
    if (!cJSON_IsString(item))
        return JSON_WRONG_TYPE;
    *value = item->valuestring;
    return JSON_FOUND;
}

JsonFound json_int(const cJSON *object, const char *key, gint64 *value)
{
    const cJSON *item = find(object, key);
    if (!item)
        return JSON_ABSENT;
    if (!cJSON_IsNumber(item) || trunc(item->valuedouble) != item->valuedouble)
        return JSON_WRONG_TYPE;
    *value = (gint64)item->valuedouble;
    return JSON_FOUND;
}

JsonFound json_bool(const cJSON *object, const char *key, gboolean *value)
{
    const cJSON *item = find(object, key);
    if (!item)
        return JSON_ABSENT;
    if (!cJSON_IsBool(item))
        return JSON_WRONG_TYPE;
    *value = cJSON_IsTrue(item);
    return JSON_FOUND;
}

JsonFound json_array(const cJSON *object, const char *key, const cJSON **value)
{
    const cJSON *item = find(object, key);
    if (!item)
        return JSON_ABSENT;
    if (!cJSON_IsArray(item))
        return JSON_WRONG_TYPE;
    *value = item;
    return JSON_FOUND;
}

JsonFound json_object(const cJSON *object, const char *key, const cJSON **value)
{
    const cJSON *item = find(object, key);
    if (!item)
        return JSON_ABSENT;
    if (!cJSON_IsObject(item))
        return JSON_WRONG_TYPE;
    *value = item;
    return JSON_FOUND;
}

const char *json_string_or(const cJSON *object, const char *key, const char *fallback)
{
    (void)json_string(object, key, &fallback); /* untouched unless found */
    return fallback;
}

gint64 json_int_or(const cJSON *object, const char *key, gint64 fallback)
{
    (void)json_int(object, key, &fallback); /* untouched unless found */
    return fallback;
}

void json_add_string(cJSON *object, const char *key, const char *value)
{
    if (value)
        cJSON_AddStringToObject(object, key, value);
}

void json_add_time(cJSON *object, const char *key, gint64 value)
{
    if (value >= 0)
        cJSON_AddNumberToObject(object, key, (double)value);
}

void json_add_strings(cJSON *object, const char *key, const char *const *values)
{
    cJSON *array = cJSON_AddArrayToObject(object, key);
    for (; values && *values; values++)
        cJSON_AddItemToArray(array, cJSON_CreateString(*values));
}

char **json_strings(const cJSON *object, const char *key)
{
    g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
    const cJSON *array = NULL;
    if (json_array(object, key, &array) == JSON_WRONG_TYPE)
        return NULL;
    const cJSON *member;
    cJSON_ArrayForEach (member, array) {
        if (!cJSON_IsString(member))
            return NULL;
        g_ptr_array_add(strings, g_strdup(member->valuestring));
    }
    g_ptr_array_add(strings, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&strings), FALSE);
}

static void wipe_strings(cJSON *value)
{
    for (; value; value = value->next) {
        if (value->valuestring)
            explicit_bzero(value->valuestring, strlen(value->valuestring));
        wipe_strings(value->child);
    }
}

void json_wipe(cJSON *value)
{
    wipe_strings(value);
    cJSON_Delete(value);
}

char *json_format(const cJSON *value)
{
    /* cJSON allocates with malloc(), as g_malloc() does since GLib 2.46. */
    return cJSON_PrintUnformatted(value);
}

#include "json.h"

#include "errors.h"

#include <math.h>
#include <string.h>

#define FEW_KEYS 8
/* Room for the text of most values; cJSON doubles it as it needs. */
#define TEXT_ROOM 1024
/* The digits of a gint64 and a NUL. */
#define TIME_ROOM 24

/* ---- what cJSON does not look at: the letter of RFC 8259 ---- */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && g_ascii_isdigit(*at))
        at++;
    return at;
}

/* Behind a number's own digits, or NULL where there is none. */
static const char *skip_some_digits(const char *at, const char *end)
{
    const char *behind = skip_digits(at, end);
    return behind > at ? behind : NULL;
}

/* Behind the number that begins here, or NULL: cJSON takes "01" and "1.". */
static const char *skip_number(const char *at, const char *end)
{
    at += *at == '-';
    at = at < end && *at == '0' ? at + 1 : skip_some_digits(at, end);
    if (at && at < end && *at == '.')
        at = skip_some_digits(at + 1, end);
    if (at && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at = skip_some_digits(at + (at < end && (*at == '+' || *at == '-')), end);
    }
    return at && at < end && g_ascii_isdigit(*at) ? NULL : at;
}

/* Whether four hexadecimal digits that are not zero follow: cJSON makes a NUL, where the string
 * then ends, of "\u0000" and of what is no digit. */
static gboolean is_code_unit(const char *at, const char *end)
{
    gint unit = 0;
    for (gint i = 0; i < 4; i++, at++) {
        if (at >= end || !g_ascii_isxdigit(*at))
            return FALSE;
        unit |= g_ascii_xdigit_value(*at);
    }
    return unit != 0;
}

/* Behind the string whose quote is here, or NULL: cJSON takes control characters in it. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if ((guchar)*at < 0x20)
            return NULL;
        if (*at == '\\' && ++at < end && *at == 'u' && !is_code_unit(at + 1, end))
            return NULL;
    }
    return at < end ? at + 1 : NULL;
}

/* Whether strings, numbers and the blanks between are as they have to be; cJSON takes all control
 * characters for blanks, and skips a byte order mark. What stands where is left to cJSON. */
static gboolean is_well_spelled(const char *at, const char *end)
{
    while (at && at < end) {
        if (*at == '"')
            at = skip_string(at, end);
        else if (*at == '-' || g_ascii_isdigit(*at))
            at = skip_number(at, end);
        else if (g_ascii_isgraph(*at) || strchr(" \t\r\n", *at))
            at++;
        else
            return FALSE;
    }
    return at != NULL;
}

/* ---- values ---- */

static gboolean is_strict(const cJSON *value, guint depth);

static gint compare_keys(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Few keys are compared with each other, as most objects have few; many are sorted, or an object of
 * a quarter of a megabyte would take a minute. No hash table: who knows its function can choose
 * thousands of keys that fall together in it. */
static gboolean keys_differ(const cJSON *object)
{
    const cJSON *member, *earlier;
    if (cJSON_GetArraySize(object) <= FEW_KEYS) {
        cJSON_ArrayForEach (member, object)
            for (earlier = object->child; earlier != member; earlier = earlier->next)
                if (strcmp(earlier->string, member->string) == 0)
                    return FALSE;
        return TRUE;
    }
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    cJSON_ArrayForEach (member, object)
        g_ptr_array_add(keys, member->string);
    g_ptr_array_sort(keys, compare_keys);
    for (guint i = 1; i < keys->len; i++)
        if (strcmp(keys->pdata[i - 1], keys->pdata[i]) == 0)
            return FALSE;
    return TRUE;
}

static gboolean members_are_strict(const cJSON *container, guint depth)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, container) {
        if (!is_strict(member, depth + 1))
            return FALSE;
    }
    return !cJSON_IsObject(container) || keys_differ(container);
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
    else if (!is_well_spelled(text, text + len))
        why = "a string or number is malformed, or a string holds \\u0000";
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
    char text[TIME_ROOM];
    if (value < 0)
        return;
    /* cJSON prints a number as a double, and reads it back to see whether it is the same: a fifth
     * of what an answer costs. */
    (void)g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value); /* it fits */
    cJSON_AddRawToObject(object, key, text);
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
    return cJSON_PrintBuffered(value, TEXT_ROOM, FALSE);
}

#include "json.h"

#include <string.h>

cJSON *json_parse_object(const char *text, GError **error)
{
    const char *end = NULL;
    g_autoptr(cJSON) value = cJSON_ParseWithOpts(text, &end, TRUE);
    if (value == NULL || !cJSON_IsObject(value)) {
        g_set_error(error, SIM_ERROR, 0, "not a JSON object");
        return NULL;
    }
    return g_steal_pointer(&value);
}

char *json_line(const cJSON *value)
{
    char *printed = cJSON_PrintUnformatted(value);
    char *line = g_strdup(printed);
    cJSON_free(printed);
    return line;
}

const char *json_text(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

gint64 json_number(const cJSON *object, const char *key, gint64 fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? (gint64)item->valuedouble : fallback;
}

gboolean json_is_on(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key)) != 0;
}

cJSON *json_add_words(cJSON *object, const char *key, const char *const *words)
{
    cJSON *array = cJSON_AddArrayToObject(object, key);
    for (gsize i = 0; words[i] != NULL; i++)
        cJSON_AddItemToArray(array, cJSON_CreateString(words[i]));
    return array;
}

gboolean json_only_has(const cJSON *object, const char *const *keys, GError **error)
{
    const cJSON *member = NULL;
    cJSON_ArrayForEach (member, object) {
        if (g_strv_contains(keys, member->string))
            continue;
        g_set_error(error, SIM_ERROR, 0, "unknown member \"%s\"", member->string);
        return FALSE;
    }
    return TRUE;
}

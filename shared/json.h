/* JSON from outside, read strictly.
 *
 * cJSON lets pass what a peer could use against us: bytes after the value, keys given twice,
 * "\u0000" inside a string (and "\uzzzz", which it takes for the same), control characters inside
 * and between strings, "01", invalid UTF-8, integers that a double cannot hold. json_parse()
 * refuses all of these, and values nested deeper than JSON_MAX_DEPTH. The getters compare keys with
 * case and tell "absent or null" from "of another type".
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>

#define JSON_MAX_DEPTH 16

/* Integers beyond are not exact in a double; what was 2^53 could have been 2^53 + 1. */
#define JSON_MAX_INT (((gint64)1 << 53) - 1)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(cJSON, cJSON_Delete)

/* Parses one whole value. Borrows text (len bytes, no NUL needed). Returns owned; NULL with
 * POSTKEY_ERROR_PROTOCOL when it is not strict JSON. */
cJSON *json_parse(const char *text, gsize len, GError **error);

/* json_parse() for what has to be an object. */
cJSON *json_parse_object(const char *text, gsize len, GError **error);

/* What a getter found. */
typedef enum { JSON_ABSENT, JSON_FOUND, JSON_WRONG_TYPE } JsonFound;

/* Each leaves *value untouched unless it returns JSON_FOUND. Strings and items are borrowed from
 * the object. json_int() takes whole numbers only. */
JsonFound json_string(const cJSON *object, const char *key, const char **value);
JsonFound json_int(const cJSON *object, const char *key, gint64 *value);
JsonFound json_bool(const cJSON *object, const char *key, gboolean *value);
JsonFound json_array(const cJSON *object, const char *key, const cJSON **value);
JsonFound json_object(const cJSON *object, const char *key, const cJSON **value);

/* The string under key, or fallback when it is absent or of another type. Borrowed. */
const char *json_string_or(const cJSON *object, const char *key, const char *fallback);
gint64 json_int_or(const cJSON *object, const char *key, gint64 fallback);

/* Adds unless value is NULL (unless value < 0). A time is written for json_format() alone: no
 * getter finds it as a number in this object. */
void json_add_string(cJSON *object, const char *key, const char *value);
void json_add_time(cJSON *object, const char *key, gint64 value);

/* Adds an array of the strings; NULL adds an empty one. */
void json_add_strings(cJSON *object, const char *key, const char *const *values);

/* The array under key as strings; an empty vector when it is absent. NULL when a member is no
 * string. Returns owned. */
char **json_strings(const cJSON *object, const char *key);

/* Deletes the value after wiping every string in it; for replies that hold a token. NULL is fine.
 */
void json_wipe(cJSON *value);

/* The value as compact text. Returns owned, to be freed by g_free(). */
char *json_format(const cJSON *value);

/* JSON as the small Google needs it: strict in what it reads from a test, exact in what it writes.
 */
#ifndef SIM_JSON_H
#define SIM_JSON_H

#include <cjson/cJSON.h>
#include <glib.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(cJSON, cJSON_Delete)

/* The one error domain of this program; the text is all that matters, the code is always 0. */
#define SIM_ERROR g_quark_from_static_string("small-google")

/* Reads one object and nothing after it but white space. Returns owned, or NULL with error. */
cJSON *json_parse_object(const char *text, GError **error);

/* One line without its newline. Borrows value, returns owned (g_free). */
char *json_line(const cJSON *value);

/* The string under key, borrowed from object; NULL when it is absent or no string. */
const char *json_text(const cJSON *object, const char *key);

/* The number under key, or fallback when it is absent or no number. */
gint64 json_number(const cJSON *object, const char *key, gint64 fallback);

/* Whether key is present and true. */
gboolean json_is_on(const cJSON *object, const char *key);

/* Adds the words of a NULL-terminated list as an array of strings; returns the array, borrowed. */
cJSON *json_add_words(cJSON *object, const char *key, const char *const *words);

/* FALSE with error when object has a member that is not in the NULL-terminated list. */
gboolean json_only_has(const cJSON *object, const char *const *keys, GError **error);

#endif

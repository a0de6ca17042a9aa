#include "arguments.h"

#include "errors.h"

#include <string.h>

static const OptionSpec common_options[] = {
    {.name = "user", .kind = OPTION_FLAG},
    {.name = "system", .kind = OPTION_FLAG},
    {.name = "help", .kind = OPTION_FLAG},
    {.name = NULL},
};

struct Arguments {
    GHashTable *values; /* name of the option -> its text; "" for a flag; both borrowed */
    GPtrArray *positionals;
};

static const OptionSpec *find_in(const OptionSpec *options, const char *name, gsize len)
{
    for (; options && options->name; options++)
        if (strlen(options->name) == len && memcmp(options->name, name, len) == 0)
            return options;
    return NULL;
}

static const OptionSpec *find_option(const OptionSpec *options, const char *name, gsize len)
{
    const OptionSpec *found = find_in(options, name, len);
    return found ? found : find_in(common_options, name, len);
}

static gboolean check_number(const OptionSpec *option, const char *value, GError **error)
{
    gint64 number;
    if (g_ascii_string_to_signed(value, 10, option->minimum, option->maximum, &number, NULL))
        return TRUE;
    error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL,
              "--%s takes a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
              ", not \"%s\"",
              option->name, option->minimum, option->maximum, value);
    return FALSE;
}

static gboolean check_choice(const OptionSpec *option, const char *value, GError **error)
{
    g_auto(GStrv) choices = g_strsplit(option->choices, "|", -1);
    if (g_strv_contains((const char *const *)choices, value))
        return TRUE;
    g_autofree char *listed = g_strjoinv(", ", choices);
    error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--%s takes %s of %s, not \"%s\"",
              option->name, option->kind == OPTION_SET ? "some" : "one", listed, value);
    return FALSE;
}

static gboolean check_set(const OptionSpec *option, const char *value, GError **error)
{
    g_auto(GStrv) members = g_strsplit(value, ",", -1);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    if (!members[0])
        return check_choice(option, value, error);
    for (char **member = members; *member; member++) {
        if (!check_choice(option, *member, error))
            return FALSE;
        if (!g_hash_table_add(seen, *member)) {
            error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--%s names %s twice", option->name,
                      *member);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean check_value(const OptionSpec *option, const char *value, GError **error)
{
    switch (option->kind) {
    case OPTION_NUMBER:
        return check_number(option, value, error);
    case OPTION_CHOICE:
        return check_choice(option, value, error);
    case OPTION_SET:
        return check_set(option, value, error);
    case OPTION_FLAG:
        return TRUE;
    case OPTION_TEXT:
        break;
    }
    if (*value)
        return TRUE;
    error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--%s is empty", option->name);
    return FALSE;
}

/* Takes the option in words[*index], and its value, which may be the next word. */
static gboolean take_option(Arguments *arguments, const OptionSpec *options, char *const *words,
                            guint count, guint *index, GError **error)
{
    const char *name = words[*index] + 2;
    const char *equals = strchr(name, '=');
    const OptionSpec *option =
        find_option(options, name, equals ? (gsize)(equals - name) : strlen(name));
    if (!option) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "unknown option: %s", words[*index]);
        return FALSE;
    }
    const char *value = equals ? equals + 1 : NULL;
    if (option->kind == OPTION_FLAG && value) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--%s takes no value", option->name);
        return FALSE;
    }
    if (option->kind == OPTION_FLAG)
        value = "";
    else if (!value && *index + 1 < count)
        value = words[++*index];
    if (!value) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--%s needs a value: --%s %s",
                  option->name, option->name, option->placeholder);
        return FALSE;
    }
    if (g_hash_table_contains(arguments->values, option->name)) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--%s is given twice", option->name);
        return FALSE;
    }
    g_hash_table_insert(arguments->values, (gpointer)option->name, (gpointer)value);
    return check_value(option, value, error);
}

static gboolean take_word(Arguments *arguments, const OptionSpec *options, char *const *words,
                          guint count, guint *index, GError **error)
{
    const char *word = words[*index];
    if (strcmp(word, "-h") == 0) {
        g_hash_table_insert(arguments->values, (gpointer) "help", (gpointer) "");
    } else if (g_str_has_prefix(word, "--")) {
        return take_option(arguments, options, words, count, index, error);
    } else if (word[0] == '-' && word[1]) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "unknown option: %s", word);
        return FALSE;
    } else {
        g_ptr_array_add(arguments->positionals, (gpointer)word);
    }
    return TRUE;
}

static gboolean check_required(const Arguments *arguments, const OptionSpec *options,
                               GError **error)
{
    for (; options && options->name; options++) {
        if (!options->required || arguments_flag(arguments, options->name))
            continue;
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--%s is missing", options->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean check_whole(const Arguments *arguments, const OptionSpec *options,
                            guint positionals_min, guint positionals_max, const char *synopsis,
                            GError **error)
{
    guint count = arguments->positionals->len;
    if (arguments_wants_help(arguments))
        return TRUE;
    if (arguments_flag(arguments, "user") && arguments_flag(arguments, "system")) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--user and --system exclude each other");
        return FALSE;
    }
    if (!check_required(arguments, options, error))
        return FALSE;
    if (count < positionals_min) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "an argument is missing: %s", synopsis);
        return FALSE;
    }
    if (count > positionals_max) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "one argument too many: %s",
                  arguments_positional(arguments, positionals_max));
        return FALSE;
    }
    for (guint i = 0; i < count; i++) {
        if (!*arguments_positional(arguments, i)) {
            error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "an argument is empty: %s", synopsis);
            return FALSE;
        }
    }
    return TRUE;
}

Arguments *arguments_parse(const OptionSpec *options, guint positionals_min, guint positionals_max,
                           const char *synopsis, char *const *words, guint count, GError **error)
{
    g_autoptr(Arguments) arguments = g_new0(Arguments, 1);
    arguments->values = g_hash_table_new(g_str_hash, g_str_equal);
    arguments->positionals = g_ptr_array_new();
    for (guint n = 0; n < count; n++) {
        if (g_utf8_validate(words[n], -1, NULL))
            continue;
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "argument %u is not UTF-8", n + 1);
        return NULL;
    }
    guint i = 0;
    for (; i < count && strcmp(words[i], "--") != 0; i++)
        if (!take_word(arguments, options, words, count, &i, error))
            return NULL;
    for (i++; i < count; i++)
        g_ptr_array_add(arguments->positionals, words[i]);
    if (!check_whole(arguments, options, positionals_min, positionals_max, synopsis, error))
        return NULL;
    return g_steal_pointer(&arguments);
}

void arguments_free(Arguments *arguments)
{
    if (!arguments)
        return;
    g_hash_table_unref(arguments->values);
    g_ptr_array_unref(arguments->positionals);
    g_free(arguments);
}

gboolean arguments_flag(const Arguments *arguments, const char *name)
{
    return g_hash_table_contains(arguments->values, name);
}

const char *arguments_text(const Arguments *arguments, const char *name)
{
    return g_hash_table_lookup(arguments->values, name);
}

gint64 arguments_number(const Arguments *arguments, const char *name, gint64 fallback)
{
    const char *text = arguments_text(arguments, name);
    return text ? g_ascii_strtoll(text, NULL, 10) : fallback;
}

char **arguments_set(const Arguments *arguments, const char *name)
{
    const char *text = arguments_text(arguments, name);
    return text ? g_strsplit(text, ",", -1) : NULL;
}

const char *arguments_positional(const Arguments *arguments, guint index)
{
    return index < arguments->positionals->len ? g_ptr_array_index(arguments->positionals, index)
                                               : NULL;
}

gboolean arguments_wants_help(const Arguments *arguments)
{
    return arguments_flag(arguments, "help");
}

PathsScope arguments_scope(const Arguments *arguments)
{
    if (arguments_flag(arguments, "user"))
        return PATHS_USER;
    return arguments_flag(arguments, "system") ? PATHS_SYSTEM : PATHS_ANY;
}

#include "help.h"

#include "output.h"

#include <string.h>

#define USAGE_COLUMNS 79
#define OPTION_COLUMNS 22

static const char introduction[] =
    "postkey: tokens for mail accounts that are protected by OAuth2\n"
    "\n"
    "  A person signs in once:         postkey authorize you@gmail.com\n"
    "  Any program, from then on:      postkey token you@gmail.com\n"
    "                                  postkey-send -t < message\n"
    "\n";

static const char closing[] =
    "\n"
    "For every verb:\n"
    "  --user, --system      whose broker: yours, or the system's (as in systemctl)\n"
    "  --help                how it is used, with examples\n"
    "\n"
    "Answers are on stdout, everything else on stderr. Exit codes: 0 success,\n"
    "1 anything else, 2 usage, 3 authorization required, 4 try again later,\n"
    "5 keyring locked or unavailable, 6 denied, 7 no such account, or several and\n"
    "none named, 8 configuration.\n";

static char *option_form(const OptionSpec *option)
{
    return option->placeholder ? g_strdup_printf("--%s %s", option->name, option->placeholder)
                               : g_strdup_printf("--%s", option->name);
}

static void append_wrapped(GString *text, gsize *column, const char *part, gsize indent)
{
    if (*column + strlen(part) + 1 > USAGE_COLUMNS) {
        g_string_append_printf(text, "\n%*s", (int)indent, "");
        *column = indent;
    }
    g_string_append_printf(text, " %s", part);
    *column += strlen(part) + 1;
}

/* Breaks the line at USAGE_COLUMNS, and indents what follows by indent. */
static char *usage(const Verb *verb, gsize indent)
{
    GString *text = g_string_new("postkey");
    gsize column = text->len + indent;
    append_wrapped(text, &column, verb->name, indent);
    for (const OptionSpec *option = verb->options; option && option->name; option++) {
        g_autofree char *form = option_form(option);
        g_autofree char *part = g_strdup_printf(option->required ? "%s" : "[%s]", form);
        append_wrapped(text, &column, part, indent);
    }
    if (verb->synopsis)
        append_wrapped(text, &column, verb->synopsis, indent);
    return g_string_free(text, FALSE);
}

static void append_entry(GString *text, const char *left, const char *right)
{
    g_auto(GStrv) lines = g_strsplit(right, "\n", -1);
    gboolean fits = strlen(left) + 1 < OPTION_COLUMNS;
    if (fits)
        g_string_append_printf(text, "  %-*s%s\n", OPTION_COLUMNS, left, lines[0]);
    else
        g_string_append_printf(text, "  %s\n  %*s%s\n", left, OPTION_COLUMNS, "", lines[0]);
    for (char **line = lines + 1; *line; line++)
        g_string_append_printf(text, "  %*s%s\n", OPTION_COLUMNS, "", *line);
}

gboolean help_print(const Verb *verb, GError **error)
{
    g_autofree char *how = usage(verb, strlen("Usage: ") + 4);
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "%s: %s\n\nUsage: %s\n", verb->name, verb->summary, how);
    if (verb->options)
        g_string_append(text, "\n");
    for (const OptionSpec *option = verb->options; option && option->name; option++) {
        g_autofree char *form = option_form(option);
        append_entry(text, form, option->help);
    }
    g_string_append_printf(text, "\n%s", verb->teaching);
    return output_answer(text->str, error);
}

gboolean help_print_all(const Verb *const *verbs, GError **error)
{
    g_autoptr(GString) text = g_string_new(introduction);
    for (; *verbs; verbs++)
        append_entry(text, (*verbs)->name, (*verbs)->summary);
    g_string_append(text, closing);
    return output_answer(text->str, error);
}

#include "errors.h"
#include "verbs.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *name_found(const char *line, guint *taken)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    const Verb *verb = verbs_find(words, g_strv_length(words), taken);
    return verb ? verb->name : "none";
}

Test(verbs, names_of_one_and_two_words_are_found)
{
    guint taken;
    cr_assert_str_eq(name_found("token you@gmail.com", &taken), "token");
    cr_assert_eq(taken, 1);
    cr_assert_str_eq(name_found("client import file", &taken), "client import");
    cr_assert_eq(taken, 2);
    cr_assert_str_eq(name_found("client nonsense", &taken), "client");
    cr_assert_eq(taken, 1);
    cr_assert_str_eq(name_found("tok", &taken), "none");
}

Test(verbs, every_verb_is_whole_and_its_options_too)
{
    for (const Verb *const *each = verbs; *each; each++) {
        const Verb *verb = *each;
        cr_assert(verb->name && verb->summary && verb->teaching && verb->run, "%s", verb->name);
        cr_assert(verb->positionals_min <= verb->positionals_max, "%s", verb->name);
        cr_assert_not_null(strstr(verb->teaching, "postkey "), "%s has no example", verb->name);
        for (const OptionSpec *option = verb->options; option && option->name; option++) {
            gboolean takes_value = option->kind != OPTION_FLAG;
            gboolean takes_choice = option->kind == OPTION_CHOICE || option->kind == OPTION_SET;
            cr_assert_eq(option->placeholder != NULL, takes_value, "--%s", option->name);
            cr_assert_eq(option->choices != NULL, takes_choice, "--%s", option->name);
            cr_assert_not_null(option->help, "--%s", option->name);
        }
    }
}

Test(verbs, a_wrong_command_line_is_a_usage_error)
{
    const char *const lines[] = {"nonsense", "token a b", "--user", "help nonsense", "client"};
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) words = g_strsplit(lines[i], " ", -1);
        cr_assert_not(verbs_run(words, g_strv_length(words), &error), "%s", lines[i]);
        cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_USAGE), "%s", lines[i]);
        cr_assert_not_null(error_remedy(error), "%s", lines[i]);
    }
}

#include "arguments.h"
#include "errors.h"

#include <criterion/criterion.h>

static const OptionSpec options[] = {
    {.name = "json", .kind = OPTION_FLAG},
    {.name = "account", .kind = OPTION_TEXT, .placeholder = "NAME"},
    {.name = "port", .kind = OPTION_NUMBER, .placeholder = "N", .maximum = 65535},
    {.name = "flow", .kind = OPTION_CHOICE, .placeholder = "F", .choices = "auto|device|browser"},
    {.name = "for", .kind = OPTION_SET, .placeholder = "P", .choices = "smtp|imap|pop"},
    {.name = NULL},
};

static const OptionSpec options_required[] = {
    {.name = "provider", .kind = OPTION_TEXT, .placeholder = "P", .required = TRUE},
    {.name = NULL},
};

static GPtrArray *lines_split; /* the words of parse() live as long as the test */

static void open_lines(void)
{
    lines_split = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
}

static void close_lines(void)
{
    g_ptr_array_unref(lines_split);
}

TestSuite(arguments, .init = open_lines, .fini = close_lines);

/* Parses the words of one line, split at blanks. */
static Arguments *parse(const OptionSpec *table, const char *line, GError **error)
{
    char **words = g_strsplit(line, " ", -1);
    g_ptr_array_add(lines_split, words);
    return arguments_parse(table, 1, 2, "A [B]", words, g_strv_length(words), error);
}

static void assert_refused(const OptionSpec *table, const char *line)
{
    g_autoptr(GError) error = NULL;
    cr_assert_null(parse(table, line, &error), "%s", line);
    cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_USAGE), "%s", line);
}

Test(arguments, options_stand_before_and_after_words_and_take_both_forms)
{
    g_autoptr(Arguments) arguments = parse(options, "--port 80 one --flow=device two --json", NULL);
    cr_assert_not_null(arguments);
    cr_assert_eq(arguments_number(arguments, "port", -1), 80);
    cr_assert_str_eq(arguments_text(arguments, "flow"), "device");
    cr_assert(arguments_flag(arguments, "json"));
    cr_assert_null(arguments_text(arguments, "account"));
    cr_assert_str_eq(arguments_positional(arguments, 0), "one");
    cr_assert_str_eq(arguments_positional(arguments, 1), "two");
    cr_assert_null(arguments_positional(arguments, 2));
}

Test(arguments, a_number_left_out_is_the_fallback)
{
    g_autoptr(Arguments) arguments = parse(options, "one", NULL);
    cr_assert_eq(arguments_number(arguments, "port", -1), -1);
    cr_assert_null(arguments_set(arguments, "for"));
}

Test(arguments, numbers_are_checked_to_their_bounds)
{
    g_autoptr(Arguments) lowest = parse(options, "--port 0 one", NULL);
    g_autoptr(Arguments) highest = parse(options, "--port 65535 one", NULL);
    cr_assert_eq(arguments_number(lowest, "port", -1), 0);
    cr_assert_eq(arguments_number(highest, "port", -1), 65535);
    assert_refused(options, "--port 65536 one");
    assert_refused(options, "--port -1 one");
    assert_refused(options, "--port 12x one");
    assert_refused(options, "--port= one");
    assert_refused(options, "--port 99999999999999999999 one");
}

Test(arguments, a_set_takes_known_members_once)
{
    g_autoptr(Arguments) arguments = parse(options, "--for imap,smtp one", NULL);
    g_auto(GStrv) members = arguments_set(arguments, "for");
    cr_assert_eq(g_strv_length(members), 2);
    cr_assert_str_eq(members[0], "imap");
    assert_refused(options, "--for smtp,smtp one");
    assert_refused(options, "--for smtp,fax one");
    assert_refused(options, "--for smtp, one");
    assert_refused(options, "--for= one");
}

Test(arguments, what_is_wrong_is_refused)
{
    assert_refused(options, "--unknown one");
    assert_refused(options, "-j one");
    assert_refused(options, "--json=yes one");
    assert_refused(options, "--json --json one");
    assert_refused(options, "one --account");
    assert_refused(options, "--account= one");
    assert_refused(options, "--flow slow one");
    assert_refused(options, "--flow auto|device one");
    assert_refused(options, "--json");
    assert_refused(options, "one two three");
    assert_refused(options, "--user --system one");
    assert_refused(options, "caf\xe9");
    assert_refused(options_required, "one");
}

Test(arguments, an_empty_word_is_refused)
{
    char *words[] = {(char *)""};
    g_autoptr(GError) error = NULL;
    cr_assert_null(arguments_parse(options, 1, 1, "A", words, 1, &error));
    cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_USAGE));
}

Test(arguments, two_dashes_end_the_options_and_one_dash_is_a_word)
{
    g_autoptr(Arguments) arguments = parse(options, "- -- --json", NULL);
    cr_assert_not_null(arguments);
    cr_assert_not(arguments_flag(arguments, "json"));
    cr_assert_str_eq(arguments_positional(arguments, 0), "-");
    cr_assert_str_eq(arguments_positional(arguments, 1), "--json");
}

Test(arguments, nothing_is_missing_where_help_is_wanted)
{
    g_autoptr(Arguments) whole = parse(options, "--help", NULL);
    g_autoptr(Arguments) one_letter = parse(options_required, "-h", NULL);
    cr_assert(whole && arguments_wants_help(whole));
    cr_assert(one_letter && arguments_wants_help(one_letter));
}

Test(arguments, the_scope_says_whose_broker)
{
    g_autoptr(Arguments) any = parse(options, "one", NULL);
    g_autoptr(Arguments) user = parse(options, "--user one", NULL);
    g_autoptr(Arguments) system_wide = parse(options, "one --system", NULL);
    cr_assert_eq(arguments_scope(any), PATHS_ANY);
    cr_assert_eq(arguments_scope(user), PATHS_USER);
    cr_assert_eq(arguments_scope(system_wide), PATHS_SYSTEM);
}

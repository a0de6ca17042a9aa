#include "aliases.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>

/* What the names of a machine called web1 become with the aliases of text, with blanks between;
 * NULL: they are refused. */
static char *expand(const char *text, const char *names, GError **error)
{
    g_autoptr(Aliases) aliases = aliases_parse(text, strlen(text), "/etc/aliases");
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) given = g_strsplit(names, " ", -1);
    for (char **name = given; *name; name++)
        g_ptr_array_add(addresses, g_strdup(*name));
    if (!aliases_expand(aliases, "web1", addresses, error)) {
        cr_expect_eq(addresses->len, g_strv_length(given), "they are untouched");
        return NULL;
    }
    g_ptr_array_add(addresses, NULL);
    return g_strjoinv(" ", (char **)addresses->pdata);
}

static void expect(const char *text, const char *names, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *found = expand(text, names, &error);
    cr_assert_not_null(found, "%s: %s", text, error ? error->message : "");
    cr_expect_str_eq(found, expected, "%s -> %s", text, found);
}

static void expect_refused(const char *text, const char *names, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *found = expand(text, names, &error);
    cr_assert_null(found, "%s", text);
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    cr_expect_not_null(strstr(error->message, words), "%s", error->message);
}

Test(aliases, an_alias_leads_to_an_address_through_others)
{
    expect("www-data: root\nroot: you@example.com\n", "www-data@localhost", "you@example.com");
    expect("root: you@example.com", "root@web1", "you@example.com");
    expect("Root : you@example.com", "ROOT@localhost", "you@example.com");
}

Test(aliases, other_addresses_stay_as_they_are)
{
    expect("you: me@example.com", "you@example.com root@web2", "you@example.com root@web2");
    expect("", "root@localhost", "root@localhost");
}

Test(aliases, comments_blank_lines_and_continuations_are_read)
{
    expect("# root: a@b\n\n  # c\nroot:\n  a@b,\n# in the midst\n\tc@d\n\nother: e@f\n",
           "root@localhost", "a@b c@d");
    expect("root: a@b\r\nother: c@d\r\n", "root@localhost other@localhost", "a@b c@d");
}

Test(aliases, quoted_names_and_members_are_read)
{
    expect("\"root\": \"John Doe\"@example.com, <b@c>, D E <d@e>", "root@localhost",
           "\"John Doe\"@example.com b@c d@e");
    expect("root: \"a,b\"@c, d@e", "root@localhost", "\"a,b\"@c d@e");
}

Test(aliases, each_address_stays_once_however_it_is_reached)
{
    expect("a: x@Y, b\nb: x@y, z@y", "a@localhost b@localhost x@y", "x@Y z@y");
}

Test(aliases, a_circle_ends)
{
    expect("root: root, you@example.com", "root@localhost", "root@localhost you@example.com");
    expect("a: b\nb: a", "a@localhost", "a@localhost");
    expect("root: you@example.com\nwww-data: root", "root@localhost www-data@localhost",
           "you@example.com");
}

Test(aliases, a_backslash_ends_the_search)
{
    expect("root: \\you\nyou: me@example.com", "root@localhost", "you@localhost");
}

Test(aliases, the_last_of_two_counts)
{
    expect("root: a@b\nroot: c@d", "root@localhost", "c@d");
}

Test(aliases, programs_files_and_lists_are_refused_with_words)
{
    expect_refused("root: \"|/usr/bin/procmail -a\"", "root@localhost", "to a program");
    expect_refused("root: |/usr/bin/procmail", "root@localhost", "to a program");
    expect_refused("root: a@b, /dev/null", "root@localhost", "to a file");
    expect_refused("root: \"/var/mail/root\"", "root@localhost", "to a file");
    expect_refused("root: :include:/etc/all", "root@localhost", "from a file");
    expect_refused("root: \\|sh", "root@localhost", "to a program");
    expect("lists: |x\nroot: a@b", "root@localhost", "a@b");
}

Test(aliases, what_names_nobody_or_no_address_is_refused)
{
    expect_refused("root:", "root@localhost", "nobody");
    expect_refused("root: ,", "root@localhost", "nobody");
    expect_refused("root: a@@b", "root@localhost", "no address");
    expect_refused("root: a@b> RCPT", "root@localhost", "no address");
    expect_refused("root: (nobody)", "root@localhost", "no address");
    expect_refused("root: undisclosed:;", "root@localhost", "no address");
}

Test(aliases, a_line_that_is_none_is_passed_over)
{
    expect("nonsense\nroot: a@b\n: c@d\n\"open: e@f\n", "root@localhost", "a@b");
}

Test(aliases, a_chain_without_end_ends)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < 1000; i++)
        g_string_append_printf(text, "n%u: n%u\n", i, i + 1);
    g_autofree char *found = expand(text->str, "n0@localhost", NULL);
    cr_assert_not_null(found);
    cr_expect(g_str_has_suffix(found, "@localhost"));
}

Test(aliases, a_file_that_is_not_there_is_an_empty_one)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Aliases) none = aliases_load("/nowhere/aliases", &error);
    cr_expect_not_null(none);
    cr_expect_null(aliases_load("/etc", &error));
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_IO));
}

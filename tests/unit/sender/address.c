#include "address.h"

#include <criterion/criterion.h>

Test(address, mailboxes_of_rfc_5321_are_taken)
{
    const char *good[] = {
        "a@b",
        "you@gmail.com",
        "first.last@example.com",
        "a+tag=x@example.com",
        "\"quoted\"@example.com",
        "\"with blank\"@example.com",
        "\"a\\\"b\\\\c\"@example.com",
        "\"a@b\"@example.com",
        "\"\"@example.com",
        "x@[127.0.0.1]",
        "x@[IPv6:2001:db8::1]",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        "x@xn--bcher-kva.example",
        "x@under_score.example",
        "0@0.example",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com",
        "m\303\274ller@example.com",
        "\"\303\274 \"@example.com",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect(address_check(good[i], &error), "%s: %s", good[i], error ? error->message : "");
    }
}

Test(address, hostile_and_malformed_mailboxes_are_refused)
{
    const char *bad[] = {
        "",
        "@",
        "a",
        "root",
        "a@",
        "@b",
        "a@@b",
        "a@b@c",
        "a b@c",
        "a@b c",
        " a@b",
        "a@b ",
        ".a@b",
        "a.@b",
        "a..b@c",
        "a@.b",
        "a@b.",
        "a@b..c",
        "a@-b",
        "a@b-",
        "a@b-.c",
        "a@[",
        "a@[]",
        "a@[a b]",
        "a@[a]b",
        "a@b]",
        "<a@b>",
        "a@<b>",
        "a@b>",
        "a@b\r\nRCPT TO:<c@d>",
        "a@b\n",
        "a\r@b",
        "a@b\t",
        "a\001@b",
        "a\177@b",
        "\"a@b",
        "\"a\"b@c",
        "\"a\n\"@b",
        "\"a\\",
        "\"a\\\n\"@b",
        "a@b,c@d",
        "a@b;c",
        "a(b)@c",
        "m\374ller@example.com",
        "m\302\205@example.com",
        "a@b\303\274cher.example",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com",
        "a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_not(address_check(bad[i], &error), "%s", bad[i]);
        cr_assert_not_null(error);
        /* What a terminal would obey is not in the error's text. */
        for (const char *p = error->message; *p; p++)
            cr_expect(g_ascii_isprint(*p));
    }
}

Test(address, the_length_limit_is_exact)
{
    g_autoptr(GString) address = g_string_new("x@");
    while (address->len < ADDRESS_MAX_LEN)
        g_string_append(address, address->len % 50 == 49 ? "." : "a");
    if (address->str[address->len - 1] == '.')
        address->str[address->len - 1] = 'a';
    cr_expect(address_check(address->str, NULL));
    g_string_append(address, "a");
    cr_expect_not(address_check(address->str, NULL));
}

static void expect_list(const char *text, const char *expected)
{
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    cr_expect(address_list_parse(text, addresses, &error), "%s: %s", text,
              error ? error->message : "");
    g_ptr_array_add(addresses, NULL);
    g_autofree char *joined = g_strjoinv(" ", (char **)addresses->pdata);
    cr_expect_str_eq(joined, expected, "%s gave %s", text, joined);
}

Test(address, lists_of_rfc_5322_are_read)
{
    expect_list("", "");
    expect_list("  \t", "");
    expect_list("a@b", "a@b");
    expect_list("a@b, c@d", "a@b c@d");
    expect_list("a@b,,, c@d,", "a@b c@d");
    expect_list("John Doe <j@x.example>", "j@x.example");
    expect_list("\"Doe, John\" <j@x.example>, z@y", "j@x.example z@y");
    expect_list("John Q. Public <j@x.example>", "j@x.example");
    expect_list("j@x.example <j@x.example>", "j@x.example");
    expect_list("a@b (A comment, with (nested) \\) things), c@d", "a@b c@d");
    expect_list("(first) a (x) @ (y) b (z) , c . e @ d", "a@b c.e@d");
    expect_list("A Group:Ed <ed@x>, joe@y,\r\n John <jdoe@z>;", "ed@x joe@y jdoe@z");
    expect_list("undisclosed-recipients:;", "");
    expect_list("friends: a@b; c@d, foes: e@f;", "a@b c@d e@f");
    expect_list("<@relay.example,@other.example:me@home.example>", "me@home.example");
    expect_list("a@b,\r\n\tc@d,\n e@f", "a@b c@d e@f");
    expect_list("\"quoted local\"@x.example", "\"quoted local\"@x.example");
    expect_list("=?UTF-8?Q?J=C3=BCrgen?= <j@x>", "j@x");
    expect_list("J\303\274rgen <j@x>", "j@x");
    expect_list("x@[1.2.3.4]", "x@[1.2.3.4]");
    expect_list("\"<evil@x>\" <good@x>", "good@x");
}

Test(address, one_mailbox_named_twice_is_listed_once)
{
    expect_list("a@b.example, A <a@B.Example>, A@b.example", "a@b.example A@b.example");
}

Test(address, broken_lists_are_refused)
{
    const char *bad[] = {
        "a@b c@d",
        "a@b <c@d",
        "<a@b",
        "a@b>",
        "<>",
        "<a@b> c",
        "<a@b> <c@d>",
        "a@b; c@d",
        "\"open <a@b>",
        "(open a@b",
        "a@[1.2",
        "root",
        "a@b, root",
        "a@b\r\nBcc: c@d",
        "a@b\nc@d",
        "<@route a@b>",
        "<a b@c>",
        "g: h: a@b;",
        "a@b)",
        "a\\b@c",
        "((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))) a@b",
        "a@b, @",
        "<a@b\n>x",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
        cr_expect_not(address_list_parse(bad[i], addresses, NULL), "%s", bad[i]);
    }
}

Test(address, whatever_a_list_gives_can_stand_in_a_command)
{
    /* Every string of up to 5 of these characters. */
    const char alphabet[] = "a@<>,\"\\(): ;.[]\n";
    gsize n = sizeof alphabet - 1;
    for (gsize number = 0; number < n * n * n * n * n; number++) {
        char text[6] = "";
        gsize left = number;
        for (gsize i = 0; i < 5; i++, left /= n)
            text[i] = alphabet[left % n];
        g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
        (void)address_list_parse(text, addresses, NULL);
        for (guint i = 0; i < addresses->len; i++)
            cr_assert(address_check(g_ptr_array_index(addresses, i), NULL), "%s", text);
    }
}

Test(address, arguments_may_hold_no_line_break_even_where_headers_may)
{
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    cr_expect_not(address_argument_parse("a@b\n", addresses, NULL));
    cr_expect_not(address_argument_parse("a@b,\r\n c@d", addresses, NULL));
    cr_expect(address_argument_parse("A <a@b>, c@d", addresses, NULL));
    cr_expect_eq(addresses->len, 2);
}

Test(address, one_means_one)
{
    g_autofree char *one = address_parse_one("Me <me@x>", NULL);
    cr_expect_str_eq(one, "me@x");
    cr_expect_null(address_parse_one("a@b, c@d", NULL));
    cr_expect_null(address_parse_one(" ", NULL));
}

Test(address, domains_beyond_ascii_become_ascii_and_local_parts_stay)
{
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    cr_assert(address_list_parse("a@b\303\274cher.example, \303\274@B\303\274cher.example",
                                 addresses, NULL));
    cr_assert_eq(addresses->len, 2);
    cr_expect_str_eq(g_ptr_array_index(addresses, 0), "a@xn--bcher-kva.example");
    cr_expect_str_eq(g_ptr_array_index(addresses, 1), "\303\274@xn--bcher-kva.example");
    cr_expect_not(address_needs_utf8(g_ptr_array_index(addresses, 0)));
    cr_expect(address_needs_utf8(g_ptr_array_index(addresses, 1)));
}

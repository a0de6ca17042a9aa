#include "header_encode.h"

#include "address.h"
#include "errors.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Header *read_header(const char *text)
{
    char path[] = "/tmp/postkey-test.XXXXXX";
    int fd = mkostemp(path, 0);
    cr_assert(fd >= 0 && unlink(path) == 0);
    cr_assert_eq(write(fd, text, strlen(text)), (gssize)strlen(text));
    Header *header = header_read(fd, NULL);
    cr_assert_not_null(header);
    (void)close(fd);
    return header;
}

/* The first field of text as it goes out. */
static char *encode(const char *text, gboolean utf8, gboolean *needs_utf8)
{
    g_autoptr(Header) header = read_header(text);
    g_autoptr(GError) error = NULL;
    GString *out = g_string_new(NULL);
    *needs_utf8 = FALSE;
    cr_assert(header_encode(g_ptr_array_index(header->entries, 0), utf8, needs_utf8, out, &error),
              "%s", error ? error->message : "");
    return g_string_free(out, FALSE);
}

static void expect(const char *in, const char *expected)
{
    gboolean needs_utf8;
    g_autofree char *field = g_strconcat(in, "\n", NULL);
    g_autofree char *out = encode(field, FALSE, &needs_utf8);
    g_autofree char *line = g_strconcat(expected, "\r\n", NULL);
    cr_expect_str_eq(out, line);
    cr_expect_not(needs_utf8);
}

/* Between two encoded words a blank does not count: "a" and "b" would be shown as "ab". */
Test(header_encode, no_blank_gets_lost_beside_an_encoded_word_that_was_there)
{
    expect("Subject: =?UTF-8?B?YQ==?= \303\274", "Subject: =?UTF-8?B?YQ==?= =?UTF-8?B?IMO8?=");
    expect("Subject: \303\274 =?UTF-8?B?YQ==?=", "Subject: =?UTF-8?B?w7wg?= =?UTF-8?B?YQ==?=");
    expect("Subject: =?UTF-8?B?YQ==?= b \303\274", "Subject: =?UTF-8?B?YQ==?= b =?UTF-8?B?w7w=?=");
    expect("Subject:\303\274", "Subject: =?UTF-8?B?w7w=?=");
    expect("Subject: a\n \303\274\n \303\274", "Subject: a\r\n =?UTF-8?B?w7wgw7w=?=");
}

Test(header_encode, quoted_strings_and_atoms_of_a_name_keep_their_blanks)
{
    expect("From: \"M\303\274\" \"x \303\274\" <a@b>", "From: =?UTF-8?B?TcO8IHggw7w=?= <a@b>");
    expect("From: \"Max\" M\303\274 <a@b>", "From: \"Max\" =?UTF-8?B?TcO8?= <a@b>");
    expect("From: J. \"\303\274\" <a@b>", "From: J. =?UTF-8?B?w7w=?= <a@b>");
    expect("From: \"\303\274\"x <a@b>", "From: =?UTF-8?B?w7x4?= <a@b>");
    expect("From: \"a\\\"\303\274\" <a@b>", "From: =?UTF-8?B?YSLDvA==?= <a@b>");
}

/* RFC 2047 section 5. */
Test(header_encode, an_encoded_word_touches_nothing)
{
    expect("From: \"\303\274\"<a@b>", "From: =?UTF-8?B?w7w=?= <a@b>");
    expect("From: \303\274<a@b>", "From: =?UTF-8?B?w7w=?= <a@b>");
    expect("To: a@b,\303\274 <c@d>", "To: a@b, =?UTF-8?B?w7w=?= <c@d>");
    expect("To: \303\274: a@b, c@d;", "To: =?UTF-8?B?w7w=?= : a@b, c@d;");
    expect("To: \303\274(x) <c@d>", "To: =?UTF-8?B?w7w=?= (x) <c@d>");
}

Test(header_encode, nothing_is_lost_of_what_has_no_end)
{
    expect("From: \"J\303\274n", "From: =?UTF-8?B?SsO8bg==?=");
    expect("From: a@b (J\303\274n", "From: a@b (=?UTF-8?B?SsO8bg==?=)");
    expect("From: a@b (\303\274\\)", "From: a@b (=?UTF-8?B?w7wp?=)");
    expect("From: a@b (\303\274", "From: a@b (=?UTF-8?B?w7w=?=)");
}

Test(header_encode, comments_may_be_nested_and_escaped)
{
    expect("From: a@b (x (\303\274) y)", "From: a@b (=?UTF-8?B?eCAow7wpIHk=?=)");
    expect("From: a@b (\\(\303\274)", "From: a@b (=?UTF-8?B?KMO8?=)");
}

Test(header_encode, an_address_with_an_angle_in_quotes_is_one)
{
    expect("To: <\"a>b\"@b\303\274cher.example>", "To: <\"a>b\"@xn--bcher-kva.example>");
    expect("To: \303\274 @ home <a@b>", "To: =?UTF-8?B?w7w=?= @ home <a@b>");
}

/* Encoded words have no place there, and BODY=8BITMIME is for the body alone. */
Test(header_encode, mime_parameters_beyond_ascii_are_extended_ones)
{
    expect("Content-Disposition: attachment; filename=\"\303\274 1;2.txt\"; size=3",
           "Content-Disposition: attachment; filename*=UTF-8''%C3%BC%201%3B2.txt; size=3");
    expect("Content-Type: text/plain; name=\303\274.txt",
           "Content-Type: text/plain; name*=UTF-8''%C3%BC.txt");
    expect("Content-Type: text/plain;\n name=\"\\\"\374\"",
           "Content-Type: text/plain;\r\n name*=unknown-8bit''%22%FC");
    expect("Content-Type: text/plain (\303\274)", "Content-Type: text/plain =?UTF-8?B?KMO8KQ==?=");
    expect("Content-Type: text/plain; name=\"\303\274",
           "Content-Type: text/plain; =?UTF-8?B?bmFtZT0iw7w=?=");
    expect("Content-Description: \303\274", "Content-Description: =?UTF-8?B?w7w=?=");
    expect("Content-Type: text/plain; name=\"a;b\"", "Content-Type: text/plain; name=\"a;b\"");
}

/* RFC 6532 section 3.1. */
Test(header_encode, with_smtputf8_goes_only_what_is_utf8)
{
    gboolean needs_utf8;
    g_autofree char *utf8 = encode("Subject: \303\274\n", TRUE, &needs_utf8);
    g_autofree char *latin1 = encode("Subject: \374\n", TRUE, &needs_utf8);
    cr_expect_str_eq(utf8, "Subject: \303\274\r\n");
    cr_expect_str_eq(latin1, "Subject: =?unknown-8bit?B?/A==?=\r\n");
}

static void expect_lines_fit(const char *out)
{
    g_auto(GStrv) lines = g_strsplit(out, "\r\n", -1);
    for (guint i = 0; lines[i]; i++) {
        cr_expect_leq(strlen(lines[i]), 998);
        cr_expect(!*lines[i] || lines[i][strspn(lines[i], " \t")], "a line of blanks alone");
    }
}

Test(header_encode, many_addresses_without_a_blank_are_folded_behind_commas)
{
    gboolean needs_utf8;
    g_autoptr(GString) in = g_string_new("To:\"a,b\"@x");
    for (guint i = 0; i < 200; i++)
        g_string_append_printf(in, ",user%u@x.example", i);
    g_string_append_c(in, '\n');
    g_autofree char *out = encode(in->str, FALSE, &needs_utf8);
    expect_lines_fit(out);
    g_auto(GStrv) parts = g_strsplit(out, "\r\n", -1);
    g_autofree char *joined = g_strjoinv("", parts);
    g_autoptr(GString) tight = g_string_new(joined);
    g_string_replace(tight, ", ", ",", 0);
    g_string_append_c(tight, '\n');
    cr_expect_str_eq(tight->str, in->str);
}

Test(header_encode, no_fold_makes_a_line_of_blanks_or_parts_an_escape)
{
    gboolean needs_utf8;
    g_autofree char *word = g_strnfill(990, 'x');
    g_autofree char *blanks = g_strnfill(1500, ' ');
    g_autofree char *trailing = g_strdup_printf("X: %s%s\n", word, blanks);
    g_autofree char *out = encode(trailing, FALSE, &needs_utf8);
    expect_lines_fit(out);
    g_autofree char *escape = g_strdup_printf("X: \"%.900s %.92s\\ %.500s\"\n", word, word, word);
    g_autofree char *folded = encode(escape, FALSE, &needs_utf8);
    expect_lines_fit(folded);
    cr_expect_null(strstr(folded, "\\\r\n"));
}

/* A megabyte of folds, or of text beyond ASCII, must not take minutes. */
Test(header_encode, a_header_of_a_megabyte_takes_no_longer_than_it_is_long, .timeout = 10)
{
    gboolean needs_utf8;
    g_autoptr(GString) in = g_string_new("Subject: \303\274");
    while (in->len < HEADER_MAX_LEN - 10)
        g_string_append(in, "\n x");
    g_string_append_c(in, '\n');
    g_autofree char *out = encode(in->str, FALSE, &needs_utf8);
    cr_expect(g_str_is_ascii(out));
    g_string_assign(in, "Subject: ");
    while (in->len < HEADER_MAX_LEN - 10)
        g_string_append(in, "\303\274");
    g_string_append_c(in, '\n');
    g_autofree char *words = encode(in->str, FALSE, &needs_utf8);
    cr_expect(g_str_is_ascii(words));
}

static GPtrArray *addresses_of(const char *value, gboolean *ok)
{
    GPtrArray *addresses = g_ptr_array_new_with_free_func(g_free);
    *ok = address_list_parse(value, addresses, NULL);
    return addresses;
}

/* A name beyond ASCII without a domain is a word of the list, and encoded as one. */
static gboolean has_bare_name(const GPtrArray *addresses)
{
    for (guint i = 0; i < addresses->len; i++)
        if (!g_str_is_ascii(g_ptr_array_index(addresses, i)) &&
            address_is_local(g_ptr_array_index(addresses, i), NULL))
            return TRUE;
    return FALSE;
}

/* Whatever stands in the list: who was meant before is meant afterwards, and nothing but an address
 * is left beyond ASCII. */
Test(header_encode, an_encoded_list_names_the_same_people)
{
    static const char *const pieces[] = {
        "a@b",  "\303\274", "\"",       "(",     ")",    "<",          ">",
        ",",    ";",        ":",        "\\",    " ",    "\n ",        "c@d\303\274.ex",
        "x",    "\"q \\\"", "\"",       "<e@f>", "<g@h", "(\303\274)", ", ",
        "\374", "@",        "=?a?Q?b?="};
    GRand *rand = g_rand_new_with_seed(29);
    guint valid = 0;
    for (guint round = 0; round < 200000; round++) {
        g_autoptr(GString) in = g_string_new("To: ");
        gint32 count = g_rand_int_range(rand, 1, 9);
        while (count-- > 0)
            g_string_append(in, pieces[g_rand_int_range(rand, 0, (gint32)G_N_ELEMENTS(pieces))]);
        if (round % 1000 == 0) /* too long for a line */
            for (guint i = 0; i < 300; i++)
                g_string_append_printf(in, ",u%u@x", i);
        g_string_append_c(in, '\n');
        gboolean ok, again, needs_utf8;
        g_autoptr(GPtrArray) before = addresses_of(in->str + 4, &ok);
        if (!ok || has_bare_name(before))
            continue;
        valid++;
        g_autofree char *out = encode(in->str, FALSE, &needs_utf8);
        cr_assert(needs_utf8 || g_str_is_ascii(out), "%s became %s", in->str, out);
        g_autoptr(GPtrArray) after = addresses_of(out + 4, &again);
        cr_assert(again && after->len == before->len, "%s became %s", in->str, out);
        for (guint i = 0; i < before->len; i++)
            cr_assert_str_eq(g_ptr_array_index(before, i), g_ptr_array_index(after, i));
    }
    cr_expect_gt(valid, 1000, "%u", valid);
    g_rand_free(rand);
}

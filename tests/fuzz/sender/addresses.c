/* An address list, as it stands in a header or on the command line. */

#include "address.h"
#include "fuzz.h"

#include <string.h>

/* It can stand between "<" and ">" of a command. */
static void check(const char *address)
{
    gboolean quoted = FALSE;
    g_assert_true(address_check(address, NULL));
    g_assert_cmpuint(strlen(address), <=, ADDRESS_MAX_LEN);
    g_assert_true(g_utf8_validate(address, -1, NULL));
    for (const char *at = address; *at; at++) {
        g_assert_false(g_ascii_iscntrl(*at));
        if (*at == '\\' && quoted && at[1])
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted)
            g_assert_null(strchr(" <>,;", *at));
    }
    g_assert_false(quoted);
    g_autofree char *ascii = address_to_ascii(address);
    g_assert_cmpstr(ascii, ==, address);
}

static void check_all(const GPtrArray *addresses)
{
    for (guint i = 0; i < addresses->len; i++) {
        check(g_ptr_array_index(addresses, i));
        for (guint j = 0; j < i && j < 100; j++)
            g_assert_false(
                address_equal(g_ptr_array_index(addresses, i), g_ptr_array_index(addresses, j)));
    }
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    g_autofree char *text = g_strndup((const char *)bytes, len);
    g_autoptr(GPtrArray) listed = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) named = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    gboolean taken = address_list_parse(text, listed, &error);
    g_assert_true(taken == !error);
    check_all(listed);
    (void)address_argument_parse(text, named, NULL); /* any answer will do */
    check_all(named);
    g_autofree char *one = address_parse_one(text, NULL);
    if (one)
        check(one);
    if (address_check(text, NULL))
        g_assert_nonnull(strchr(text, '@'));
    g_autofree char *ascii = address_to_ascii(text);
    g_assert_nonnull(ascii);
    return taken ? FUZZ_TAKEN : FUZZ_REFUSED;
}

#include "form.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(form);

Test(form, the_example_of_rfc_6749_appendix_b)
{
    g_autofree char *encoded = form_encode_value(" %&+\xc2\xa3\xe2\x82\xac");
    cr_expect_str_eq(encoded, "+%25%26%2B%C2%A3%E2%82%AC");
}

Test(form, every_byte_but_the_unreserved_is_escaped)
{
    for (int c = 1; c < 256; c++) {
        const char text[] = {(char)c, 0};
        g_autofree char *encoded = form_encode_value(text);
        g_autofree char *escaped = g_strdup_printf("%%%02X", (guint)c);
        gboolean plain = c < 128 && (g_ascii_isalnum((char)c) || strchr("-._~", c));
        cr_expect_str_eq(encoded, plain ? text : c == ' ' ? "+" : escaped);
    }
}

Test(form, fields_without_a_value_are_left_out)
{
    const FormField fields[] = {{"none", NULL}, {"a b", "="}, {"none", NULL}, {"empty", ""}};
    g_autofree char *encoded = form_encode(fields, G_N_ELEMENTS(fields));
    g_autofree char *nothing = form_encode(fields, 1);
    cr_expect_str_eq(encoded, "a+b=%3D&empty=");
    cr_expect_str_eq(nothing, "");
}

Test(form, what_was_encoded_is_decoded)
{
    const char *odd = "a b+c%d&e=f/\"\\\r\n\t~*\xe2\x82\xac";
    const FormField fields[] = {{"odd", odd}, {odd, "name"}};
    g_autofree char *encoded = form_encode(fields, G_N_ELEMENTS(fields));
    g_autoptr(GHashTable) decoded = form_decode(encoded, NULL);
    cr_assert_not_null(decoded);
    cr_expect_str_eq(g_hash_table_lookup(decoded, "odd"), odd);
    cr_expect_str_eq(g_hash_table_lookup(decoded, odd), "name");
}

Test(form, loose_forms_are_read)
{
    g_autoptr(GHashTable) fields = form_decode("&a=1&&b&c==&d=%2b%2B&", NULL);
    cr_assert_not_null(fields);
    cr_expect_eq(g_hash_table_size(fields), 4);
    cr_expect_str_eq(g_hash_table_lookup(fields, "a"), "1");
    cr_expect_str_eq(g_hash_table_lookup(fields, "b"), "");
    cr_expect_str_eq(g_hash_table_lookup(fields, "c"), "=");
    cr_expect_str_eq(g_hash_table_lookup(fields, "d"), "++");
}

static void expect_refused(const char *text)
{
    g_autoptr(GError) error = NULL;
    cr_expect_null(form_decode(text, &error), "%.60s", text);
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
}

Test(form, broken_text_is_refused)
{
    static const char *const texts[] = {
        "a=%",    "a=%4",      "a=%zz",   "a=%4z",       "%=1", "a=%00",     "%00=a", "a=%ff",
        "a=\xff", "a=%C3&b=1", "a=1&a=2", "a=1&b=2&a=1", "a&a", "a=1&%61=2", "=1&=2",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        expect_refused(texts[i]);
}

Test(form, too_much_is_refused)
{
    g_autofree char *fill = g_strnfill(FORM_MAX_LEN, 'x');
    g_autofree char *huge = g_strconcat("a=", fill, NULL);
    g_autoptr(GString) many = g_string_new(NULL);
    for (int i = 0; i <= FORM_MAX_FIELDS; i++)
        g_string_append_printf(many, "f%d=1&", i);
    expect_refused(huge);
    expect_refused(many->str);
}

#include "json.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>

static cJSON *parse(const char *text)
{
    return json_parse(text, strlen(text), NULL);
}

Test(json, what_cjson_lets_pass_is_refused)
{
    static const char *const hostile[] = {
        "",
        "{",
        "{}x",
        "{} {}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "[{\"a\":1,\"a\":1}]",
        "{\"a\":\"x\\u0000y\"}",
        "{\"\\u0000\":1}",
        "{\"a\":\"\\\\\\u0000\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\xaf\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":9007199254740993}",
        "{\"a\":1e400}",
        "{\"a\":-1e400}",
        "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]",
        "{\"a\":tru}",
        "{'a':1}",
        "{\"a\":1,}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(cJSON) value = json_parse(hostile[i], strlen(hostile[i]), &error);
        cr_expect_null(value, "taken: %s", hostile[i]);
        cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_PROTOCOL), "%s", hostile[i]);
    }
}

/* An object with 2^17 keys. "ab" and "bA" have the same hash in GLib's tables, and so has whatever
 * is made of as many of them. */
static char *object_of_keys_with_one_hash(gboolean last_twice)
{
    GString *text = g_string_new("{");
    guint count = 1U << 17;
    for (guint i = 0; i < count; i++) {
        guint chosen = last_twice && i == 0 ? count - 1 : i;
        g_string_append_c(text, '"');
        for (guint bit = 0; bit < 17; bit++)
            g_string_append(text, chosen >> bit & 1 ? "bA" : "ab");
        g_string_append(text, i + 1 < count ? "\":0," : "\":0}");
    }
    return g_string_free(text, FALSE);
}

Test(json, keys_chosen_to_collide_are_compared_without_a_stall, .timeout = 60)
{
    g_autofree char *text = object_of_keys_with_one_hash(FALSE);
    g_autofree char *twice = object_of_keys_with_one_hash(TRUE);
    g_autoptr(cJSON) value = parse(text);
    cr_expect_not_null(value);
    cr_expect_null(parse(twice));
}

Test(json, a_nul_byte_inside_the_text_is_refused)
{
    static const char text[] = "{\"a\":1}\0{\"b\":2}";
    cr_expect_null(json_parse(text, sizeof text - 1, NULL));
}

Test(json, an_escaped_backslash_before_u0000_is_innocent)
{
    g_autoptr(cJSON) value = parse("{\"a\":\"\\\\u0000\"}");
    cr_expect_str_eq(json_string_or(value, "a", ""), "\\u0000");
}

Test(json, getters_tell_absent_from_wrong_and_compare_keys_with_case)
{
    g_autoptr(cJSON) value = parse(
        " {\"s\":\"x\",\"i\":3,\"f\":3.5,\"n\":null,\"b\":true,\"l\":[\"a\",\"b\"],\"m\":[1]} ");
    const char *string = "untouched";
    gint64 number = -7;
    gboolean flag = FALSE;
    cr_expect_eq(json_string(value, "S", &string), JSON_ABSENT);
    cr_expect_eq(json_string(value, "n", &string), JSON_ABSENT);
    cr_expect_eq(json_string(value, "i", &string), JSON_WRONG_TYPE);
    cr_expect_str_eq(string, "untouched");
    cr_expect_eq(json_int(value, "f", &number), JSON_WRONG_TYPE);
    cr_expect_eq(number, -7);
    cr_expect_eq(json_int(value, "i", &number), JSON_FOUND);
    cr_expect_eq(number, 3);
    cr_expect_eq(json_bool(value, "b", &flag), JSON_FOUND);
    cr_expect(flag);
    g_auto(GStrv) list = json_strings(value, "l");
    cr_expect_eq(g_strv_length(list), 2);
    cr_expect_null(json_strings(value, "m"));
    g_auto(GStrv) none = json_strings(value, "none");
    cr_expect_eq(g_strv_length(none), 0);
}

Test(json, an_object_is_asked_for_and_a_list_refused)
{
    cr_expect_null(json_parse_object("[]", 2, NULL));
    g_autoptr(cJSON) object = json_parse_object("{}", 2, NULL);
    cr_expect_not_null(object);
}

Test(json, what_is_absent_is_not_written)
{
    g_autoptr(cJSON) object = cJSON_CreateObject();
    json_add_string(object, "a", NULL);
    json_add_time(object, "b", -1);
    json_add_time(object, "c", 0);
    json_add_strings(object, "d", NULL);
    g_autofree char *text = json_format(object);
    cr_expect_str_eq(text, "{\"c\":0,\"d\":[]}");
}

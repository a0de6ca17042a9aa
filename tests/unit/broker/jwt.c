#include "jwt.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(jwt);

static char *token_of(const char *claims)
{
    g_autofree char *payload = g_base64_encode((const guchar *)claims, strlen(claims));
    g_strdelimit(payload, "+", '-');
    g_strdelimit(payload, "/", '_');
    payload[strcspn(payload, "=")] = 0;
    return g_strconcat("eyJhbGciOiJSUzI1NiJ9.", payload, ".c2lnbmF0dXJl", NULL);
}

static void expect_refused(const char *token)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(cJSON) claims = jwt_claims(token, &error);
    cr_expect_null(claims, "%.60s", token);
    cr_assert_not_null(error, "%.60s", token);
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_PROTOCOL));
}

Test(jwt, claims_of_rfc_7515_appendix_a_1)
{
    g_autoptr(cJSON) claims = jwt_claims(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"
        "VlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        NULL);
    cr_assert_not_null(claims);
    cr_expect_str_eq(json_string_or(claims, "iss", ""), "joe");
    cr_expect_eq(json_int_or(claims, "exp", 0), 1300819380);
}

Test(jwt, every_length_of_padding_is_read)
{
    static const char *const names[] = {"a", "ab", "abc", "abcd", "\xc3\xbf\xc3\xbf\xc3\xbe"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text = g_strdup_printf("{\"sub\":\"%s\"}", names[i]);
        g_autofree char *token = token_of(text);
        g_autoptr(cJSON) claims = jwt_claims(token, NULL);
        cr_assert_not_null(claims, "%s", token);
        cr_expect_str_eq(json_string_or(claims, "sub", ""), names[i]);
    }
}

Test(jwt, what_has_not_three_parts_of_base64url_is_refused)
{
    static const char *const tokens[] = {
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "e30.e30",
        "e30.e.e30",
        "e30.e30=.e30",
        "e30. e30.e30",
        "e30.e30.e30.e30.e30",
        "e30.e+0.e30",
        "e30.e/0.e30",
        "e30.e30\n.e30",
        "\xff.\xff.\xff",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(tokens); i++)
        expect_refused(tokens[i]);
}

Test(jwt, claims_that_are_no_strict_object_are_refused)
{
    static const char *const claims[] = {
        "[]", "\"x\"", "1", "null", "{", "{}x", "{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}", " ",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(claims); i++) {
        g_autofree char *token = token_of(claims[i]);
        expect_refused(token);
    }
}

Test(jwt, a_token_beyond_the_maximum_is_refused)
{
    g_autofree char *fill = g_strnfill(JWT_MAX_LEN, 'x');
    g_autofree char *text = g_strdup_printf("{\"sub\":\"%s\"}", fill);
    g_autofree char *token = token_of(text);
    expect_refused(token);
}

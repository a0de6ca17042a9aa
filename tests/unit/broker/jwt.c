#include "jwt.h"

#include "errors.h"
#include "keys.h"

#include <criterion/criterion.h>
#include <gnutls/abstract.h>
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

/* ---- signing ---- */

static gnutls_pubkey_t public_key(void)
{
    gnutls_pubkey_t key;
    gnutls_datum_t pem = {(unsigned char *)public_pem, (unsigned int)strlen(public_pem)};
    cr_assert_eq(gnutls_pubkey_init(&key), 0);
    cr_assert_eq(gnutls_pubkey_import(key, &pem, GNUTLS_X509_FMT_PEM), 0);
    return key;
}

static guchar *decode(const char *part, gsize *len)
{
    g_autofree char *padded = g_strconcat(part, "===", NULL);
    g_strdelimit(padded, "-", '+');
    g_strdelimit(padded, "_", '/');
    padded[(strlen(part) + 3) / 4 * 4] = 0;
    return g_base64_decode(padded, len);
}

static int verify(const char *token)
{
    gsize len = 0;
    gnutls_pubkey_t key = public_key();
    const char *last = strrchr(token, '.');
    g_autofree guchar *signature = decode(last + 1, &len);
    gnutls_datum_t data = {(unsigned char *)token, (unsigned int)(last - token)};
    gnutls_datum_t signed_bytes = {signature, (unsigned int)len};
    int verdict = gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_RSA_SHA256, 0, &data, &signed_bytes);
    gnutls_pubkey_deinit(key);
    return verdict;
}

Test(jwt, what_is_signed_is_verified_by_the_public_key)
{
    g_autoptr(Secret) key = secret_new(private_pem, -1);
    g_autoptr(GError) error = NULL;
    g_autoptr(Secret) token = jwt_sign_rs256("{\"iss\":\"robot@x.test\"}", "k1", key, &error);
    cr_assert_not_null(token, "%s", error ? error->message : "");
    cr_expect(verify(secret_reveal(token)) >= 0);
    g_auto(GStrv) parts = g_strsplit(secret_reveal(token), ".", -1);
    gsize len = 0;
    g_autofree guchar *header = decode(parts[0], &len);
    cr_expect_eq(len, strlen("{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}"));
    cr_expect_eq(memcmp(header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}", len), 0);
    g_autoptr(cJSON) claims = jwt_claims(secret_reveal(token), NULL);
    cr_expect_str_eq(json_string_or(claims, "iss", ""), "robot@x.test");
}

Test(jwt, a_signature_is_for_these_claims_alone)
{
    g_autoptr(Secret) key = secret_new(private_pem, -1);
    g_autoptr(Secret) token = jwt_sign_rs256("{\"iss\":\"robot@x.test\"}", NULL, key, NULL);
    cr_assert_not_null(token);
    g_autofree char *other = g_strdup(secret_reveal(token));
    char *middle = strchr(other, '.') + 2;
    *middle = *middle == 'A' ? 'B' : 'A';
    cr_expect(verify(other) < 0);
}

Test(jwt, what_is_no_rsa_key_of_2048_bits_signs_nothing)
{
    static const char *const keys[] = {"", "no key", weak_pem, curve_pem};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autoptr(Secret) key = secret_new(keys[i], -1);
        g_autoptr(GError) error = NULL;
        cr_expect_null(jwt_sign_rs256("{}", NULL, key, &error), "%zu", i);
        cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED), "%zu", i);
        cr_expect_not_null(error_meaning(error));
    }
}

#include "sasl.h"

#include <criterion/criterion.h>

/* Google's own example. */
Test(sasl, xoauth2_is_googles_vector)
{
    g_autoptr(Secret) token = secret_new("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", -1);
    g_autoptr(Secret) response = sasl_xoauth2("someuser@example.com", token);
    cr_expect_str_eq(secret_reveal(response), "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5"
                                              "YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1s"
                                              "emRHRXVZMjl0Q2cBAQ==");
}

static char *decode(const Secret *response)
{
    gsize len;
    return (char *)g_base64_decode(secret_reveal(response), &len);
}

/* The example of RFC 7628 section 4.1. */
Test(sasl, oauthbearer_is_the_rfcs_example)
{
    g_autoptr(Secret) token = secret_new("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", -1);
    g_autoptr(Secret) response =
        sasl_oauthbearer("user@example.com", "server.example.com", 143, token);
    g_autofree char *plain = decode(response);
    cr_expect_str_eq(plain, "n,a=user@example.com,\001host=server.example.com\001port=143\001"
                            "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001");
}

Test(sasl, comma_and_equals_in_a_name_are_escaped_and_host_and_port_may_be_left_out)
{
    g_autoptr(Secret) token = secret_new("t", -1);
    g_autoptr(Secret) response = sasl_oauthbearer("a,b=c@x", NULL, 0, token);
    g_autofree char *plain = decode(response);
    cr_expect_str_eq(plain, "n,a=a=2Cb=3Dc@x,\001auth=Bearer t\001\001");
}

Test(sasl, control_characters_cannot_break_out_of_their_field)
{
    g_autoptr(Secret) token = secret_new("token", -1);
    g_autoptr(Secret) split = secret_new("to\001ken", -1);
    cr_expect_null(sasl_xoauth2("you\001auth=Bearer x", token));
    cr_expect_null(sasl_xoauth2("you", split));
    cr_expect_null(sasl_oauthbearer("you\r\n", NULL, 0, token));
    cr_expect_null(sasl_oauthbearer("you", "host\001", 0, token));
}

Test(sasl, the_answer_to_a_refusal_is_that_of_the_mechanism)
{
    cr_expect_str_eq(sasl_error_answer("XOAUTH2"), "");
    cr_expect_str_eq(sasl_error_answer("OAUTHBEARER"), "AQ==");
}

Test(sasl, a_refusal_is_put_into_words_and_nonsense_is_none)
{
    static const char json[] =
        "{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"https://mail.google.com/\"}";
    g_autofree char *base64 = g_base64_encode((const guchar *)json, sizeof json - 1);
    g_autofree char *words = sasl_error_challenge(base64);
    cr_expect_str_eq(words, "status 400, wants the scope https://mail.google.com/");
    cr_expect_null(sasl_error_challenge("bm9uc2Vuc2U="));
    cr_expect_null(sasl_error_challenge(""));
}

Test(sasl, plain_is_the_rfcs_example)
{
    /* RFC 4616 section 4, without the authorization identity */
    g_autoptr(Secret) password = secret_new("tanstaaftanstaaf", -1);
    g_autoptr(Secret) response = sasl_plain("tim", password);
    cr_expect_str_eq(secret_reveal(response), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
}

Test(sasl, passwords_keep_to_their_fields)
{
    g_autoptr(Secret) good = secret_new("p\xc3\xa4ss word", -1);
    g_autoptr(Secret) bad = secret_new("a\nb", -1);
    g_autoptr(Secret) answer = sasl_login("p\xc3\xa4ss word");
    cr_expect_str_eq(secret_reveal(answer), "cMOkc3Mgd29yZA==");
    cr_expect_null(sasl_plain("you", bad));
    cr_expect_null(sasl_plain("y\rou", good));
    cr_expect_null(sasl_login("a\nb"));
}

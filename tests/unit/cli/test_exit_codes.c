#include "errors.h"
#include "exit_codes.h"

#include <criterion/criterion.h>

Test(exit_codes, each_error_has_the_documented_exit_code)
{
    static const struct {
        PostkeyErrorCode code;
        int exit_code;
    } documented[] = {
        {POSTKEY_ERROR_USAGE, 2},
        {POSTKEY_ERROR_REFUSED, 2},
        {POSTKEY_ERROR_ACCOUNT_NOT_FOUND, 7},
        {POSTKEY_ERROR_ACCOUNT_AMBIGUOUS, 7},
        {POSTKEY_ERROR_CLIENT_NOT_FOUND, 8},
        {POSTKEY_ERROR_AUTHORIZATION, 3},
        {POSTKEY_ERROR_CONFIGURATION, 8},
        {POSTKEY_ERROR_UNAVAILABLE, 4},
        {POSTKEY_ERROR_THROTTLED, 4},
        {POSTKEY_ERROR_KEYRING_LOCKED, 5},
        {POSTKEY_ERROR_KEYRING_UNAVAILABLE, 5},
        {POSTKEY_ERROR_PERMISSION, 6},
        {POSTKEY_ERROR_CANCELLED, 1},
        {POSTKEY_ERROR_PROTOCOL, 1},
        {POSTKEY_ERROR_IO, 1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(documented); i++) {
        g_autoptr(GError) error = NULL;
        error_set(&error, documented[i].code, NULL, NULL, "it failed");
        cr_assert_eq(exit_code_of(error), documented[i].exit_code, "code %d", documented[i].code);
    }
}

Test(exit_codes, what_is_said_without_a_meaning_gets_that_of_its_code)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_USAGE, NULL, NULL, "--for is missing");
    cr_assert_not_null(exit_meaning_of(error));
    cr_assert_not_null(exit_remedy_of(error));
}

Test(exit_codes, success_is_0_and_a_foreign_error_1)
{
    g_autoptr(GError) foreign = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOENT, "it failed");
    cr_assert_eq(exit_code_of(NULL), 0);
    cr_assert_eq(exit_code_of(foreign), 1);
    cr_assert_null(exit_meaning_of(foreign));
    cr_assert_null(exit_remedy_of(foreign));
}

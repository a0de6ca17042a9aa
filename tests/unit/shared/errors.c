#include "errors.h"

#include <criterion/criterion.h>

static GError *make(void)
{
    GError *error = NULL;
    error_set(&error, POSTKEY_ERROR_UNAVAILABLE, "it rains", "wait", "no %s", "sun");
    return error;
}

Test(errors, the_three_parts_survive_prefix_and_copy)
{
    g_autoptr(GError) error = make();
    g_prefix_error(&error, "today: ");
    g_autoptr(GError) copy = g_error_copy(error);
    cr_expect_str_eq(copy->message, "today: no sun");
    cr_expect_str_eq(error_meaning(copy), "it rains");
    cr_expect_str_eq(error_remedy(copy), "wait");
    cr_expect(g_error_matches(copy, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE));
}

Test(errors, what_a_person_reads_has_three_parts)
{
    g_autoptr(GError) error = make();
    g_autofree char *text = error_explain("postkey", error);
    cr_expect_str_eq(text, "postkey: no sun\n  What it means: it rains\n  What to do:    wait\n");
}

Test(errors, a_foreign_error_is_explained_by_its_message_alone)
{
    g_autoptr(GError) error = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOENT, "gone");
    g_autofree char *text = error_explain("postkey", error);
    cr_expect_str_eq(text, "postkey: gone\n");
    cr_expect_null(error_meaning(error));
    cr_expect_eq(error_retry_after(error), -1);
    error_set_meaning(error, "ignored");
    cr_expect_null(error_meaning(error));
    error_set_remedy(error, "ignored");
    cr_expect_null(error_remedy(error));
}

Test(errors, the_time_of_another_try_is_unknown_until_it_is_set)
{
    g_autoptr(GError) error = make();
    cr_expect_eq(error_retry_after(error), -1);
    error_set_retry_after(error, 7);
    g_autoptr(GError) copy = g_error_copy(error);
    cr_expect_eq(error_retry_after(copy), 7);
}

Test(errors, nobody_has_to_take_an_error)
{
    error_set(NULL, POSTKEY_ERROR_IO, NULL, NULL, "unheard");
    cr_expect_null(error_meaning(NULL));
}

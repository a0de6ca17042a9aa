#include "output.h"

#include <criterion/criterion.h>

static void assert_printed(const char *text, const char *expected)
{
    g_autofree char *printable = output_printable(text);
    cr_assert_str_eq(printable, expected);
}

Test(output, nothing_from_outside_can_steer_the_terminal)
{
    assert_printed("plain, and gr\xc3\xbc\xc3\x9f", "plain, and gr\xc3\xbc\xc3\x9f");
    assert_printed("\033[31mred\007", "\\x1b[31mred\\x07");
    assert_printed("two\nlines", "two\\x0alines");
    assert_printed("\xc2\x9b"
                   "2J",
                   "\\x9b2J");
    assert_printed("moc.\xe2\x80\xaelgoog", "moc.\\u202elgoog");
    assert_printed("\xe2\x81\xa6x", "\\u2066x");
}

Test(output, bytes_that_are_no_utf8_are_replaced)
{
    g_autofree char *printable = output_printable("caf\xe9");
    cr_assert(g_utf8_validate(printable, -1, NULL));
}

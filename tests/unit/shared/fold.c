#include "fold.h"

#include <criterion/criterion.h>

static void expect_folded(const char *text, gsize columns, const char *expected)
{
    g_autofree char *folded = fold_text(text, columns);
    cr_expect_str_eq(folded, expected);
}

Test(fold, text_goes_on_below_itself)
{
    expect_folded("  What to do:    one two three four\n", 26,
                  "  What to do:    one two\n             three four\n");
    expect_folded("  What to do:    one two three four\n", 34,
                  "  What to do:    one two three\n                 four\n");
    expect_folded("postkey: one two three\n", 16, "postkey: one two\n        three\n");
    expect_folded("    one two three", 12, "    one two\n    three");
    expect_folded("one two three", 12, "one two\n    three");
    expect_folded("a long sentence before: two three", 24,
                  "a long sentence before:\n    two three");
}

Test(fold, what_fits_and_what_goes_to_no_terminal_is_left_alone)
{
    expect_folded("two  blanks \n\n  x:  y\n", 12, "two  blanks \n\n  x:  y\n");
    expect_folded("  What to do:    one two  three four\n", FOLD_NEVER,
                  "  What to do:    one two  three four\n");
    expect_folded("", 80, "");
}

Test(fold, a_long_word_stays_whole)
{
    expect_folded("go to https://example.org/a-long-one now", 16,
                  "go to\n    https://example.org/a-long-one\n    now");
}

Test(fold, a_command_in_quotes_stays_whole_where_a_line_has_room)
{
    expect_folded("please run (\"a b c\"), then", 16, "please run\n    (\"a b c\"),\n    then");
    expect_folded("he said \"it is far too long\" ok", 16,
                  "he said \"it is\n    far too\n    long\" ok");
}

Test(fold, width_is_counted_in_characters)
{
    expect_folded("\xc3\xbc\xc3\xbc\xc3\xbc \xc3\xbc\xc3\xbc\xc3\xbc", 7,
                  "\xc3\xbc\xc3\xbc\xc3\xbc \xc3\xbc\xc3\xbc\xc3\xbc");
    expect_folded("\xc3\xbc\xc3\xbc\xc3\xbc \xc3\xbc\xc3\xbc\xc3\xbc", 6,
                  "\xc3\xbc\xc3\xbc\xc3\xbc\n   \xc3\xbc\xc3\xbc\xc3\xbc");
}

Test(fold, what_is_no_terminal_has_no_width)
{
    FILE *file = tmpfile();
    cr_assert(file);
    cr_expect_eq(fold_columns(fileno(file)), FOLD_NEVER);
    fclose(file);
}

#include "lines.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    int ends[2];
    Lines *lines;
} Fixture;

static Fixture fixture_new(void)
{
    Fixture fixture;
    cr_assert_eq(pipe(fixture.ends), 0);
    fixture.lines = lines_new(fixture.ends[0]);
    return fixture;
}

static void say(const Fixture *fixture, const char *text)
{
    cr_assert_eq(write(fixture->ends[1], text, strlen(text)), (gssize)strlen(text));
}

static void assert_next(const Fixture *fixture, const char *expected)
{
    g_autofree char *line = lines_next(fixture->lines);
    if (expected)
        cr_assert_str_eq(line, expected);
    else
        cr_assert_null(line);
}

Test(lines, whole_lines_come_out_without_blanks_and_ends)
{
    Fixture fixture = fixture_new();
    say(&fixture, "one\r\n  two \n\nthr");
    cr_assert(lines_fill(fixture.lines));
    assert_next(&fixture, "one");
    assert_next(&fixture, "two");
    assert_next(&fixture, "");
    assert_next(&fixture, NULL);
    say(&fixture, "ee\n");
    cr_assert(lines_fill(fixture.lines));
    assert_next(&fixture, "three");
    lines_free(fixture.lines);
}

Test(lines, the_end_ends_the_last_line_too)
{
    Fixture fixture = fixture_new();
    say(&fixture, "last");
    close(fixture.ends[1]);
    cr_assert(lines_fill(fixture.lines));
    assert_next(&fixture, NULL);
    cr_assert_not(lines_fill(fixture.lines));
    assert_next(&fixture, "last");
    assert_next(&fixture, NULL);
    lines_free(fixture.lines);
}

Test(lines, an_overlong_line_is_thrown_away_and_the_next_one_is_whole)
{
    Fixture fixture = fixture_new();
    g_autofree char *part = g_strnfill(LINES_MAX_LEN, 'x');
    for (int i = 0; i < 3; i++) {
        say(&fixture, part);
        cr_assert(lines_fill(fixture.lines));
        assert_next(&fixture, NULL);
    }
    say(&fixture, "tail\nnext\n");
    cr_assert(lines_fill(fixture.lines));
    assert_next(&fixture, "");
    assert_next(&fixture, "next");
    lines_free(fixture.lines);
}

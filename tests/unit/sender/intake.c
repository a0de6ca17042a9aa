#include "intake.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What intake_read() keeps of text that arrives in pieces. */
static char *take(const char *text, gsize piece_len, gboolean dot_ends)
{
    int ends[2];
    gsize len = strlen(text);
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        for (gsize at = 0; at < len; at += piece_len)
            if (write(ends[1], text + at, MIN(piece_len, len - at)) < 0)
                _exit(1);
        _exit(0);
    }
    (void)close(ends[1]);
    int fd = intake_read(ends[0], dot_ends, NULL);
    (void)close(ends[0]);
    cr_assert_geq(fd, 0);
    struct stat st;
    cr_assert_eq(fstat(fd, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    cr_expect_eq(st.st_nlink, 0, "the file has a name");
    char *kept = g_malloc0((gsize)st.st_size + 1);
    cr_assert_eq(pread(fd, kept, (gsize)st.st_size, 0), st.st_size);
    (void)close(fd);
    return kept;
}

static void expect_kept(const char *text, gboolean dot_ends, const char *expected)
{
    for (gsize piece_len = 1; piece_len <= 8; piece_len += 7) {
        g_autofree char *kept = take(text, piece_len, dot_ends);
        cr_expect_str_eq(kept, expected, "%s gave %s", text, kept);
    }
}

Test(intake, a_lone_dot_ends_the_message_unless_told_otherwise)
{
    expect_kept("a\n.\nb\n", TRUE, "a\n");
    expect_kept("a\r\n.\r\nb\r\n", TRUE, "a\r\n");
    expect_kept("a\n.\nb\n", FALSE, "a\n.\nb\n");
    expect_kept(".\na\n", TRUE, "");
    expect_kept("a\n.", TRUE, "a\n");
    expect_kept("a\n.", FALSE, "a\n.");
}

Test(intake, other_dots_are_text)
{
    expect_kept("a\n..\n.b\n. \na.\n\n", TRUE, "a\n..\n.b\n. \na.\n\n");
    expect_kept("a\n.\rb\n", TRUE, "a\n.\rb\n");
    expect_kept("", TRUE, "");
}

Test(intake, a_descriptor_that_cannot_be_read_is_an_error)
{
    g_autoptr(GError) error = NULL;
    cr_expect_eq(intake_read(-1, TRUE, &error), -1);
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_IO));
}

Test(intake, an_unusable_tmpdir_is_passed_over)
{
    (void)setenv("TMPDIR", "/nonexistent/folder", 1);
    expect_kept("a\n", TRUE, "a\n");
}

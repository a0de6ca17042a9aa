#include "progress.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MB ((guint64)1000 * 1000)
#define SECOND ((gint64)G_USEC_PER_SEC)

/* What was drawn on the terminal so far. Returns owned. */
static char *drawn(int master)
{
    char bytes[4096];
    gssize got = read(master, bytes, sizeof bytes);
    return g_strndup(bytes, got > 0 ? (gsize)got : 0);
}

/* A terminal; *master sees what is written to it. */
static int make_terminal(int *master)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_geq(*master, 0);
    cr_assert_eq(grantpt(*master), 0);
    cr_assert_eq(unlockpt(*master), 0);
    int fd = open(ptsname(*master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

Test(progress, a_bar_has_the_width_that_it_is_given)
{
    g_autofree char *none = progress_bar(0, 20 * MB, 60);
    g_autofree char *some = progress_bar(8 * MB, 20 * MB, 60);
    g_autofree char *all = progress_bar(20 * MB, 20 * MB, 60);
    cr_expect_eq(strlen(none), 60);
    cr_expect_eq(strlen(some), 60);
    cr_expect_eq(strlen(all), 60);
    cr_expect(g_str_has_prefix(none, "[>"), "%s", none);
    cr_expect(g_str_has_suffix(some, "]  40 %  8.0 of 20.0 MB"), "%s", some);
    cr_expect(strstr(all, "=] 100 %"), "%s", all);
}

Test(progress, what_is_sent_at_once_needs_no_bar)
{
    int master, fd = make_terminal(&master);
    Progress *progress = progress_new(fd);
    progress_update(progress, 1 * MB, 2 * MB, 5 * SECOND);
    progress_update(progress, 2 * MB, 2 * MB, 5 * SECOND + SECOND / 2);
    progress_free(progress);
    g_autofree char *text = drawn(master);
    cr_expect_str_empty(text);
    (void)close(fd);
    (void)close(master);
}

Test(progress, what_takes_longer_has_one_and_it_goes_away)
{
    int master, fd = make_terminal(&master);
    Progress *progress = progress_new(fd);
    progress_update(progress, 1 * MB, 9 * MB, 5 * SECOND);
    progress_update(progress, 2 * MB, 9 * MB, 7 * SECOND);
    g_autofree char *bar = drawn(master);
    cr_expect(strstr(bar, "22 %"), "%s", bar);
    progress_free(progress);
    g_autofree char *gone = drawn(master);
    cr_expect_str_eq(gone, "\r\033[K");
    (void)close(fd);
    (void)close(master);
}

Test(progress, a_file_gets_no_bar)
{
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    Progress *progress = progress_new(ends[1]);
    progress_update(progress, 1 * MB, 9 * MB, 5 * SECOND);
    progress_update(progress, 2 * MB, 9 * MB, 9 * SECOND);
    progress_free(progress);
    g_autofree char *text = drawn(ends[0]);
    cr_expect_str_empty(text);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

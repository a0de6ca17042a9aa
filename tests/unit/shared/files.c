#include "errors.h"
#include "fileio.h"
#include "log.h"
#include "paths.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static void make_folder(void)
{
    folder = g_dir_make_tmp("postkey-files-XXXXXX", NULL);
    cr_assert_not_null(folder);
}

static void remove_folder(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        (void)g_remove(path);
        (void)g_rmdir(path);
    }
    (void)g_rmdir(folder);
    g_free(folder);
}

TestSuite(files, .init = make_folder, .fini = remove_folder);

static char *in_folder(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static guint count_files(void)
{
    guint count = 0;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    while (g_dir_read_name(dir))
        count++;
    return count;
}

Test(files, a_file_is_replaced_whole_with_its_mode_and_nothing_is_left_behind)
{
    g_autofree char *path = in_folder("f");
    g_autoptr(GError) error = NULL;
    gsize len;
    cr_assert(fileio_replace(path, "old", 3, 0600, &error));
    cr_assert(fileio_replace(path, "newer", 5, 0600, &error));
    g_autofree char *text = fileio_read(path, 100, &len, NULL, &error);
    struct stat st;
    cr_expect_str_eq(text, "newer");
    cr_expect_eq(len, 5);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    cr_expect_eq(count_files(), 1);
}

Test(files, a_file_that_cannot_be_replaced_is_as_it_was)
{
    g_autofree char *path = in_folder("d");
    g_autofree char *inside = g_build_filename(path, "x", NULL);
    g_autoptr(GError) error = NULL;
    cr_assert_eq(g_mkdir(path, 0700), 0);
    cr_assert(g_file_set_contents(inside, "kept", -1, NULL));
    cr_expect_not(fileio_replace(path, "new", 3, 0600, &error));
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_IO));
    cr_expect(g_file_test(inside, G_FILE_TEST_EXISTS));
    cr_expect_eq(count_files(), 1);
    (void)g_remove(inside);
}

Test(files, a_missing_file_a_folder_and_a_long_one_are_told_apart)
{
    g_autofree char *path = in_folder("none");
    g_autoptr(GError) error = NULL, other = NULL, too_long = NULL;
    gboolean missing = FALSE;
    gsize len;
    cr_expect_null(fileio_read(path, 100, &len, &missing, &error));
    cr_expect(missing);
    cr_expect_null(fileio_read(folder, 100, &len, &missing, &other));
    cr_expect_not(missing);
    cr_assert(fileio_replace(path, "12345", 5, 0600, NULL));
    cr_expect_null(fileio_read(path, 4, &len, NULL, &too_long));
    cr_expect(g_error_matches(too_long, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
}

Test(files, what_fails_is_told_in_three_parts)
{
    g_autofree char *nowhere = in_folder("none/file");
    gsize len;
    for (guint i = 0; i < 5; i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        int busy;
        if (i == 0)
            text = fileio_read(nowhere, 10, &len, NULL, &error);
        else if (i == 1)
            text = fileio_read(folder, 10, &len, NULL, &error);
        else if (i == 2)
            text = fileio_read_fd(1000000, 10, &len, &error);
        else if (i == 3)
            (void)fileio_replace(nowhere, "x", 1, 0600, &error); /* the error tells */
        else
            (void)fileio_lock(nowhere, FALSE, &busy, &error); /* likewise */
        cr_assert_not_null(error, "case %u", i);
        cr_expect_not_null(error_meaning(error), "%s", error->message);
        cr_expect_not_null(error_remedy(error), "%s", error->message);
    }
}

Test(files, a_lock_is_held_by_one_and_given_back_by_close)
{
    g_autofree char *path = in_folder("lock");
    g_autoptr(GError) error = NULL;
    gboolean busy;
    int first = fileio_lock(path, FALSE, &busy, &error);
    cr_assert_geq(first, 0);
    cr_expect_eq(fileio_lock(path, FALSE, &busy, &error), -1);
    cr_expect(busy);
    cr_expect_null(error);
    close(first);
    int second = fileio_lock(path, FALSE, &busy, &error);
    cr_expect_geq(second, 0);
    close(second);
}

Test(files, a_private_folder_is_made_private_and_an_open_one_refused)
{
    g_autofree char *path = in_folder("private");
    g_autofree char *link = in_folder("link");
    g_autoptr(GError) error = NULL, open_error = NULL, link_error = NULL;
    struct stat st;
    cr_assert(paths_private_dir(path, &error));
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0700);
    cr_assert_eq(chmod(path, 0755), 0);
    cr_expect_not(paths_private_dir(path, &open_error));
    cr_expect_not_null(error_remedy(open_error));
    cr_assert_eq(symlink(path, link), 0);
    cr_expect_not(paths_private_dir(link, &link_error));
}

Test(files, a_folder_of_another_user_is_told_from_an_open_one)
{
    g_autofree char *path = in_folder("of-another");
    g_autoptr(GError) error = NULL;
    cr_assert_eq(mkdir(path, 0700), 0);
    /* Only root can give a folder away; for all others / is of another user. */
    gboolean given = chown(path, 12345, (gid_t)-1) == 0;
    cr_expect_not(paths_private_dir(given ? path : "/", &error));
    cr_assert_not_null(error);
    cr_expect_not_null(strstr(error->message, given ? "belongs to uid 12345" : "belongs to uid 0"));
    cr_expect_null(strstr(error->message, "open to others"));
}

Test(files, text_from_outside_cannot_steer_a_terminal_or_break_a_line)
{
    g_autofree char *text = log_printable("a\nb\x1b[2J\xff \xc2\x9b \xe2\x80\xae \xc3\xbc", 100);
    cr_expect_str_eq(text, "a\\x0ab\\x1b[2J\xef\xbf\xbd \\x9b \\u202e \xc3\xbc");
    g_autofree char *cut = log_printable("12345", 3);
    cr_expect_str_eq(cut, "123");
}

Test(files, levels_have_names)
{
    LogLevel level;
    cr_assert(log_level_parse("debug", &level));
    cr_expect_eq(level, LOG_LEVEL_DEBUG);
    cr_expect_not(log_level_parse("loud", &level));
}

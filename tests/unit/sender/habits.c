#include "habits.h"

#include "fileio.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>

#define NOW ((gint64)1800000000)

static char *folder, *path;

static void make(void)
{
    folder = g_dir_make_tmp("postkey-test-XXXXXX", NULL);
    path = g_build_filename(folder, "state", "servers.json", NULL);
}

static void clean(void)
{
    g_autofree char *state = g_path_get_dirname(path);
    (void)g_unlink(path);
    (void)g_rmdir(state);
    (void)g_rmdir(folder);
    g_free(path);
    g_free(folder);
}

TestSuite(habits, .init = make, .fini = clean);

Test(habits, each_server_has_its_own)
{
    cr_expect_eq(habits_get(path, "a", 465, NOW), HABIT_NONE);
    cr_assert(habits_put(path, "a", 465, HABIT_CHUNKS_WAIT, NOW, NULL));
    cr_assert(habits_put(path, "b", 465, HABIT_NO_CHUNKS, NOW + 1, NULL));
    cr_expect_eq(habits_get(path, "A", 465, NOW + 2), HABIT_CHUNKS_WAIT);
    cr_expect_eq(habits_get(path, "b", 465, NOW + 2), HABIT_NO_CHUNKS);
    cr_expect_eq(habits_get(path, "a", 587, NOW + 2), HABIT_NONE);
    cr_assert(habits_put(path, "a", 465, HABIT_NO_CHUNKS, NOW + 3, NULL));
    cr_expect_eq(habits_get(path, "a", 465, NOW + 3), HABIT_NO_CHUNKS);
}

Test(habits, they_are_forgotten_after_a_while)
{
    cr_assert(habits_put(path, "a", 465, HABIT_CHUNKS_WAIT, NOW, NULL));
    cr_expect_eq(habits_get(path, "a", 465, NOW + HABIT_LASTS_S - 1), HABIT_CHUNKS_WAIT);
    cr_expect_eq(habits_get(path, "a", 465, NOW + HABIT_LASTS_S), HABIT_NONE);
    cr_expect_eq(habits_get(path, "a", 465, NOW - 1), HABIT_NONE, "a clock that was wrong");
}

Test(habits, the_file_does_not_grow)
{
    for (guint i = 0; i < 3 * HABITS_MAX_SERVERS; i++) {
        g_autofree char *host = g_strdup_printf("host-%u", i);
        cr_assert(habits_put(path, host, 465, HABIT_CHUNKS_WAIT, NOW + i, NULL));
    }
    gint64 then = NOW + 3 * HABITS_MAX_SERVERS;
    cr_expect_eq(habits_get(path, "host-191", 465, then), HABIT_CHUNKS_WAIT);
    cr_expect_eq(habits_get(path, "host-0", 465, then), HABIT_NONE);
}

Test(habits, a_damaged_file_is_a_bad_memory_and_nothing_else)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"servers\":7}",
                                        "{\"servers\":[7,{}]}",
                                        "{\"servers\":[{\"host\":\"a\",\"port\":465,\"habit\":"
                                        "\"from the future\",\"since\":1800000000}]}"};
    cr_assert(habits_put(path, "a", 465, HABIT_CHUNKS_WAIT, NOW, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        cr_assert(fileio_replace(path, texts[i], strlen(texts[i]), 0600, NULL));
        cr_expect_eq(habits_get(path, "a", 465, NOW), HABIT_NONE, "%s", texts[i]);
    }
    cr_assert(habits_put(path, "b", 465, HABIT_CHUNKS_WAIT, NOW, NULL));
    cr_expect_eq(habits_get(path, "b", 465, NOW), HABIT_CHUNKS_WAIT);
    cr_expect_eq(habits_get(NULL, "b", 465, NOW), HABIT_NONE);
}

#include "runner_items.h"

#include "fileio.h"
#include "schedule.h"

#include <criterion/criterion.h>
#include <unistd.h>

#define NOW ((gint64)1795183561)
#define DAY ((gint64)24 * 3600)

typedef struct {
    char *folder;
    Spool *spool;
    RunnerItems *items;
    guint news;
} Place;

static void changed(G_GNUC_UNUSED RunnerItem *item, gpointer data)
{
    ((Place *)data)->news++;
}

static Place *make_place(void)
{
    Place *place = g_new0(Place, 1);
    place->folder = g_dir_make_tmp("postkey-items-XXXXXX", NULL);
    place->spool = spool_open(place->folder, NULL, NULL);
    cr_assert_not_null(place->spool);
    place->items = runner_items_new(place->spool, changed, place);
    return place;
}

static void place_free(Place *place)
{
    runner_items_free(place->items);
    spool_close(place->spool);
    const char *argv[] = {"rm", "-rf", place->folder, NULL};
    cr_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                           NULL, NULL));
    g_free(place->folder);
    g_free(place);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Place, place_free)

/* A message of that uid that was tried at tried_at, and is to be tried in a minute. */
static SpoolEntry *add(const Place *place, gint64 uid, gint64 tried_at)
{
    int fd = spool_draft(place->spool, NULL);
    cr_assert(fileio_write_all(fd, "x\n", 2, NULL));
    Envelope *envelope = envelope_new();
    envelope->uid = uid;
    envelope->created_at = envelope->counted_at = tried_at;
    envelope->next_at = tried_at + 60;
    (void)envelope_add_recipient(envelope, "a@b.example");
    SpoolEntry *entry = spool_add(place->spool, fd, envelope, NULL, NULL);
    cr_assert_not_null(entry);
    return entry;
}

Test(runner_items, the_table_follows_the_folder)
{
    g_autoptr(Place) place = make_place();
    g_autoptr(SpoolEntry) entry = add(place, 7, NOW);
    guint messages, position = 0;
    gint64 bytes;
    runner_items_look(place->items, NOW);
    RunnerItem *item = runner_items_next(place->items, &position);
    cr_assert_not_null(item);
    cr_expect_str_eq(item->id, entry->id);
    cr_expect_eq(item->due_at, NOW + 60);
    cr_expect_null(runner_items_next(place->items, &position));
    runner_items_usage(place->items, 7, &messages, &bytes);
    cr_expect(messages == 1 && bytes == 2);
    runner_items_usage(place->items, 8, &messages, &bytes);
    cr_expect(messages == 0 && bytes == 0);
    cr_assert(spool_entry_remove(entry, SPOOL_SENT, NULL));
    runner_items_look(place->items, NOW);
    position = 0;
    cr_expect_null(runner_items_next(place->items, &position));
    cr_expect_eq(place->news, 0);
}

static void look_at(const char *id, G_GNUC_UNUSED const SpoolFate *fate, gpointer data)
{
    Place *place = data;
    runner_items_look_at(place->items, id, NOW);
}

Test(runner_items, what_happens_in_the_folder_is_told_by_name)
{
    g_autoptr(Place) place = make_place();
    guint position = 0;
    int fd = spool_watch(place->spool, NULL);
    g_autoptr(SpoolEntry) first = add(place, 7, NOW);
    g_autoptr(SpoolEntry) second = add(place, 7, NOW);
    cr_assert(spool_watch_read(fd, look_at, place));
    const RunnerItem *item = runner_items_next(place->items, &position);
    cr_assert_not_null(item);
    cr_expect_eq(item->due_at, NOW + 60);
    cr_assert_not_null(runner_items_next(place->items, &position));
    cr_expect_null(runner_items_next(place->items, &position));
    schedule_release(first->envelope, NOW);
    cr_assert(spool_entry_save(first, NULL));
    cr_assert(spool_entry_remove(second, SPOOL_SENT, NULL));
    cr_assert(spool_watch_read(fd, look_at, place));
    position = 0;
    item = runner_items_next(place->items, &position);
    cr_expect_str_eq(item->id, first->id);
    cr_expect_leq(item->due_at, NOW);
    cr_expect_eq(place->news, 1);
    cr_expect_null(runner_items_next(place->items, &position));
    (void)close(fd);
}

Test(runner_items, what_others_change_is_news_and_what_we_change_is_none)
{
    g_autoptr(Place) place = make_place();
    g_autoptr(SpoolEntry) entry = add(place, 7, NOW);
    runner_items_look(place->items, NOW);
    schedule_release(entry->envelope, NOW);
    cr_assert(spool_entry_save(entry, NULL));
    runner_items_look(place->items, NOW);
    cr_expect_eq(place->news, 1);
    runner_items_look(place->items, NOW);
    cr_expect_eq(place->news, 1);
    cr_assert(spool_entry_save(entry, NULL));
    runner_items_refresh(place->items, entry->id, NOW);
    cr_expect_eq(place->news, 1);
}

Test(runner_items, after_a_clock_was_set_back_what_was_due_in_days_is_due_now)
{
    g_autoptr(Place) place = make_place();
    g_autoptr(SpoolEntry) entry = add(place, 7, NOW + 2 * DAY);
    runner_items_look(place->items, NOW + 2 * DAY);
    const RunnerItem *item = runner_items_find(place->items, entry->id, NOW);
    cr_expect_eq(item->due_at, NOW + 2 * DAY + 60);
    runner_items_forget(place->items);
    runner_items_look(place->items, NOW);
    cr_expect_leq(item->due_at, NOW);
    cr_expect_eq(place->news, 0, "nobody has changed it");
}

Test(runner_items, one_that_is_damaged_is_left_alone_until_it_is_mended)
{
    g_autoptr(Place) place = make_place();
    g_autoptr(SpoolEntry) entry = add(place, 7, NOW);
    g_autofree char *name = g_strdup_printf("%s/%s.json", place->folder, entry->id);
    cr_assert(g_file_set_contents(name, "{", -1, NULL));
    runner_items_look(place->items, NOW);
    const RunnerItem *item = runner_items_find(place->items, entry->id, NOW);
    cr_expect(item->broken && item->due_at == G_MAXINT64);
    cr_assert(spool_entry_save(entry, NULL));
    runner_items_look(place->items, NOW);
    cr_expect(!item->broken && item->due_at == NOW + 60);
}

Test(runner_items, a_name_that_no_message_can_have_is_none)
{
    g_autoptr(Place) place = make_place();
    cr_expect_null(runner_items_find(place->items, "../../etc/passwd", NOW));
    cr_expect_null(runner_items_find(place->items, "1k0pvn4m8r5-vbstaa", NOW));
}

Test(runner_items, those_that_rest_are_woken)
{
    g_autoptr(Place) place = make_place();
    g_autoptr(SpoolEntry) entry = add(place, 7, NOW);
    RunnerItem *item = runner_items_find(place->items, entry->id, NOW);
    item->rests = TRUE;
    runner_items_look(place->items, NOW);
    cr_expect(item->rests, "a look is no reason to ask for the lock again");
    runner_items_wake(place->items);
    cr_expect(!item->rests);
}

#include "spool.h"

#include "calls.h"
#include "errors.h"
#include "fileio.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT "Subject: hello\n\nbody\n"
#define RIVALS 10

/* A spool in a folder of its own; removed by its test's end. */
typedef struct {
    char *folder;
    Spool *spool;
} Place;

static void place_clear(Place *place)
{
    spool_close(place->spool);
    const char *argv[] = {"rm", "-rf", place->folder, NULL};
    cr_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                           NULL, NULL));
    g_free(place->folder);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static Place make_place(void)
{
    Place place = {.folder = g_dir_make_tmp("postkey-spool-XXXXXX", NULL)};
    g_autoptr(GError) error = NULL;
    place.spool = spool_open(place.folder, NULL, &error);
    cr_assert_not_null(place.spool, "%s", error ? error->message : "");
    return place;
}

static Envelope *make_envelope(void)
{
    Envelope *envelope = envelope_new();
    envelope->uid = geteuid();
    (void)envelope_add_recipient(envelope, "a@b.example");
    return envelope;
}

static int make_draft(const Place *place)
{
    g_autoptr(GError) error = NULL;
    int fd = spool_draft(place->spool, &error);
    cr_assert_geq(fd, 0, "%s", error ? error->message : "");
    cr_assert(fileio_write_all(fd, TEXT, strlen(TEXT), NULL));
    return fd;
}

static SpoolEntry *add(const Place *place)
{
    g_autoptr(GError) error = NULL;
    SpoolEntry *entry = spool_add(place->spool, make_draft(place), make_envelope(), NULL, &error);
    cr_assert_not_null(entry, "%s", error ? error->message : "");
    return entry;
}

static char *add_and_release(const Place *place)
{
    g_autoptr(SpoolEntry) entry = add(place);
    return g_strdup(entry->id);
}

static guint files_in(const Place *place)
{
    g_autoptr(GDir) dir = g_dir_open(place->folder, 0, NULL);
    guint count = 0;
    while (g_dir_read_name(dir))
        count++;
    return count;
}

static char *file_of(const Place *place, const char *id, const char *suffix)
{
    g_autofree char *name = g_strconcat(id, suffix, NULL);
    return g_build_filename(place->folder, name, NULL);
}

static void put(const Place *place, const char *id, const char *suffix, const char *text)
{
    g_autofree char *path = file_of(place, id, suffix);
    cr_assert(g_file_set_contents(path, text, -1, NULL));
    cr_assert_eq(chmod(path, 0600), 0);
}

static guint listed(const Place *place)
{
    g_autoptr(GPtrArray) ids = spool_list(place->spool, NULL);
    cr_assert_not_null(ids);
    return ids->len;
}

Test(spool, a_commit_syncs_the_message_then_names_it_then_its_envelope_then_the_folder)
{
    g_auto(Place) place = make_place();
    int fd = make_draft(&place);
    calls_record();
    g_autoptr(SpoolEntry) entry = spool_add(place.spool, fd, make_envelope(), NULL, NULL);
    cr_assert_not_null(entry);
    g_autofree char *made = calls_made();
    cr_expect_str_eq(made,
                     "fsync message, linkat, unlinkat .tmp, fsync file, renameat, fsync folder",
                     "%s", made);
    calls_record();
    cr_assert(spool_entry_save(entry, NULL));
    g_autofree char *saved = calls_made();
    cr_expect_str_eq(saved, "unlinkat .tmp, fsync file, renameat, fsync folder", "%s", saved);
    calls_record();
    cr_assert(spool_entry_remove(entry, SPOOL_SENT, NULL));
    g_autofree char *removed = calls_made();
    cr_expect_str_eq(removed, "renameat, fsync folder, unlinkat .sent, unlinkat .eml", "%s",
                     removed);
    cr_expect_eq(files_in(&place), 0);
}

typedef struct {
    char *id;
    guint told[SPOOL_FATES];
} News;

static void hear(const char *id, const SpoolFate *fate, gpointer data)
{
    News *news = data;
    cr_expect_str_eq(id, news->id);
    if (fate)
        news->told[*fate]++;
}

Test(spool, who_watches_learns_how_a_message_left_and_a_full_disk_only_hides_it)
{
    for (guint i = 0; i < 2 * SPOOL_FATES; i++) {
        SpoolFate fate = (SpoolFate)(i / 2);
        gboolean full = i % 2;
        g_auto(Place) place = make_place();
        g_autoptr(SpoolEntry) entry =
            spool_add(place.spool, make_draft(&place), make_envelope(), NULL, NULL);
        News news = {.id = entry->id};
        int fd = spool_watch(place.spool, NULL);
        if (full)
            calls_fail("renameat", 1, ENOSPC);
        cr_assert(spool_entry_remove(entry, fate, NULL));
        calls_record();
        cr_expect(spool_watch_read(fd, hear, &news));
        for (guint told = 0; told < SPOOL_FATES; told++)
            cr_expect_eq(news.told[told], told == fate && !full, "%u: %u", i, told);
        cr_expect_eq(files_in(&place), 0);
        (void)close(fd);
    }
}

Test(spool, a_new_folder_is_synced_with_those_above_that_were_made_for_it)
{
    g_auto(Place) place = make_place();
    g_autofree char *nested = g_build_filename(place.folder, "state", "postkey", "queue", NULL);
    calls_record();
    g_autoptr(Spool) spool = spool_open(nested, NULL, NULL);
    cr_assert_not_null(spool);
    g_autofree char *made = calls_made();
    cr_expect_str_eq(made, "fsync folder, fsync folder, fsync folder", "%s", made);
    calls_record();
    g_autoptr(Spool) again = spool_open(nested, NULL, NULL);
    cr_assert_not_null(again);
    cr_expect_eq(calls_count("fsync"), 0);
}

Test(spool, a_kept_message_is_found_again_as_it_came)
{
    g_auto(Place) place = make_place();
    g_autofree char *id = add_and_release(&place);
    SpoolAnswer answer;
    g_autoptr(SpoolEntry) entry = spool_claim(place.spool, id, &answer, NULL);
    cr_assert_not_null(entry);
    char bytes[sizeof TEXT] = "";
    cr_expect_eq(pread(entry->eml_fd, bytes, sizeof bytes, 0), (gssize)strlen(TEXT));
    cr_expect_str_eq(bytes, TEXT);
    cr_expect_eq(entry->envelope->size, (gint64)strlen(TEXT));
    cr_expect_gt(entry->envelope->created_at, 0);
    struct stat st;
    g_autofree char *path = file_of(&place, id, ".eml");
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
}

Test(spool, ids_sort_by_time_and_nothing_else_is_an_id)
{
    g_auto(Place) place = make_place();
    g_autofree char *first = add_and_release(&place);
    g_usleep(2);
    g_autofree char *second = add_and_release(&place);
    cr_expect_lt(strcmp(first, second), 0);
    g_autoptr(GPtrArray) ids = spool_list(place.spool, NULL);
    cr_assert_eq(ids->len, 2);
    cr_expect_str_eq(g_ptr_array_index(ids, 0), first);
    g_autofree char *report = spool_report_id(first, 'b', 12);
    cr_expect(spool_id_is_valid(first) && spool_id_is_valid(report));
    const char *bad[] = {"",
                         "..",
                         "../../etc/passwd",
                         "1c5h2k8w3qx",
                         "1c5h2k8w3qx-k7x2m",
                         "1c5h2k8w3qx-k7x2mq-",
                         "1c5h2k8w3qx-k7x2mq-b0",
                         "1c5h2k8w3qx-k7x2mq-x1",
                         "1c5h2k8w3qx-k7x2mq-b12345",
                         "1C5H2K8W3QX-K7X2MQ",
                         "1c5h2k8w3q/-k7x2mq",
                         "1c5h2k8w3qx-k7x2mq.eml",
                         "1c5h2k8w3qx_k7x2mq"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        SpoolAnswer answer;
        cr_expect_not(spool_id_is_valid(bad[i]), "%s", bad[i]);
        cr_expect_null(spool_claim(place.spool, bad[i], &answer, NULL));
        cr_expect_eq(answer, SPOOL_GONE);
    }
}

/* Each call of a commit fails once: the caller hears of it, and nothing is left that would be sent.
 */
Test(spool, a_commit_that_fails_at_any_call_keeps_nothing)
{
    static const struct {
        const char *name;
        guint n;
        int code;
    } faults[] = {{"fsync", 1, EIO},    {"fsync", 2, EIO},     {"fsync", 3, EIO},
                  {"linkat", 1, EIO},   {"linkat", 1, ENOSPC}, {"renameat", 1, ENOSPC},
                  {"write", 1, EDQUOT}, {"write", 1, ENOSPC},  {"openat", 1, ENOSPC},
                  {"unlinkat", 1, EIO}};
    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_auto(Place) place = make_place();
        g_autoptr(GError) error = NULL;
        int fd = make_draft(&place);
        calls_fail(faults[i].name, faults[i].n, faults[i].code);
        g_autoptr(SpoolEntry) entry = spool_add(place.spool, fd, make_envelope(), NULL, &error);
        cr_expect_null(entry, "%s %u", faults[i].name, faults[i].n);
        cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_IO));
        cr_expect_eq(listed(&place), 0, "%s %u", faults[i].name, faults[i].n);
        calls_record();
        (void)spool_sweep(place.spool);
        cr_expect_eq(files_in(&place), 0, "%s %u", faults[i].name, faults[i].n);
    }
}

Test(spool, a_signal_in_the_middle_of_any_call_changes_nothing)
{
    static const char *const names[] = {"fsync", "linkat", "renameat", "write", "openat"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(Place) place = make_place();
        int fd = make_draft(&place);
        calls_fail(names[i], 1, EINTR);
        g_autoptr(SpoolEntry) entry = spool_add(place.spool, fd, make_envelope(), NULL, NULL);
        cr_expect_not_null(entry, "%s", names[i]);
        cr_expect_gt(calls_count(names[i]), 1, "%s", names[i]);
    }
}

Test(spool, an_envelope_that_cannot_be_replaced_stays_as_it_was)
{
    static const char *const names[] = {"write", "renameat", "fsync"};
    g_auto(Place) place = make_place();
    g_autoptr(SpoolEntry) entry = add(&place);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        SpoolAnswer answer;
        entry->envelope->attempts = 7;
        calls_fail(names[i], 1, ENOSPC);
        cr_expect_not(spool_entry_save(entry, NULL));
        calls_record();
        g_autoptr(Envelope) old = spool_peek(place.spool, entry->id, &answer, NULL);
        cr_expect_eq(answer, SPOOL_OK);
        cr_expect_eq(old->attempts, 0);
        cr_expect_eq(files_in(&place), 2);
    }
}

Test(spool, a_file_size_limit_is_a_full_disk_in_words)
{
    g_auto(Place) place = make_place();
    int fd = make_draft(&place);
    struct rlimit limit = {.rlim_cur = 50, .rlim_max = RLIM_INFINITY};
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit.rlim_max = before.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(SpoolEntry) entry = spool_add(place.spool, fd, make_envelope(), NULL, &error);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    cr_expect_null(entry);
    cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_IO));
    cr_expect_eq(listed(&place), 0);
}

Test(spool, a_file_system_without_nameless_files_keeps_mail_too)
{
    g_auto(Place) place = make_place();
    calls_fail("openat:tmpfile", 1, EOPNOTSUPP);
    int fd = make_draft(&place);
    cr_expect_eq(files_in(&place), 1);
    cr_expect_eq(spool_sweep(place.spool), 0, "a draft under way is nobody's leftover");
    g_autoptr(SpoolEntry) entry = spool_add(place.spool, fd, make_envelope(), NULL, NULL);
    cr_assert_not_null(entry);
    cr_expect_eq(files_in(&place), 2);
    calls_fail("openat:tmpfile", 1, EOPNOTSUPP);
    (void)close(make_draft(&place));
    cr_expect_eq(spool_sweep(place.spool), 1);
    cr_expect_eq(files_in(&place), 2);
}

/* Waits for the start (the end of the pipe go), claims, says so, and holds what it got until all
 * have tried (the end of the pipe stay). Exit code: the answer. */
static void rival(const Place *place, const char *id, int go, int done, int stay)
{
    char byte;
    SpoolAnswer answer = SPOOL_BROKEN;
    Spool *spool = spool_open(place->folder, NULL, NULL);
    gboolean started = read(go, &byte, 1) == 0;
    SpoolEntry *entry = started ? spool_claim(spool, id, &answer, NULL) : NULL;
    gboolean ended = write(done, "x", 1) == 1 && read(stay, &byte, 1) == 0;
    _exit(started && ended && (!entry == (answer != SPOOL_OK)) ? (int)answer : 99);
}

Test(spool, of_ten_processes_that_claim_at_once_one_gets_it, .timeout = 60)
{
    g_auto(Place) place = make_place();
    g_autofree char *id = add_and_release(&place);
    int go[2], done[2], stay[2];
    pid_t rivals[RIVALS];
    guint answers[SPOOL_BROKEN + 1] = {0};
    cr_assert(pipe(go) == 0 && pipe(done) == 0 && pipe(stay) == 0);
    for (guint i = 0; i < RIVALS; i++) {
        rivals[i] = fork();
        cr_assert_geq(rivals[i], 0);
        if (rivals[i] > 0)
            continue;
        (void)close(go[1]);
        (void)close(stay[1]);
        rival(&place, id, go[0], done[1], stay[0]);
    }
    (void)close(go[1]);
    for (guint i = 0; i < RIVALS; i++)
        cr_assert_eq(read(done[0], (char[1]){0}, 1), 1);
    (void)close(stay[1]);
    for (guint i = 0; i < RIVALS; i++) {
        int status = 0;
        cr_assert_eq(waitpid(rivals[i], &status, 0), rivals[i]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) <= SPOOL_BROKEN);
        answers[WEXITSTATUS(status)]++;
    }
    cr_expect_eq(answers[SPOOL_OK], 1);
    cr_expect_eq(answers[SPOOL_BUSY], RIVALS - 1);
}

Test(spool, an_entry_that_is_claimed_is_busy_for_others_in_the_same_process)
{
    g_auto(Place) place = make_place();
    SpoolAnswer answer;
    SpoolEntry *entry = add(&place);
    cr_expect_null(spool_claim(place.spool, entry->id, &answer, NULL));
    cr_expect_eq(answer, SPOOL_BUSY);
    g_autofree char *id = g_strdup(entry->id);
    spool_entry_release(entry);
    entry = spool_claim(place.spool, id, &answer, NULL);
    cr_expect_eq(answer, SPOOL_OK);
    spool_entry_release(entry);
}

Test(spool, a_message_without_an_envelope_was_never_committed_and_goes)
{
    g_auto(Place) place = make_place();
    SpoolAnswer answer;
    put(&place, "1c5h2k8w3qx-k7x2mq", ".eml", TEXT);
    cr_expect_eq(listed(&place), 0);
    cr_expect_null(spool_claim(place.spool, "1c5h2k8w3qx-k7x2mq", &answer, NULL));
    cr_expect_eq(answer, SPOOL_GONE);
    cr_expect_eq(files_in(&place), 0);
    put(&place, "1c5h2k8w3qx-k7x2mq", ".eml", TEXT);
    put(&place, ".1c5h2k8w3qx-k7x2mq", ".tmp", "{");
    put(&place, ".1c5h2k8w3qx-k7x2mq", ".sent", "{");
    put(&place, ".1c5h2k8w3qx-k7x2mq", ".removed", "{");
    put(&place, "notes", ".eml", "not ours");
    cr_expect_eq(spool_sweep(place.spool), 4);
    cr_expect_eq(files_in(&place), 1, "what is not ours stays");
}

static void expect_broken(const Place *place, const char *id, const char *words)
{
    SpoolAnswer answer;
    g_autoptr(GError) claimed = NULL;
    g_autoptr(GError) peeked = NULL;
    cr_expect_null(spool_claim(place->spool, id, &answer, &claimed));
    cr_expect_eq(answer, SPOOL_BROKEN);
    cr_assert_not_null(claimed);
    cr_expect_not_null(strstr(claimed->message, words), "%s", claimed->message);
    cr_expect_not_null(error_remedy(claimed));
    cr_expect_null(spool_peek(place->spool, id, &answer, &peeked));
    cr_expect_eq(answer, SPOOL_BROKEN);
    cr_expect_not_null(peeked);
    (void)spool_sweep(place->spool);
    cr_expect_eq(listed(place), 1, "it is never removed by itself");
}

Test(spool, damaged_foreign_and_orphaned_envelopes_are_kept_and_told)
{
    static const struct {
        const char *text, *words;
    } damages[] = {{"", "damaged"},
                   {"{\"version\": 1", "damaged"},
                   {"{\"version\": 2}", "of version 2"},
                   {"\xff", "damaged"}};
    for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_auto(Place) place = make_place();
        g_autofree char *id = add_and_release(&place);
        put(&place, id, ".json", damages[i].text);
        expect_broken(&place, id, damages[i].words);
        int fd = spool_open_message(place.spool, id, NULL);
        cr_expect_geq(fd, 0, "the message can still be had");
        (void)close(fd);
        cr_expect_eq(spool_discard(place.spool, id, NULL), SPOOL_OK);
        cr_expect_eq(files_in(&place), 0);
    }
}

Test(spool, a_missing_message_is_told_and_can_be_forgotten)
{
    g_auto(Place) place = make_place();
    g_autofree char *id = add_and_release(&place);
    g_autofree char *path = file_of(&place, id, ".eml");
    cr_assert_eq(unlink(path), 0);
    expect_broken(&place, id, "missing");
    cr_expect_eq(spool_discard(place.spool, id, NULL), SPOOL_OK);
    cr_expect_eq(files_in(&place), 0);
    cr_expect_eq(spool_discard(place.spool, id, NULL), SPOOL_GONE);
}

Test(spool, an_envelope_under_another_name_is_refused)
{
    g_auto(Place) place = make_place();
    g_autofree char *id = add_and_release(&place);
    g_autofree char *from = file_of(&place, id, ".json");
    g_autofree char *text = NULL;
    cr_assert(g_file_get_contents(from, &text, NULL, NULL));
    cr_assert_eq(unlink(from), 0);
    put(&place, "1c5h2k8w3qx-k7x2mq", ".json", text);
    put(&place, "1c5h2k8w3qx-k7x2mq", ".eml", TEXT);
    expect_broken(&place, "1c5h2k8w3qx-k7x2mq", "another message");
}

Test(spool, symbolic_links_and_odd_files_are_not_followed)
{
    g_auto(Place) place = make_place();
    SpoolAnswer answer;
    g_autofree char *id = add_and_release(&place);
    g_autofree char *eml = file_of(&place, id, ".eml");
    g_autofree char *json = file_of(&place, id, ".json");
    g_autofree char *aside = g_build_filename(place.folder, "aside", NULL);
    cr_assert_eq(rename(json, aside), 0);
    cr_assert_eq(symlink(aside, json), 0);
    cr_expect_null(spool_claim(place.spool, id, &answer, NULL));
    cr_expect_eq(answer, SPOOL_BROKEN);
    cr_assert(unlink(json) == 0 && rename(aside, json) == 0 && rename(eml, aside) == 0);
    cr_assert_eq(symlink(aside, eml), 0);
    cr_expect_null(spool_claim(place.spool, id, &answer, NULL));
    cr_expect_eq(answer, SPOOL_BROKEN);
    cr_assert(unlink(eml) == 0 && mkfifo(eml, 0600) == 0);
    cr_expect_null(spool_claim(place.spool, id, &answer, NULL));
    cr_expect_eq(answer, SPOOL_BROKEN);
    cr_assert(unlink(eml) == 0 && rename(aside, eml) == 0 && chmod(eml, 0666) == 0);
    cr_expect_null(spool_claim(place.spool, id, &answer, NULL));
    cr_expect_eq(answer, SPOOL_BROKEN, "others may write it");
}

Test(spool, a_folder_that_others_can_enter_is_refused_with_words)
{
    g_auto(Place) place = make_place();
    g_autoptr(GError) error = NULL;
    cr_assert_eq(chmod(place.folder, 0750), 0);
    cr_expect_null(spool_open(place.folder, NULL, &error));
    cr_assert_not_null(error);
    cr_expect_not_null(strstr(error_remedy(error), "chmod 700"));
    cr_assert_eq(chmod(place.folder, 0700), 0);
    g_autofree char *link = g_build_filename(place.folder, "link", NULL);
    cr_assert_eq(symlink(place.folder, link), 0);
    cr_expect_null(spool_open(link, NULL, NULL));
    gboolean missing = FALSE;
    g_autofree char *none = g_build_filename(place.folder, "none", NULL);
    cr_expect_null(spool_open(none, &missing, NULL));
    cr_expect(missing);
    cr_expect_not(g_file_test(none, G_FILE_TEST_EXISTS));
}

Test(spool, a_report_is_added_once_however_often_it_is_repeated)
{
    g_auto(Place) place = make_place();
    g_autoptr(SpoolEntry) original = add(&place);
    for (guint i = 0; i < 3; i++) {
        gboolean exists = FALSE;
        Envelope *envelope = make_envelope();
        envelope->id = spool_report_id(original->id, 'b', 1);
        /* A repeat may find the message of one that was killed before its envelope. */
        if (i == 0)
            put(&place, envelope->id, ".eml", "half");
        g_autoptr(SpoolEntry) report =
            spool_add(place.spool, make_draft(&place), envelope, &exists, NULL);
        cr_expect_eq(report != NULL, i == 0);
        cr_expect_eq(exists, i > 0);
    }
    cr_expect_eq(listed(&place), 2);
}

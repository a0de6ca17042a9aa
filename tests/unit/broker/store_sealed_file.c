#include "store_sealed_file.h"

#include "errors.h"
#include "fileio.h"
#include "sealed_folder.h"
#include "sealed_key_file.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(store_sealed_file, .timeout = 120);

#define NAME "account/you@gmail.com"
#define FILE_NAME "account%2Fyou@gmail.com.sealed"
#define TOKEN "1//a-refresh-token-of-some-length"

/* ---- a store in a folder of its own ---- */

typedef struct {
    char *root, *folder, *key_file;
    Store *store;
} Place;

static void place_open(Place *place)
{
    place->store = store_sealed_file_new(place->folder, place->key_file);
}

static Place place_new(gboolean with_key)
{
    g_autoptr(GError) error = NULL;
    Place place = {.root = g_dir_make_tmp("postkey-test-XXXXXX", NULL)};
    g_unsetenv("CREDENTIALS_DIRECTORY");
    place.folder = g_build_filename(place.root, "credentials", NULL);
    place.key_file = g_build_filename(place.root, "store.key", NULL);
    place_open(&place);
    g_autofree char *path = NULL;
    if (with_key)
        cr_assert(store_sealed_file_init(place.store, &path, &error));
    return place;
}

/* Another process with the same files. */
static void place_restart(Place *place)
{
    store_free(place->store);
    place_open(place);
}

static void empty(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        cr_assert_eq(g_remove(path), 0);
    }
}

static void place_free(Place *place)
{
    store_free(place->store);
    empty(place->folder);
    empty(place->root);
    cr_assert_eq(g_rmdir(place->root), 0);
    g_free(place->root);
    g_free(place->folder);
    g_free(place->key_file);
}

static char *path_in(const Place *place, const char *file)
{
    return g_build_filename(place->folder, file, NULL);
}

static char *read_file(const char *path, gsize *len)
{
    char *text = NULL;
    cr_assert(g_file_get_contents(path, &text, len, NULL), "%s", path);
    return text;
}

static void write_file(const char *path, const char *bytes, gsize len)
{
    g_autoptr(GError) error = NULL;
    cr_assert(fileio_replace(path, bytes, len, 0600, &error));
}

/* ---- calls that are waited for ---- */

typedef struct {
    gboolean told;
    char *value;
    char **names;
    guint resealed;
    GError *error;
} Outcome;

static void on_got(const Secret *value, const GError *error, gpointer data)
{
    Outcome *outcome = data;
    cr_assert(!outcome->told);
    outcome->told = TRUE;
    outcome->value = value ? g_strdup(secret_reveal(value)) : NULL;
    outcome->error = error ? g_error_copy(error) : NULL;
}

static void on_done(const GError *error, gpointer data)
{
    on_got(NULL, error, data);
}

static void on_listed(const char *const *names, const GError *error, gpointer data)
{
    ((Outcome *)data)->names = g_strdupv((char **)names);
    on_got(NULL, error, data);
}

static void on_rekeyed(const StoreRekey *result, const GError *error, gpointer data)
{
    ((Outcome *)data)->resealed = result ? result->resealed : 0;
    on_got(NULL, error, data);
}

static Outcome wait_for(Outcome *outcome)
{
    cr_assert(!outcome->told, "a callback ran from inside the call");
    while (!outcome->told)
        g_main_context_iteration(NULL, TRUE);
    return *outcome;
}

static Outcome get(const Place *place, const char *name)
{
    Outcome outcome = {0};
    store_get(place->store, name, on_got, &outcome);
    return wait_for(&outcome);
}

static Outcome put(const Place *place, const char *name, const char *expected, const char *value)
{
    Outcome outcome = {0};
    g_autoptr(Secret) old = secret_new(expected, -1);
    g_autoptr(Secret) new = secret_new(value, -1);
    store_put(place->store, name, old, new, "a label", on_done, &outcome);
    return wait_for(&outcome);
}

static Outcome list(const Place *place)
{
    Outcome outcome = {0};
    store_list(place->store, on_listed, &outcome);
    return wait_for(&outcome);
}

static Outcome rekey(const Place *place)
{
    Outcome outcome = {0};
    store_sealed_file_rekey(place->store, on_rekeyed, &outcome);
    return wait_for(&outcome);
}

static void put_well(const Place *place, const char *name, const char *value)
{
    Outcome outcome = put(place, name, NULL, value);
    cr_assert_null(outcome.error, "%s", outcome.error ? outcome.error->message : "");
}

static void assert_holds(const Place *place, const char *name, const char *value)
{
    Outcome outcome = get(place, name);
    cr_assert_null(outcome.error, "%s", outcome.error ? outcome.error->message : "");
    if (value)
        cr_assert_str_eq(outcome.value, value);
    else
        cr_assert_null(outcome.value);
    g_free(outcome.value);
}

/* In three parts, with these words, and without a secret. */
static void assert_fails(Outcome outcome, PostkeyErrorCode code, const char *words)
{
    cr_assert_null(outcome.value, "it was read");
    cr_assert(g_error_matches(outcome.error, POSTKEY_ERROR, (int)code), "%s: %s", words,
              outcome.error ? outcome.error->message : "no error");
    cr_assert(strstr(outcome.error->message, words), "%s lacks %s", outcome.error->message, words);
    cr_assert_not_null(error_meaning(outcome.error));
    cr_assert_not_null(error_remedy(outcome.error));
    cr_assert_null(strstr(outcome.error->message, TOKEN));
    g_error_free(outcome.error);
}

/* ---- the life of a credential ---- */

Test(store_sealed_file, a_credential_outlives_the_store_and_ends_when_it_is_removed)
{
    Place place = place_new(TRUE);
    assert_holds(&place, NAME, NULL);
    put_well(&place, NAME, TOKEN);
    put_well(&place, "client/google", "GOCSPX-secret");
    place_restart(&place);
    assert_holds(&place, NAME, TOKEN);
    assert_holds(&place, "client/google", "GOCSPX-secret");
    Outcome listed = list(&place);
    cr_assert_eq(g_strv_length(listed.names), 2);
    cr_assert(g_strv_contains((const char *const *)listed.names, NAME));
    g_strfreev(listed.names);
    for (int i = 0; i < 2; i++) {
        Outcome removed = {0};
        store_remove(place.store, NAME, on_done, &removed);
        cr_assert_null(wait_for(&removed).error, "removal %d", i);
    }
    assert_holds(&place, NAME, NULL);
    place_free(&place);
}

Test(store_sealed_file, every_length_of_a_secret_comes_back)
{
    static const gsize lens[] = {0, 1, 15, 16, 17, 4096, SECRET_MAX_LEN};
    Place place = place_new(TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(lens); i++) {
        g_autofree char *value = g_strnfill(lens[i], 'x');
        put_well(&place, NAME, value);
        assert_holds(&place, NAME, value);
    }
    place_free(&place);
}

Test(store_sealed_file, the_files_are_private_and_show_neither_secret_nor_key)
{
    Place place = place_new(TRUE);
    struct stat st;
    gsize len, key_len;
    put_well(&place, NAME, TOKEN);
    g_autofree char *path = path_in(&place, FILE_NAME);
    g_autofree char *box = read_file(path, &len);
    g_autofree char *key = read_file(place.key_file, &key_len);
    cr_assert_null(memmem(box, len, TOKEN, strlen(TOKEN)));
    cr_assert_null(memmem(box, len, TOKEN, 6));
    cr_assert_null(memmem(box, len, key, 8));
    cr_assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
    cr_assert(stat(place.folder, &st) == 0 && (st.st_mode & 07777) == 0700);
    cr_assert(stat(place.key_file, &st) == 0 && (st.st_mode & 07777) == 0600);
    put_well(&place, NAME, TOKEN);
    gsize again_len;
    g_autofree char *again = read_file(path, &again_len);
    cr_assert(len == again_len && memcmp(box, again, len) != 0, "a nonce was used twice");
    place_free(&place);
}

Test(store_sealed_file, names_of_any_form_and_length_are_files_of_their_own)
{
    Place place = place_new(TRUE);
    g_autofree char *long_name = g_strnfill(SEALED_BOX_NAME_MAX_LEN, '/');
    g_autofree char *longer_by_one = g_strconcat(long_name, "/", NULL);
    const char *names[] = {"account/a",        "account/A",
                           "account%2Fa",      "../../account/a",
                           ".hidden",          "..",
                           "account/\303\244", "a\nb",
                           "account/a.sealed", "account/a.sealed.XXXXXX",
                           long_name,          "account/.sealed.b.c"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        put_well(&place, names[i], names[i]);
    place_restart(&place); /* which sweeps what looks like a leftover */
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        assert_holds(&place, names[i], names[i]);
    Outcome listed = list(&place);
    cr_assert_eq(g_strv_length(listed.names), G_N_ELEMENTS(names));
    g_strfreev(listed.names);
    assert_fails(put(&place, longer_by_one, NULL, TOKEN), POSTKEY_ERROR_REFUSED, "too long");
    place_free(&place);
}

Test(store_sealed_file, a_credential_is_replaced_only_while_it_is_the_expected_one)
{
    Place place = place_new(TRUE);
    put_well(&place, NAME, "first");
    cr_assert_null(put(&place, NAME, "first", "second").error);
    Outcome conflict = put(&place, NAME, "first", "third");
    cr_assert(g_error_matches(conflict.error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
    g_error_free(conflict.error);
    assert_holds(&place, NAME, "second");
    Outcome none = put(&place, "account/none", "first", "second");
    cr_assert(g_error_matches(none.error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
    g_error_free(none.error);
    assert_holds(&place, "account/none", NULL);
    place_free(&place);
}

/* ---- what somebody did to the files ---- */

Test(store_sealed_file, each_bit_that_is_flipped_is_found)
{
    Place place = place_new(TRUE);
    gsize len;
    put_well(&place, NAME, TOKEN);
    g_autofree char *path = path_in(&place, FILE_NAME);
    g_autofree char *box = read_file(path, &len);
    for (gsize i = 0; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            box[i] ^= (char)(1 << bit);
            write_file(path, box, len);
            Outcome outcome = get(&place, NAME);
            cr_assert_null(outcome.value, "byte %zu, bit %d", i, bit);
            cr_assert_not_null(outcome.error, "byte %zu, bit %d: taken for none", i, bit);
            cr_assert_not_null(error_meaning(outcome.error));
            cr_assert_not_null(error_remedy(outcome.error));
            cr_assert(strstr(outcome.error->message, FILE_NAME), "%s", outcome.error->message);
            g_error_free(outcome.error);
            box[i] ^= (char)(1 << bit);
        }
    }
    write_file(path, box, len);
    assert_holds(&place, NAME, TOKEN);
    place_free(&place);
}

Test(store_sealed_file, each_length_it_is_cut_to_is_found_and_so_is_what_is_added)
{
    Place place = place_new(TRUE);
    gsize len;
    put_well(&place, NAME, TOKEN);
    g_autofree char *path = path_in(&place, FILE_NAME);
    g_autofree char *box = read_file(path, &len);
    for (gsize cut = 0; cut < len; cut++) {
        write_file(path, box, cut);
        assert_fails(get(&place, NAME), POSTKEY_ERROR_CONFIGURATION,
                     cut < 35 ? "no sealed credential" : "not as long as it says");
    }
    g_autofree char *longer = g_malloc0(len + 1);
    memcpy(longer, box, len);
    write_file(path, longer, len + 1);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_CONFIGURATION, "not as long as it says");
    place_free(&place);
}

Test(store_sealed_file, another_ones_file_is_named)
{
    Place place = place_new(TRUE);
    put_well(&place, NAME, TOKEN);
    put_well(&place, "account/b", "other-token");
    g_autofree char *ours = path_in(&place, FILE_NAME);
    g_autofree char *theirs = path_in(&place, "account%2Fb.sealed");
    cr_assert_eq(rename(theirs, ours), 0);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_CONFIGURATION, "the credential of account/b");
    assert_fails(list(&place), POSTKEY_ERROR_CONFIGURATION, "the credential of account/b");
    put_well(&place, NAME, TOKEN);
    assert_holds(&place, NAME, TOKEN);
    place_free(&place);
}

Test(store_sealed_file, a_renamed_file_with_a_mended_head_does_not_open)
{
    Place place = place_new(TRUE);
    gsize len;
    put_well(&place, "account/a", TOKEN);
    g_autofree char *theirs = path_in(&place, "account%2Fa.sealed");
    g_autofree char *ours = path_in(&place, "account%2Fb.sealed");
    g_autofree char *box = read_file(theirs, &len);
    char *name = memmem(box, len, "account/a", 9);
    name[8] = 'b';
    write_file(ours, box, len);
    assert_fails(get(&place, "account/b"), POSTKEY_ERROR_CONFIGURATION, "seal");
    place_free(&place);
}

Test(store_sealed_file, modes_that_let_others_in_are_refused)
{
    Place place = place_new(TRUE);
    put_well(&place, NAME, TOKEN);
    g_autofree char *path = path_in(&place, FILE_NAME);
    cr_assert_eq(chmod(path, 0640), 0);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_CONFIGURATION, FILE_NAME);
    cr_assert_eq(chmod(path, 0600), 0);
    cr_assert_eq(chmod(place.folder, 0750), 0);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_IO, "open to others");
    cr_assert_eq(chmod(place.folder, 0700), 0);
    cr_assert_eq(chmod(place.key_file, 0604), 0);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_CONFIGURATION, "open to others");
    cr_assert_eq(chmod(place.key_file, 0600), 0);
    assert_holds(&place, NAME, TOKEN);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink(place.key_file, path), 0);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_IO, FILE_NAME);
    place_free(&place);
}

Test(store_sealed_file, two_processes_never_use_one_folder)
{
    Place place = place_new(TRUE);
    put_well(&place, NAME, TOKEN);
    Place other = {.folder = place.folder, .key_file = place.key_file};
    place_open(&other);
    assert_fails(get(&other, NAME), POSTKEY_ERROR_KEYRING_UNAVAILABLE, "in use");
    store_free(place.store);
    assert_holds(&other, NAME, TOKEN);
    store_free(other.store);
    place_open(&place);
    place_free(&place);
}

Test(store_sealed_file, what_a_crash_left_is_swept_and_nothing_else)
{
    Place place = place_new(TRUE);
    put_well(&place, NAME, TOKEN);
    g_autofree char *leftover = path_in(&place, FILE_NAME ".aB3xYz");
    g_autofree char *foreign = path_in(&place, "notes.txt");
    write_file(leftover, "half", 4);
    write_file(foreign, "mine", 4);
    place_restart(&place);
    assert_holds(&place, NAME, TOKEN);
    cr_assert_neq(access(leftover, F_OK), 0);
    cr_assert_eq(access(foreign, F_OK), 0);
    place_free(&place);
}

/* ---- the key ---- */

Test(store_sealed_file, a_missing_key_is_never_taken_for_a_missing_credential)
{
    Place place = place_new(FALSE);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_KEYRING_UNAVAILABLE, "key of the store");
    assert_fails(put(&place, NAME, NULL, TOKEN), POSTKEY_ERROR_KEYRING_UNAVAILABLE, place.key_file);
    cr_assert_neq(access(place.key_file, F_OK), 0, "nobody asked for a key");
    Outcome unlocked = {0};
    store_unlock(place.store, on_done, &unlocked);
    assert_fails(wait_for(&unlocked), POSTKEY_ERROR_KEYRING_UNAVAILABLE, place.key_file);
    place_free(&place);
}

Test(store_sealed_file, a_key_is_made_once_and_never_beside_credentials_it_cannot_open)
{
    Place place = place_new(TRUE);
    g_autoptr(GError) twice = NULL, beside = NULL;
    g_autofree char *path = NULL;
    gsize len, again_len;
    g_autofree char *key = read_file(place.key_file, &len);
    cr_assert_not(store_sealed_file_init(place.store, &path, &twice));
    cr_assert(g_error_matches(twice, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
    g_autofree char *again = read_file(place.key_file, &again_len);
    cr_assert(len == again_len && memcmp(key, again, len) == 0);
    put_well(&place, NAME, TOKEN);
    cr_assert_eq(unlink(place.key_file), 0);
    cr_assert_not(store_sealed_file_init(place.store, &path, &beside));
    cr_assert(g_error_matches(beside, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
    write_file(place.key_file, key, len);
    assert_holds(&place, NAME, TOKEN);
    place_free(&place);
}

Test(store_sealed_file, a_foreign_key_is_told_from_a_broken_seal_and_the_right_one_works_at_once)
{
    Place place = place_new(TRUE);
    gsize len;
    put_well(&place, NAME, TOKEN);
    g_autofree char *key = read_file(place.key_file, &len);
    g_autofree char *foreign = g_strnfill(64, '7');
    write_file(place.key_file, foreign, 64);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_KEYRING_UNAVAILABLE, "sealed with the key");
    write_file(place.key_file, key, len);
    assert_holds(&place, NAME, TOKEN);
    place_free(&place);
}

Test(store_sealed_file, a_key_file_that_holds_no_key_is_named)
{
    Place place = place_new(FALSE);
    static const char *const texts[] = {
        "", "x", "0123456789abcdef",
        "g234567890123456789012345678901234567890123456789012345678901234"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        write_file(place.key_file, texts[i], strlen(texts[i]));
        assert_fails(get(&place, NAME), POSTKEY_ERROR_CONFIGURATION, place.key_file);
    }
    g_autofree char *endless = g_strnfill(100000, '1');
    write_file(place.key_file, endless, 100000);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_CONFIGURATION, place.key_file);
    cr_assert_eq(unlink(place.key_file), 0);
    cr_assert_eq(g_mkdir(place.key_file, 0700), 0);
    assert_fails(get(&place, NAME), POSTKEY_ERROR_CONFIGURATION, place.key_file);
    place_free(&place);
}

Test(store_sealed_file, the_key_of_systemd_goes_before_the_file_and_may_be_bytes_or_digits)
{
    Place place = place_new(TRUE);
    put_well(&place, "account/of-file", TOKEN);
    g_autofree char *credential = g_build_filename(place.root, SEALED_KEY_CREDENTIAL, NULL);
    static const char bytes[SEALED_KEY_LEN] = "\0\1\2 32 bytes, zero among them";
    static const char digits[] = "0001022033322062797465732c20"
                                 "7a65726f20616d6f6e67207468656d000000";
    cr_assert_eq(strlen(digits), 64);
    write_file(credential, bytes, sizeof bytes);
    g_setenv("CREDENTIALS_DIRECTORY", place.root, TRUE);
    put_well(&place, NAME, TOKEN);
    assert_fails(get(&place, "account/of-file"), POSTKEY_ERROR_KEYRING_UNAVAILABLE, "key");
    write_file(credential, digits, 64);
    assert_holds(&place, NAME, TOKEN);
    cr_assert_eq(chmod(credential, 0440), 0, "as systemd's ACL makes it look");
    assert_holds(&place, NAME, TOKEN);
    g_unsetenv("CREDENTIALS_DIRECTORY");
    assert_holds(&place, "account/of-file", TOKEN);
    place_free(&place);
}

/* ---- a change of the key ---- */

#define MANY 5

static void put_many(const Place *place)
{
    for (int i = 0; i < MANY; i++) {
        g_autofree char *name = g_strdup_printf("account/%d", i);
        put_well(place, name, name);
    }
}

static void assert_many(const Place *place)
{
    for (int i = 0; i < MANY; i++) {
        g_autofree char *name = g_strdup_printf("account/%d", i);
        assert_holds(place, name, name);
    }
}

static char *key_id(const Place *place, gboolean *changing)
{
    g_auto(StoreSealedFileReport) report = {0};
    store_sealed_file_inspect(place->store, &report);
    cr_assert_eq(report.faults->len, 0, "%s",
                 report.faults->len ? (char *)report.faults->pdata[0] : "");
    *changing = report.changing;
    return g_steal_pointer(&report.id);
}

Test(store_sealed_file, a_change_of_the_key_reseals_all_and_drops_the_old_key)
{
    Place place = place_new(TRUE);
    gboolean changing;
    gsize len;
    put_many(&place);
    g_autofree char *before = key_id(&place, &changing);
    g_autofree char *old_key = read_file(place.key_file, &len);
    Outcome outcome = rekey(&place);
    cr_assert_null(outcome.error);
    cr_assert_eq(outcome.resealed, MANY);
    g_autofree char *after = key_id(&place, &changing);
    cr_assert_str_neq(before, after);
    cr_assert_not(changing);
    place_restart(&place);
    assert_many(&place);
    write_file(place.key_file, old_key, len);
    assert_fails(get(&place, "account/0"), POSTKEY_ERROR_KEYRING_UNAVAILABLE, "key");
    place_free(&place);
}

/* Each turn of the loop is one step; a store that is freed between two is a process that is killed
 * there: nothing of it is kept but the files. */
Test(store_sealed_file, a_change_of_the_key_that_ends_after_any_step_loses_nothing)
{
    for (guint steps = 1;; steps++) {
        Place place = place_new(TRUE);
        Outcome outcome = {0};
        put_many(&place);
        store_sealed_file_rekey(place.store, on_rekeyed, &outcome);
        for (guint i = 0; i < steps && !outcome.told; i++)
            g_main_context_iteration(NULL, TRUE);
        place_restart(&place);
        assert_many(&place);
        gboolean changing;
        g_free(key_id(&place, &changing));
        cr_assert_eq(changing, !outcome.told, "after %u steps", steps);
        put_well(&place, "account/new", "in between");
        Outcome again = rekey(&place);
        cr_assert_null(again.error, "%s", again.error ? again.error->message : "");
        g_free(key_id(&place, &changing));
        cr_assert_not(changing);
        assert_many(&place);
        assert_holds(&place, "account/new", "in between");
        place_free(&place);
        if (outcome.told) {
            cr_assert_eq(steps, MANY + 2);
            return;
        }
    }
}

Test(store_sealed_file, other_calls_are_served_during_a_change_of_the_key)
{
    Place place = place_new(TRUE);
    Outcome going = {0}, meanwhile = {0};
    put_many(&place);
    store_sealed_file_rekey(place.store, on_rekeyed, &going);
    g_main_context_iteration(NULL, TRUE);
    g_autoptr(Secret) value = secret_new("rotated", -1);
    store_put(place.store, "account/0", NULL, value, "label", on_done, &meanwhile);
    (void)wait_for(&meanwhile);
    cr_assert_null(meanwhile.error);
    cr_assert_not(going.told, "it was not going any more");
    Outcome second = rekey(&place);
    assert_fails(second, POSTKEY_ERROR_REFUSED, "already");
    while (!going.told)
        g_main_context_iteration(NULL, TRUE);
    cr_assert_null(going.error);
    assert_holds(&place, "account/0", "rotated");
    assert_holds(&place, "account/1", "account/1");
    place_free(&place);
}

Test(store_sealed_file, a_damaged_credential_stops_a_change_of_the_key_and_both_keys_stay)
{
    Place place = place_new(TRUE);
    gsize len;
    put_many(&place);
    g_autofree char *path = path_in(&place, "account%2F2.sealed");
    g_autofree char *box = read_file(path, &len);
    box[len - 1] ^= 1;
    write_file(path, box, len);
    assert_fails(rekey(&place), POSTKEY_ERROR_CONFIGURATION, "account%2F2.sealed");
    g_auto(StoreSealedFileReport) report = {0};
    store_sealed_file_inspect(place.store, &report);
    cr_assert(report.changing && report.faults->len == 1);
    cr_assert_not_null(strstr(report.faults->pdata[0], "account%2F2.sealed"));
    put_well(&place, "account/2", "account/2");
    cr_assert_null(rekey(&place).error);
    assert_many(&place);
    place_free(&place);
}

Test(store_sealed_file, without_its_key_a_store_gets_no_new_one)
{
    Place place = place_new(TRUE);
    put_many(&place);
    cr_assert_eq(unlink(place.key_file), 0);
    assert_fails(rekey(&place), POSTKEY_ERROR_KEYRING_UNAVAILABLE, place.key_file);
    g_autofree char *next = g_strconcat(place.key_file, ".new", NULL);
    cr_assert_neq(access(next, F_OK), 0);
    place_free(&place);
}

Test(store_sealed_file, a_new_key_among_systemds_credentials_is_the_administrators_to_put)
{
    Place place = place_new(FALSE);
    g_autofree char *credential = g_build_filename(place.root, SEALED_KEY_CREDENTIAL, NULL);
    g_autofree char *next = g_strconcat(credential, ".new", NULL);
    g_autofree char *old_key = g_strnfill(64, '1'), *new_key = g_strnfill(64, '2');
    write_file(credential, old_key, 64);
    g_setenv("CREDENTIALS_DIRECTORY", place.root, TRUE);
    put_many(&place);
    assert_fails(rekey(&place), POSTKEY_ERROR_REFUSED, next);
    write_file(next, new_key, 64);
    cr_assert_eq(rekey(&place).resealed, MANY);
    cr_assert_eq(rename(next, credential), 0);
    assert_many(&place);
    place_free(&place);
}

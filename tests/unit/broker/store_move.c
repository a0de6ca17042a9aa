#include "store_move.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>

TestSuite(store_move, .timeout = 60);

/* A store in memory that answers each call in a turn of the loop of its own. */
typedef struct {
    Store store;
    GHashTable *secrets; /* name -> Secret */
    GQueue calls;
    guint idle;
    gboolean forgetful; /* takes what it is given and gives back something else */
    gboolean locked;
} Fake;

typedef struct {
    char *name;
    Secret *value; /* of a put */
    gboolean is_remove;
    StoreGot got;
    StoreDone done;
    StoreListed listed;
    gpointer data;
} FakeCall;

static void free_secret(gpointer secret)
{
    secret_free(secret);
}

static void fake_answer(Fake *fake, FakeCall *call)
{
    g_autoptr(GError) error = NULL;
    if (fake->locked)
        error_set(&error, POSTKEY_ERROR_KEYRING_LOCKED, "a test", "unlock it", "it is locked");
    if (call->got) {
        call->got(error ? NULL : g_hash_table_lookup(fake->secrets, call->name), error, call->data);
    } else if (call->listed) {
        g_autofree gpointer *names = g_hash_table_get_keys_as_array(fake->secrets, NULL);
        call->listed(error ? NULL : (const char *const *)names, error, call->data);
    } else {
        if (!error && call->is_remove)
            g_hash_table_remove(fake->secrets, call->name);
        else if (!error)
            g_hash_table_replace(fake->secrets, g_strdup(call->name),
                                 fake->forgetful ? secret_new("?", 1) : secret_dup(call->value));
        call->done(error, call->data);
    }
}

static void call_free(FakeCall *call)
{
    g_free(call->name);
    secret_free(call->value);
    g_free(call);
}

static gboolean fake_turn(gpointer data)
{
    Fake *fake = data;
    FakeCall *call = g_queue_pop_head(&fake->calls);
    fake_answer(fake, call);
    call_free(call);
    return fake->calls.head ? G_SOURCE_CONTINUE : (fake->idle = 0, G_SOURCE_REMOVE);
}

static FakeCall *fake_call(Store *store, const char *name, gpointer data)
{
    Fake *fake = (Fake *)store;
    FakeCall *call = g_new0(FakeCall, 1);
    call->name = g_strdup(name);
    call->data = data;
    g_queue_push_tail(&fake->calls, call);
    if (!fake->idle)
        fake->idle = g_idle_add(fake_turn, fake);
    return call;
}

static void fake_get(Store *store, const char *name, StoreGot got, gpointer data)
{
    fake_call(store, name, data)->got = got;
}

static void fake_put(Store *store, const char *name, G_GNUC_UNUSED const Secret *expected,
                     const Secret *value, G_GNUC_UNUSED const char *label, StoreDone done,
                     gpointer data)
{
    FakeCall *call = fake_call(store, name, data);
    call->value = secret_dup(value);
    call->done = done;
}

static void fake_remove(Store *store, const char *name, StoreDone done, gpointer data)
{
    FakeCall *call = fake_call(store, name, data);
    call->is_remove = TRUE;
    call->done = done;
}

static void fake_list(Store *store, StoreListed listed, gpointer data)
{
    fake_call(store, NULL, data)->listed = listed;
}

static void fake_free(Store *store)
{
    Fake *fake = (Fake *)store;
    for (FakeCall *call; (call = g_queue_pop_head(&fake->calls));)
        call_free(call);
    g_clear_handle_id(&fake->idle, g_source_remove);
    g_hash_table_unref(fake->secrets);
    g_free(fake);
}

static const StoreClass fake_class = {
    .get = fake_get, .put = fake_put, .remove = fake_remove, .list = fake_list, .free = fake_free};

static Fake *fake_new(void)
{
    Fake *fake = g_new0(Fake, 1);
    fake->store.class = &fake_class;
    fake->secrets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_secret);
    return fake;
}

static void fake_hold(Fake *fake, const char *name, const char *value)
{
    g_hash_table_replace(fake->secrets, g_strdup(name), secret_new(value, -1));
}

static void assert_holds(const Fake *fake, const char *name, const char *value)
{
    const Secret *secret = g_hash_table_lookup(fake->secrets, name);
    cr_assert(secret && strcmp(secret_reveal(secret), value) == 0, "%s", name);
}

/* ---- the world of a move ---- */

typedef struct {
    char *folder;
    Fake *keyring, *sealed;
    Context context;
    gboolean told;
    guint moved;
    GError *error;
} World;

static void on_moved(guint moved, const GError *error, gpointer data)
{
    World *world = data;
    cr_assert(!world->told);
    world->told = TRUE;
    world->moved = moved;
    world->error = error ? g_error_copy(error) : NULL;
}

static void world_init(World *world)
{
    *world = (World){.folder = g_dir_make_tmp("postkey-test-XXXXXX", NULL),
                     .keyring = fake_new(),
                     .sealed = fake_new()};
    g_autofree char *path = g_build_filename(world->folder, "state.json", NULL);
    Store *const kinds[STORE_KINDS] = {[STORE_SECRET_SERVICE] = &world->keyring->store,
                                       [STORE_SEALED_FILE] = &world->sealed->store};
    world->context.state = state_load(path, NULL);
    world->context.stores = store_switch_new(kinds, STORE_SECRET_SERVICE);
    world->context.store = store_switch_face(world->context.stores);
    fake_hold(world->keyring, "account/a", "token a");
    fake_hold(world->keyring, "account/b", "token b");
    fake_hold(world->keyring, "client/google", "secret");
}

static void world_clear(World *world)
{
    g_autofree char *path = g_build_filename(world->folder, "state.json", NULL);
    store_switch_free(world->context.stores);
    state_free(world->context.state);
    (void)g_remove(path); /* where nothing was saved there is none */
    cr_assert_eq(g_rmdir(world->folder), 0);
    g_free(world->folder);
    g_clear_error(&world->error);
}

static void start(World *world, StoreKind to)
{
    world->told = FALSE;
    g_clear_error(&world->error);
    store_move_start(&world->context, to, on_moved, world);
    cr_assert(!world->told, "it was told from inside the call");
}

static void move_to(World *world, StoreKind to)
{
    start(world, to);
    while (!world->told)
        g_main_context_iteration(NULL, TRUE);
}

static void on_done(const GError *error, gpointer data)
{
    cr_assert_null(error);
    *(gboolean *)data = TRUE;
}

/* ---- what it shows ---- */

Test(store_move, everything_is_in_the_other_store_and_nothing_in_the_old_one)
{
    World world;
    world_init(&world);
    move_to(&world, STORE_SEALED_FILE);
    cr_assert_null(world.error);
    cr_assert_eq(world.moved, 3);
    assert_holds(world.sealed, "account/a", "token a");
    assert_holds(world.sealed, "client/google", "secret");
    cr_assert_eq(g_hash_table_size(world.keyring->secrets), 0);
    cr_assert_eq(store_switch_current(world.context.stores), STORE_SEALED_FILE);
    cr_assert_str_eq(world.context.state->store, "sealed-file");
    cr_assert_null(world.context.state->store_left);
    move_to(&world, STORE_SEALED_FILE);
    cr_assert(!world.error && world.moved == 0, "again is nothing to do");
    world_clear(&world);
}

/* Whatever turn of the loop the write comes in. */
Test(store_move, what_is_written_and_removed_meanwhile_is_moved_as_it_is_then)
{
    gboolean late = FALSE;
    for (guint turns = 0; !late; turns++) {
        World world;
        gboolean written = FALSE, removed = FALSE;
        g_autoptr(Secret) rotated = secret_new("rotated", -1);
        world_init(&world);
        start(&world, STORE_SEALED_FILE);
        for (guint i = 0; i < turns && !world.told; i++)
            g_main_context_iteration(NULL, TRUE);
        late = world.told;
        store_put(world.context.store, "account/a", NULL, rotated, "label", on_done, &written);
        store_remove(world.context.store, "account/b", on_done, &removed);
        while (!world.told || !written || !removed)
            g_main_context_iteration(NULL, TRUE);
        cr_assert_null(world.error);
        assert_holds(world.sealed, "account/a", "rotated");
        cr_assert_null(g_hash_table_lookup(world.sealed->secrets, "account/b"), "turn %u", turns);
        cr_assert_eq(g_hash_table_size(world.sealed->secrets), 2);
        cr_assert_eq(g_hash_table_size(world.keyring->secrets), 0);
        world_clear(&world);
    }
}

Test(store_move, a_store_that_gives_back_something_else_is_not_gone_over_to)
{
    World world;
    world_init(&world);
    world.sealed->forgetful = TRUE;
    move_to(&world, STORE_SEALED_FILE);
    cr_assert(g_error_matches(world.error, POSTKEY_ERROR, POSTKEY_ERROR_KEYRING_UNAVAILABLE));
    cr_assert(strstr(error_meaning(world.error), "nothing is moved"));
    cr_assert_eq(g_hash_table_size(world.keyring->secrets), 3);
    cr_assert_eq(store_switch_current(world.context.stores), STORE_SECRET_SERVICE);
    cr_assert_str_eq(world.context.state->store_left, "sealed-file");
    world_clear(&world);
}

Test(store_move, a_store_that_is_locked_changes_nothing_and_leaves_no_trace)
{
    World world;
    world_init(&world);
    world.sealed->locked = TRUE;
    move_to(&world, STORE_SEALED_FILE);
    cr_assert(g_error_matches(world.error, POSTKEY_ERROR, POSTKEY_ERROR_KEYRING_LOCKED));
    cr_assert_null(world.context.state->store_left);
    world_clear(&world);
}

Test(store_move, old_ones_that_could_not_be_removed_are_said_and_removed_by_another_move)
{
    World world;
    world_init(&world);
    start(&world, STORE_SEALED_FILE);
    while (store_switch_current(world.context.stores) != STORE_SEALED_FILE)
        g_main_context_iteration(NULL, TRUE);
    world.keyring->locked = TRUE;
    while (!world.told)
        g_main_context_iteration(NULL, TRUE);
    cr_assert(strstr(error_meaning(world.error), "old ones are left"));
    cr_assert_str_eq(world.context.state->store_left, "secret-service");
    world.keyring->locked = FALSE;
    move_to(&world, STORE_SEALED_FILE);
    cr_assert_null(world.error);
    cr_assert_eq(g_hash_table_size(world.keyring->secrets), 0);
    cr_assert_null(world.context.state->store_left);
    world_clear(&world);
}

Test(store_move, copies_of_an_interrupted_move_do_not_come_back_to_life)
{
    World world;
    world_init(&world);
    world.context.state->store_left = g_strdup("sealed-file");
    fake_hold(world.sealed, "account/forgotten-since", "token");
    move_to(&world, STORE_SEALED_FILE);
    cr_assert_null(world.error);
    cr_assert_eq(g_hash_table_size(world.sealed->secrets), 3);
    world_clear(&world);
}

Test(store_move, a_second_move_is_turned_away_and_one_may_be_cut_off_by_the_end)
{
    World world, second = {0};
    world_init(&world);
    start(&world, STORE_SEALED_FILE);
    store_move_start(&world.context, STORE_SEALED_FILE, on_moved, &second);
    while (!second.told)
        g_main_context_iteration(NULL, TRUE);
    cr_assert(g_error_matches(second.error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
    g_error_free(second.error);
    cr_assert_not(world.told);
    world_clear(&world);
}

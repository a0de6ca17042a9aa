#include "store_move.h"

#include "errors.h"
#include "log.h"

#include <string.h>

/* A name that no credential has: a store that says "there is none" is there, and unlocked. */
#define PROBE_NAME "probe"

typedef struct Move {
    Context *context;
    StoreKind from, to;
    Store *source, *target;
    StoreMoved done;
    gpointer data;
    GPtrArray *todo;    /* of char *, the names still to be copied, or to be removed */
    GHashTable *copied; /* of char * */
    gboolean copying;
    gboolean waiting; /* for writes under way, with nothing else to do */
    Store *cleared;   /* the store that is being emptied */
    void (*clear_failed)(struct Move *move, const GError *cause);
    void (*when_clear)(struct Move *move);
    char *name;    /* that is worked on */
    Secret *value; /* its secret, on its way */
} Move;

static void copy_next(Move *move);
static void clear_next(Move *move);

/* ---- the end ---- */

static void move_free(gpointer data)
{
    Move *move = data;
    g_ptr_array_unref(move->todo);
    g_hash_table_unref(move->copied);
    g_free(move->name);
    secret_free(move->value);
    g_free(move);
}

static void finish(Move *move, const GError *error)
{
    StoreMoved done = move->done;
    gpointer data = move->data;
    guint moved = g_hash_table_size(move->copied);
    store_switch_unwatch(move->context->stores);
    move_free(move);
    done(moved, error, data);
}

/* What a store said, and what it means for the move. */
static void fail(Move *move, const GError *cause, const char *meaning)
{
    g_autoptr(GError) error = NULL;
    error_set(&error,
              cause->domain == POSTKEY_ERROR ? (PostkeyErrorCode)cause->code
                                             : POSTKEY_ERROR_UNAVAILABLE,
              meaning, error_remedy(cause), "%s%s%s", cause->message,
              error_meaning(cause) ? ": " : "", error_meaning(cause) ? error_meaning(cause) : "");
    finish(move, error);
}

static void fail_unmoved(Move *move, const GError *cause)
{
    g_autofree char *meaning = g_strdup_printf("nothing is moved; the store in use is still %s",
                                               store_kind_name(move->from));
    fail(move, cause, meaning);
}

static void fail_moved(Move *move, const GError *cause)
{
    g_autofree char *meaning = g_strdup_printf(
        "the credentials are in the store %s, which is in use now; but old ones are left in %s, "
        "until this is run again",
        store_kind_name(move->to), store_kind_name(move->from));
    fail(move, cause, meaning);
}

/* ---- emptying a store ---- */

static void cleared(const GError *error, gpointer data)
{
    Move *move = data;
    if (error)
        move->clear_failed(move, error);
    else
        clear_next(move);
}

static void clear_next(Move *move)
{
    if (move->todo->len == 0) {
        move->when_clear(move);
        return;
    }
    g_free(move->name);
    move->name = g_ptr_array_steal_index_fast(move->todo, move->todo->len - 1);
    store_remove(move->cleared, move->name, cleared, move);
}

static void take_names(Move *move, const char *const *names)
{
    for (; *names; names++)
        g_ptr_array_add(move->todo, g_strdup(*names));
}

static void listed_to_clear(const char *const *names, const GError *error, gpointer data)
{
    Move *move = data;
    if (error) {
        move->clear_failed(move, error);
        return;
    }
    take_names(move, names);
    clear_next(move);
}

static void clear(Move *move, Store *store, void (*failed)(Move *move, const GError *cause),
                  void (*when_clear)(Move *move))
{
    move->cleared = store;
    move->clear_failed = failed;
    move->when_clear = when_clear;
    store_list(store, listed_to_clear, move);
}

/* ---- what the state says ---- */

/* Changes it on the disk, or not at all. */
static gboolean save_state(Move *move, StoreKind in_use, const char *left, GError **error)
{
    State *state = move->context->state;
    char *old_store = state->store, *old_left = state->store_left;
    state->store = g_strdup(store_kind_name(in_use));
    state->store_left = g_strdup(left);
    gboolean saved = state_save(state, error);
    g_free(saved ? old_store : state->store);
    g_free(saved ? old_left : state->store_left);
    if (!saved) {
        state->store = old_store;
        state->store_left = old_left;
    }
    return saved;
}

/* ---- the change ---- */

static void old_are_gone(Move *move)
{
    g_autoptr(GError) error = NULL;
    if (save_state(move, move->to, NULL, &error))
        finish(move, NULL);
    else
        fail_moved(move, error);
}

static void remove_old(Move *move)
{
    clear(move, move->source, fail_moved, old_are_gone);
}

static void change(Move *move)
{
    g_autoptr(GError) error = NULL;
    if (!save_state(move, move->to, store_kind_name(move->from), &error)) {
        fail_unmoved(move, error);
        return;
    }
    move->copying = FALSE;
    store_switch_to(move->context->stores, move->to);
    log_notice("%u credentials moved from the store %s to the store %s, which is in use now",
               g_hash_table_size(move->copied), store_kind_name(move->from),
               store_kind_name(move->to));
    remove_old(move);
}

/* ---- copying ---- */

static char *label_of(const char *name)
{
    const char *slash = strchr(name, '/');
    const char *what = slash ? slash + 1 : name;
    return g_strdup_printf(
        g_str_has_prefix(name, "client/") ? "postkey: OAuth client for %s" : "postkey: %s", what);
}

static void read_back(const Secret *value, const GError *error, gpointer data)
{
    Move *move = data;
    if (error) {
        fail_unmoved(move, error);
        return;
    }
    if (!secret_equal(value, move->value)) {
        g_autoptr(GError) differs = NULL;
        error_set(&differs, POSTKEY_ERROR_KEYRING_UNAVAILABLE, NULL,
                  "run it again; if it fails again, the new store cannot be trusted",
                  "the store %s gave back another secret than it was given, for %s",
                  store_kind_name(move->to), move->name);
        fail_unmoved(move, differs);
        return;
    }
    g_hash_table_add(move->copied, g_steal_pointer(&move->name));
    copy_next(move);
}

static void written_to_target(const GError *error, gpointer data)
{
    Move *move = data;
    if (error)
        fail_unmoved(move, error);
    else
        store_get(move->target, move->name, read_back, move);
}

static void gone_from_target(const GError *error, gpointer data)
{
    Move *move = data;
    if (error) {
        fail_unmoved(move, error);
        return;
    }
    g_hash_table_remove(move->copied, move->name);
    copy_next(move);
}

static void read_from_source(const Secret *value, const GError *error, gpointer data)
{
    Move *move = data;
    g_clear_pointer(&move->value, secret_free);
    if (error) {
        fail_unmoved(move, error);
    } else if (!value) {
        store_remove(move->target, move->name, gone_from_target, move);
    } else {
        g_autofree char *label = label_of(move->name);
        move->value = secret_dup(value);
        store_put(move->target, move->name, NULL, value, label, written_to_target, move);
    }
}

/* The change comes when all is copied and nothing is being written: between this look and the end
 * of change() nothing else runs. */
static void copy_next(Move *move)
{
    g_clear_pointer(&move->value, secret_free);
    if (move->todo->len == 0) {
        move->waiting = store_switch_writing(move->context->stores) > 0;
        if (!move->waiting)
            change(move);
        return;
    }
    g_free(move->name);
    move->name = g_ptr_array_steal_index_fast(move->todo, move->todo->len - 1);
    store_get(move->source, move->name, read_from_source, move);
}

static void source_listed(const char *const *names, const GError *error, gpointer data)
{
    Move *move = data;
    if (error) {
        fail_unmoved(move, error);
        return;
    }
    take_names(move, names);
    copy_next(move);
}

/* From the first copy on the state says that there are copies. */
static void start_copying(Move *move)
{
    g_autoptr(GError) error = NULL;
    move->cleared = NULL;
    if (save_state(move, move->from, store_kind_name(move->to), &error))
        store_list(move->source, source_listed, move);
    else
        fail_unmoved(move, error);
}

/* What an interrupted move left there may be older than what has been forgotten since. */
static void target_answered(G_GNUC_UNUSED const Secret *value, const GError *error, gpointer data)
{
    Move *move = data;
    if (error)
        fail_unmoved(move, error);
    else if (g_strcmp0(move->context->state->store_left, store_kind_name(move->to)) == 0)
        clear(move, move->target, fail_unmoved, start_copying);
    else
        start_copying(move);
}

/* The copy of what was written is old. */
static void written_meanwhile(const char *name, gpointer data)
{
    Move *move = data;
    if (!move->copying || move->cleared == move->target)
        return;
    g_ptr_array_add(move->todo, g_strdup(name));
    if (move->waiting) {
        move->waiting = FALSE;
        copy_next(move);
    }
}

/* ---- the start ---- */

static const StoreSwitchWatch watch = {.written = written_meanwhile, .abandoned = move_free};

/* Told from the loop, never from inside the call. */
typedef struct {
    StoreMoved done;
    gpointer data;
    GError *error;
} Refusal;

static gboolean tell_refusal(gpointer data)
{
    Refusal *refusal = data;
    refusal->done(0, refusal->error, refusal->data);
    return G_SOURCE_REMOVE;
}

static void refusal_free(gpointer data)
{
    Refusal *refusal = data;
    g_clear_error(&refusal->error);
    g_free(refusal);
}

static void answer_soon(StoreMoved done, gpointer data, GError *error)
{
    Refusal *refusal = g_new0(Refusal, 1);
    *refusal = (Refusal){.done = done, .data = data, .error = error};
    g_idle_add_full(G_PRIORITY_DEFAULT, tell_refusal, refusal, refusal_free);
}

static StoreKind other_than(StoreKind kind)
{
    return kind == STORE_SEALED_FILE ? STORE_SECRET_SERVICE : STORE_SEALED_FILE;
}

void store_move_start(Context *context, StoreKind to, StoreMoved done, gpointer data)
{
    StoreSwitch *stores = context->stores;
    gboolean clean = store_switch_current(stores) == to;
    if (clean && !context->state->store_left) {
        answer_soon(done, data, NULL);
        return;
    }
    Move *move = g_new0(Move, 1);
    if (!store_switch_watch(stores, &watch, move)) {
        GError *error = NULL;
        error_set(&error, POSTKEY_ERROR_REFUSED, "one move at a time", "wait for its end",
                  "the credentials are being moved already");
        g_free(move);
        answer_soon(done, data, error);
        return;
    }
    *move =
        (Move){.context = context, .from = other_than(to), .to = to, .done = done, .data = data};
    move->source = store_switch_of_kind(stores, move->from);
    move->target = store_switch_of_kind(stores, move->to);
    move->todo = g_ptr_array_new_with_free_func(g_free);
    move->copied = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    move->copying = !clean;
    if (clean)
        remove_old(move);
    else
        store_get(move->target, PROBE_NAME, target_answered, move);
}

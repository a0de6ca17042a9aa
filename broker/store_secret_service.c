#include "store_secret_service.h"

#include "errors.h"
#include "keyring_items.h"
#include "keyring_survey.h"
#include "timer.h"

typedef struct Operation Operation;

/* Operations run one after the other, so that no put comes between another one's look and its
 * write. What asks a person has a lane, and a line, of its own: nobody waits behind a prompt, and
 * only there is one raised. */
typedef struct {
    gboolean may_prompt;
    gint64 timeout_us;
    SecretService *line; /* kept open, but for prompts; NULL: to be opened */
    Operation *current;
    GQueue waiting;
    guint idle;
} Lane;

typedef struct {
    Store store;
    Lane quiet;
    Lane prompting;
} KeyringStore;

typedef enum { OP_GET, OP_PUT, OP_REMOVE, OP_LIST, OP_UNLOCK } OperationKind;

struct Operation {
    Lane *lane; /* NULL: given up; freed when its call under way comes back */
    OperationKind kind;
    char *name;
    Secret *expected, *value;
    char *label;
    StoreGot got;
    StoreDone done;
    StoreListed listed;
    gpointer data;
    GCancellable *cancellable;
    Timer *deadline;
    gboolean fresh; /* the line was opened for this: what fails on it fails for good */
    gboolean again; /* this is the second try */
    char *item;     /* object path of the secret that was found */
};

static void operation_start(Operation *op);

/* ---- the life of an operation ---- */

static void operation_free(Operation *op)
{
    timer_cancel(op->deadline);
    g_object_unref(op->cancellable);
    secret_free(op->expected);
    secret_free(op->value);
    g_free(op->name);
    g_free(op->label);
    g_free(op->item);
    g_free(op);
}

static gboolean lane_run_next(gpointer data)
{
    Lane *lane = data;
    lane->idle = 0;
    if (!lane->waiting.head)
        return G_SOURCE_REMOVE;
    lane->current = g_queue_pop_head(&lane->waiting);
    operation_start(lane->current);
    return G_SOURCE_REMOVE;
}

static void lane_schedule(Lane *lane)
{
    if (!lane->current && !lane->idle && lane->waiting.head)
        lane->idle = g_idle_add_full(G_PRIORITY_DEFAULT, lane_run_next, lane, NULL);
}

static void lane_hang_up(Lane *lane)
{
    keyring_close(lane->line);
    lane->line = NULL;
}

/* Tells the asker, as the last thing that touches the lane: the store may be gone afterwards. */
static void operation_tell(const Operation *op, const Secret *value, const char *const *names,
                           const GError *error)
{
    if (op->kind == OP_GET)
        op->got(value, error, op->data);
    else if (op->kind == OP_LIST)
        op->listed(names, error, op->data);
    else
        op->done(error, op->data);
}

static void operation_end(Operation *op, const Secret *value, const char *const *names,
                          const GError *error)
{
    op->lane->current = NULL;
    if (op->lane->may_prompt)
        lane_hang_up(op->lane);
    lane_schedule(op->lane);
    timer_cancel(op->deadline);
    op->deadline = NULL;
    operation_tell(op, value, names, error);
    operation_free(op);
}

static void operation_succeed(Operation *op)
{
    operation_end(op, NULL, NULL, NULL);
}

/* Takes the error. */
static void operation_fail(Operation *op, GError *error)
{
    operation_end(op, NULL, NULL, error);
    g_error_free(error);
}

static void operation_fail_locked(Operation *op)
{
    GError *error = NULL;
    keyring_set_locked(&error);
    operation_fail(op, error);
}

/* A line that was kept may have died without a sign, with a service that was started anew: one more
 * try. */
static void operation_hitch(Operation *op, const GError *cause)
{
    gboolean final = op->fresh || cause->domain == POSTKEY_ERROR ||
                     g_error_matches(cause, SECRET_ERROR, SECRET_ERROR_IS_LOCKED);
    if (!final) {
        op->again = TRUE;
        lane_hang_up(op->lane);
        operation_start(op);
        return;
    }
    if (!g_error_matches(cause, SECRET_ERROR, SECRET_ERROR_IS_LOCKED))
        lane_hang_up(op->lane);
    operation_fail(op, keyring_explain(cause));
}

/* The first thing in each callback of libsecret: whether there is still somebody to work for. */
static gboolean operation_goes_on(Operation *op, const GError *error)
{
    if (!op->lane) {
        operation_free(op);
        return FALSE;
    }
    if (error)
        operation_hitch(op, error);
    return !error;
}

static void on_deadline(gpointer data)
{
    Operation *op = data;
    Lane *lane = op->lane;
    g_autoptr(GError) error = NULL;
    op->deadline = NULL;
    error_set(&error, POSTKEY_ERROR_KEYRING_UNAVAILABLE,
              "the keyring service hangs, or waits for a person",
              "look for a window that asks for a password, or restart the keyring service",
              "the keyring did not answer in time");
    if (lane->current != op) {
        g_queue_remove(&lane->waiting, op);
        operation_tell(op, NULL, NULL, error);
        operation_free(op);
        return;
    }
    lane->current = NULL;
    lane_hang_up(lane);
    lane_schedule(lane);
    op->lane = NULL;
    g_cancellable_cancel(op->cancellable);
    operation_tell(op, NULL, NULL, error);
}

/* ---- the steps ---- */

static void on_written(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    (void)keyring_write_finish(SECRET_SERVICE(source), result, &error); /* the error tells */
    if (operation_goes_on(data, error))
        operation_succeed(data);
}

static void step_write(Operation *op, const char *collection)
{
    keyring_writes_to(op->lane->line, collection);
    keyring_write(op->lane->line, collection, op->name, op->label, op->value, op->cancellable,
                  on_written, op);
}

static void fail_changed(Operation *op)
{
    GError *error = NULL;
    error_set(&error, POSTKEY_ERROR_REFUSED, "somebody else replaced it; theirs was kept",
              "try again",
              "the secret in the keyring is no longer the one that was to be replaced");
    operation_fail(op, error);
}

static void on_replaced(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    (void)keyring_replace_finish(source, result, &error); /* the error tells */
    if (operation_goes_on(data, error))
        operation_succeed(data);
}

/* Not by writing a second one over it, for which KeePassXC asks a person. */
static void replace(Operation *op)
{
    keyring_replace(op->lane->line, op->item, op->value, op->cancellable, on_replaced, op);
}

static void on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    Operation *op = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(Secret) current = keyring_read_finish(SECRET_SERVICE(source), result, &error);
    if (!operation_goes_on(op, error))
        return;
    if (op->kind == OP_GET)
        operation_end(op, current, NULL, NULL);
    else if (op->again && secret_equal(current, op->value))
        operation_succeed(op); /* written by the first try, whose answer was lost */
    else if (!secret_equal(current, op->expected))
        fail_changed(op);
    else
        replace(op);
}

static void step_search(Operation *op);

static void on_deleted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    (void)secret_service_delete_item_dbus_path_finish(SECRET_SERVICE(source), result,
                                                      &error); /* the error tells */
    if (operation_goes_on(data, error))
        step_search(data); /* until there is none left: another collection may have it too */
}

static void step_remove(Operation *op)
{
    SecretService *line = op->lane->line;
    g_autofree char *collection = g_path_get_dirname(op->item);
    keyring_writes_to(line, collection);
    secret_service_delete_item_dbus_path(line, op->item, op->cancellable, on_deleted, op);
}

static void on_found(Operation *op)
{
    SecretService *line = op->lane->line;
    if (op->kind == OP_REMOVE)
        step_remove(op);
    else if (op->kind == OP_PUT && !op->expected)
        replace(op);
    else
        keyring_read(line, op->item, op->cancellable, on_read, op);
}

static void step_survey(Operation *op);

static void on_search(GObject *source, GAsyncResult *result, gpointer data)
{
    Operation *op = data;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) unlocked = NULL;
    g_auto(GStrv) locked = NULL;
    (void)keyring_search_finish(SECRET_SERVICE(source), result, &unlocked, &locked,
                                &error); /* the error tells */
    if (!operation_goes_on(op, error))
        return;
    g_clear_pointer(&op->item, g_free);
    if (unlocked && *unlocked) {
        op->item = g_strdup(*unlocked);
        on_found(op);
    } else if (locked && *locked) {
        operation_fail_locked(op);
    } else {
        step_survey(op);
    }
}

static void step_search(Operation *op)
{
    keyring_search(op->lane->line, op->name, op->cancellable, on_search, op);
}

static void on_listed(GObject *source, GAsyncResult *result, gpointer data)
{
    Operation *op = data;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) names = keyring_list_finish(SECRET_SERVICE(source), result, &error);
    if (operation_goes_on(op, error))
        operation_end(op, NULL, (const char *const *)names, NULL);
}

static void on_unlocked(G_GNUC_UNUSED GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    (void)keyring_unlock_finish(result, &error); /* the error tells */
    if (operation_goes_on(data, error))
        operation_succeed(data);
}

/* ---- nothing was found: is that the truth? ---- */

static void put_into_default(Operation *op, const KeyringSurvey *survey)
{
    if (!survey->default_collection) {
        GError *error = NULL;
        error_set(&error, POSTKEY_ERROR_KEYRING_LOCKED, "there is no place for secrets in it yet",
                  "make one: postkey unlock", "the keyring has no default collection");
        operation_fail(op, error);
    } else if (g_strv_contains((const char *const *)survey->locked, survey->default_collection)) {
        operation_fail_locked(op);
    } else {
        step_write(op, survey->default_collection);
    }
}

static void on_survey(G_GNUC_UNUSED GObject *source, GAsyncResult *result, gpointer data)
{
    Operation *op = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(KeyringSurvey) survey = keyring_survey_finish(result, &error);
    if (!operation_goes_on(op, error))
        return;
    if (op->kind == OP_PUT && !op->expected)
        put_into_default(op, survey);
    else if (survey->locked[0])
        operation_fail_locked(op);
    else if (op->kind == OP_PUT)
        fail_changed(op);
    else if (op->kind == OP_LIST)
        keyring_list(op->lane->line, op->cancellable, on_listed, op);
    else
        operation_succeed(op); /* a get: there is none; a remove: none is left */
}

static void step_survey(Operation *op)
{
    keyring_survey(op->lane->line, op->cancellable, on_survey, op);
}

/* ---- the start of an operation ---- */

static void operation_begin(Operation *op)
{
    if (op->kind == OP_LIST)
        step_survey(op);
    else if (op->kind == OP_UNLOCK)
        keyring_unlock(op->lane->line, op->cancellable, on_unlocked, op);
    else
        step_search(op);
}

static void on_open(G_GNUC_UNUSED GObject *source, GAsyncResult *result, gpointer data)
{
    Operation *op = data;
    g_autoptr(GError) error = NULL;
    SecretService *line = keyring_open_finish(result, &error);
    op->fresh = TRUE;
    if (!op->lane)
        keyring_close(line);
    if (!operation_goes_on(op, error))
        return;
    op->lane->line = line;
    operation_begin(op);
}

static void operation_start(Operation *op)
{
    Lane *lane = op->lane;
    if (lane->line && !keyring_is_alive(lane->line))
        lane_hang_up(lane);
    if (lane->line)
        operation_begin(op);
    else
        keyring_open(lane->may_prompt, op->cancellable, on_open, op);
}

static Operation *operation_add(Lane *lane, OperationKind kind, const char *name, gpointer data)
{
    Operation *op = g_new0(Operation, 1);
    op->lane = lane;
    op->kind = kind;
    op->name = g_strdup(name);
    op->data = data;
    op->cancellable = g_cancellable_new();
    op->deadline = timer_start_in(lane->timeout_us, on_deadline, op);
    g_queue_push_tail(&lane->waiting, op);
    lane_schedule(lane);
    return op;
}

/* ---- the face ---- */

static KeyringStore *keyring_store(Store *store)
{
    return (KeyringStore *)store;
}

static void keyring_store_get(Store *store, const char *name, StoreGot got, gpointer data)
{
    operation_add(&keyring_store(store)->quiet, OP_GET, name, data)->got = got;
}

static void keyring_store_put(Store *store, const char *name, const Secret *expected,
                              const Secret *value, const char *label, StoreDone done, gpointer data)
{
    Operation *op = operation_add(&keyring_store(store)->quiet, OP_PUT, name, data);
    op->expected = secret_dup(expected);
    op->value = secret_dup(value);
    op->label = g_strdup(label);
    op->done = done;
}

static void keyring_store_remove(Store *store, const char *name, StoreDone done, gpointer data)
{
    operation_add(&keyring_store(store)->quiet, OP_REMOVE, name, data)->done = done;
}

static void keyring_store_list(Store *store, StoreListed listed, gpointer data)
{
    operation_add(&keyring_store(store)->quiet, OP_LIST, NULL, data)->listed = listed;
}

static void keyring_store_unlock(Store *store, StoreDone done, gpointer data)
{
    operation_add(&keyring_store(store)->prompting, OP_UNLOCK, NULL, data)->done = done;
}

static void lane_close(Lane *lane)
{
    Operation *op;
    if (lane->idle)
        g_source_remove(lane->idle);
    while ((op = g_queue_pop_head(&lane->waiting)))
        operation_free(op);
    if (lane->current) {
        lane->current->lane = NULL;
        timer_cancel(lane->current->deadline);
        lane->current->deadline = NULL;
        g_cancellable_cancel(lane->current->cancellable);
    }
    lane_hang_up(lane);
}

static void keyring_store_free(Store *store)
{
    lane_close(&keyring_store(store)->quiet);
    lane_close(&keyring_store(store)->prompting);
    g_free(store);
}

static const StoreClass keyring_store_class = {
    .get = keyring_store_get,
    .put = keyring_store_put,
    .remove = keyring_store_remove,
    .list = keyring_store_list,
    .unlock = keyring_store_unlock,
    .free = keyring_store_free,
};

Store *store_secret_service_new(void)
{
    KeyringStore *store = g_new0(KeyringStore, 1);
    store->store.class = &keyring_store_class;
    store->quiet.timeout_us = (gint64)STORE_SECRET_SERVICE_TIMEOUT_MS * 1000;
    store->prompting.may_prompt = TRUE;
    store->prompting.timeout_us = (gint64)STORE_SECRET_SERVICE_PROMPT_TIMEOUT_MS * 1000;
    return &store->store;
}

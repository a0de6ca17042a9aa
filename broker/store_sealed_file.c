#include "store_sealed_file.h"

#include "errors.h"
#include "log.h"
#include "sealed_folder.h"
#include "sealed_key_file.h"

typedef struct Operation Operation;

typedef struct {
    Store store;
    SealedFolder folder;
    char *key_file;
    GQueue waiting; /* of Operation; one runs in each turn of the loop */
    guint idle;
    gboolean rekeying;
} SealedStore;

typedef enum { OP_GET, OP_PUT, OP_REMOVE, OP_LIST, OP_UNLOCK, OP_REKEY } OperationKind;

struct Operation {
    OperationKind kind;
    char *name;
    Secret *expected, *value;
    StoreGot got;
    StoreDone done;
    StoreListed listed;
    StoreRekeyed rekeyed;
    gpointer data;
    GPtrArray *files; /* that a change of the key has before it; NULL: not begun */
    StoreRekey rekey;
};

/* What an operation comes to. */
typedef struct {
    Secret *value;
    GPtrArray *names; /* ends with NULL */
    gboolean goes_on; /* a part is done; the rest follows in another turn */
    GError *error;
} Outcome;

static SealedStore *sealed_store(Store *store)
{
    return (SealedStore *)store;
}

/* ---- what each operation does ---- */

static gboolean read_keys(const SealedStore *store, SealedKeys *keys, GError **error)
{
    g_auto(SealedKeyFile) file = {0};
    sealed_key_file_find(store->key_file, &file);
    return sealed_key_file_read(&file, keys, error);
}

static void run_get(SealedStore *store, const Operation *op, Outcome *outcome)
{
    g_auto(SealedKeys) keys = {0};
    if (read_keys(store, &keys, &outcome->error))
        outcome->value = sealed_folder_read(&store->folder, op->name, &keys, &outcome->error);
}

static gboolean is_expected(const SealedStore *store, const Operation *op, const SealedKeys *keys,
                            GError **error)
{
    g_autoptr(GError) fault = NULL;
    g_autoptr(Secret) current = sealed_folder_read(&store->folder, op->name, keys, &fault);
    if (secret_equal(current, op->expected))
        return TRUE;
    if (fault)
        g_propagate_error(error, g_steal_pointer(&fault));
    else
        error_set(error, POSTKEY_ERROR_REFUSED, "somebody else replaced it; theirs was kept",
                  "try again",
                  "the credential in the store is no longer the one that was to be replaced");
    return FALSE;
}

static void run_put(SealedStore *store, const Operation *op, Outcome *outcome)
{
    g_auto(SealedKeys) keys = {0};
    if (!read_keys(store, &keys, &outcome->error) ||
        (op->expected && !is_expected(store, op, &keys, &outcome->error)))
        return;
    (void)sealed_folder_write(&store->folder, op->name, op->value, &keys,
                              &outcome->error); /* the error tells */
}

/* Needs no key: who lost it must be able to forget. */
static void run_remove(SealedStore *store, const Operation *op, Outcome *outcome)
{
    (void)sealed_folder_remove(&store->folder, op->name, &outcome->error); /* the error tells */
}

static void run_list(SealedStore *store, Outcome *outcome)
{
    g_autoptr(GPtrArray) files = sealed_folder_files(&store->folder, &outcome->error);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; files && i < files->len && !outcome->error; i++) {
        char *name = sealed_folder_name_of(&store->folder, files->pdata[i], &outcome->error);
        if (name)
            g_ptr_array_add(names, name);
    }
    g_ptr_array_add(names, NULL);
    if (!outcome->error)
        outcome->names = g_steal_pointer(&names);
}

static void run_unlock(SealedStore *store, Outcome *outcome)
{
    g_auto(SealedKeys) keys = {0};
    (void)read_keys(store, &keys, &outcome->error); /* the error tells */
}

/* ---- a change of the key ---- */

/* A key that is missing must not be replaced by a new one: what the old one sealed would stay shut.
 */
static void begin_rekey(SealedStore *store, Operation *op, const SealedKeyFile *file,
                        Outcome *outcome)
{
    g_auto(SealedKeys) keys = {0};
    if (store->rekeying) {
        error_set(&outcome->error, POSTKEY_ERROR_REFUSED, "one change at a time",
                  "wait for its end", "the key of the store is being changed already");
        return;
    }
    if (!sealed_key_file_read(file, &keys, &outcome->error) ||
        !sealed_key_file_begin_change(file, &outcome->error))
        return;
    op->files = sealed_folder_files(&store->folder, &outcome->error);
    store->rekeying = outcome->goes_on = op->files != NULL;
}

/* What was written since the files were listed is sealed with the new key, too: from its first
 * instant on the disk every operation seals with it. */
static void end_rekey(const SealedKeyFile *file, Outcome *outcome)
{
    if (sealed_key_file_end_change(file, &outcome->error))
        log_notice("every credential is sealed with the new key of the store");
}

static void run_rekey(SealedStore *store, Operation *op, const SealedKeyFile *file,
                      Outcome *outcome)
{
    if (!op->files) {
        begin_rekey(store, op, file, outcome);
        return;
    }
    if (op->files->len == 0) {
        end_rekey(file, outcome);
        return;
    }
    g_auto(SealedKeys) keys = {0};
    gboolean changed = FALSE;
    if (!sealed_key_file_read(file, &keys, &outcome->error))
        return;
    g_autofree char *name = g_ptr_array_steal_index_fast(op->files, op->files->len - 1);
    outcome->goes_on = sealed_folder_reseal(&store->folder, name, &keys, &changed, &outcome->error);
    op->rekey.resealed += changed ? 1 : 0;
}

/* ---- the life of an operation ---- */

/* Whether it is the change of the key under way, not one that was turned away. */
static gboolean ends_rekey(const Operation *op, const Outcome *outcome)
{
    return op->files && !outcome->goes_on;
}

static void operation_free(Operation *op)
{
    secret_free(op->expected);
    secret_free(op->value);
    g_free(op->name);
    if (op->files)
        g_ptr_array_unref(op->files);
    g_free(op);
}

static void operation_run(SealedStore *store, Operation *op, const SealedKeyFile *file,
                          Outcome *outcome)
{
    if (!sealed_folder_open(&store->folder, &outcome->error))
        return;
    switch (op->kind) {
    case OP_GET:
        run_get(store, op, outcome);
        break;
    case OP_PUT:
        run_put(store, op, outcome);
        break;
    case OP_REMOVE:
        run_remove(store, op, outcome);
        break;
    case OP_LIST:
        run_list(store, outcome);
        break;
    case OP_UNLOCK:
        run_unlock(store, outcome);
        break;
    case OP_REKEY:
        run_rekey(store, op, file, outcome);
        break;
    }
}

/* The store may be gone afterwards. */
static void operation_tell(const Operation *op, const Outcome *outcome)
{
    if (op->kind == OP_GET)
        op->got(outcome->value, outcome->error, op->data);
    else if (op->kind == OP_LIST)
        op->listed(outcome->names ? (const char *const *)outcome->names->pdata : NULL,
                   outcome->error, op->data);
    else if (op->kind == OP_REKEY)
        op->rekeyed(outcome->error ? NULL : &op->rekey, outcome->error, op->data);
    else
        op->done(outcome->error, op->data);
}

static gboolean run_next(gpointer data);

static void schedule(SealedStore *store)
{
    if (!store->idle && store->waiting.head)
        store->idle = g_idle_add_full(G_PRIORITY_DEFAULT, run_next, store, NULL);
}

static gboolean run_next(gpointer data)
{
    SealedStore *store = data;
    Outcome outcome = {0};
    g_auto(SealedKeyFile) file = {0};
    Operation *op = g_queue_pop_head(&store->waiting);
    sealed_key_file_find(store->key_file, &file);
    op->rekey.path = file.path;
    op->rekey.of_systemd = file.of_systemd;
    store->idle = 0;
    operation_run(store, op, &file, &outcome);
    if (outcome.goes_on)
        g_queue_push_tail(&store->waiting, op);
    if (ends_rekey(op, &outcome))
        store->rekeying = FALSE;
    schedule(store);
    if (!outcome.goes_on) {
        operation_tell(op, &outcome);
        operation_free(op);
    }
    secret_free(outcome.value);
    g_clear_pointer(&outcome.names, g_ptr_array_unref);
    g_clear_error(&outcome.error);
    return G_SOURCE_REMOVE;
}

static Operation *operation_add(Store *store, OperationKind kind, const char *name, gpointer data)
{
    Operation *op = g_new0(Operation, 1);
    op->kind = kind;
    op->name = g_strdup(name);
    op->data = data;
    g_queue_push_tail(&sealed_store(store)->waiting, op);
    schedule(sealed_store(store));
    return op;
}

/* ---- the face ---- */

static void sealed_store_get(Store *store, const char *name, StoreGot got, gpointer data)
{
    operation_add(store, OP_GET, name, data)->got = got;
}

static void sealed_store_put(Store *store, const char *name, const Secret *expected,
                             const Secret *value, G_GNUC_UNUSED const char *label, StoreDone done,
                             gpointer data)
{
    Operation *op = operation_add(store, OP_PUT, name, data);
    op->expected = secret_dup(expected);
    op->value = secret_dup(value);
    op->done = done;
}

static void sealed_store_remove(Store *store, const char *name, StoreDone done, gpointer data)
{
    operation_add(store, OP_REMOVE, name, data)->done = done;
}

static void sealed_store_list(Store *store, StoreListed listed, gpointer data)
{
    operation_add(store, OP_LIST, NULL, data)->listed = listed;
}

static void sealed_store_unlock(Store *store, StoreDone done, gpointer data)
{
    operation_add(store, OP_UNLOCK, NULL, data)->done = done;
}

void store_sealed_file_rekey(Store *store, StoreRekeyed rekeyed, gpointer data)
{
    operation_add(store, OP_REKEY, NULL, data)->rekeyed = rekeyed;
}

static void sealed_store_free(Store *store)
{
    SealedStore *sealed = sealed_store(store);
    Operation *op;
    if (sealed->idle)
        g_source_remove(sealed->idle);
    while ((op = g_queue_pop_head(&sealed->waiting)))
        operation_free(op);
    sealed_folder_clear(&sealed->folder);
    g_free(sealed->key_file);
    g_free(sealed);
}

static const StoreClass sealed_store_class = {
    .get = sealed_store_get,
    .put = sealed_store_put,
    .remove = sealed_store_remove,
    .list = sealed_store_list,
    .unlock = sealed_store_unlock,
    .free = sealed_store_free,
};

Store *store_sealed_file_new(const char *folder, const char *key_file)
{
    SealedStore *store = g_new0(SealedStore, 1);
    store->store.class = &sealed_store_class;
    store->key_file = g_strdup(key_file);
    sealed_folder_init(&store->folder, folder);
    return &store->store;
}

void store_sealed_file_set_key_file(Store *store, const char *key_file)
{
    g_free(sealed_store(store)->key_file);
    sealed_store(store)->key_file = g_strdup(key_file);
}

/* ---- the key, and what there is ---- */

gboolean store_sealed_file_init(Store *store, char **path, GError **error)
{
    SealedStore *sealed = sealed_store(store);
    g_auto(SealedKeyFile) file = {0};
    sealed_key_file_find(sealed->key_file, &file);
    if (!sealed_folder_open(&sealed->folder, error))
        return FALSE;
    g_autoptr(GPtrArray) files = sealed_folder_files(&sealed->folder, error);
    if (!files)
        return FALSE;
    if (files->len > 0 && !sealed_key_file_exists(&file)) {
        error_set(error, POSTKEY_ERROR_REFUSED, "their key was lost; a new one cannot open them",
                  "put the old key back from its copy; or remove those files, and then sign in "
                  "again (postkey authorize)",
                  "there are sealed credentials already (%u), in %s", files->len,
                  sealed->folder.path);
        return FALSE;
    }
    if (!sealed_key_file_create(&file, error))
        return FALSE;
    *path = g_steal_pointer(&file.path);
    return TRUE;
}

static void add_fault(StoreSealedFileReport *report, const GError *error)
{
    g_ptr_array_add(report->faults, g_strdup(error->message));
}

static void inspect_files(SealedStore *store, const SealedKeys *keys, StoreSealedFileReport *report)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = NULL;
    if (sealed_folder_open(&store->folder, &error))
        files = sealed_folder_files(&store->folder, &error);
    if (!files)
        add_fault(report, error);
    for (guint i = 0; files && i < files->len; i++) {
        g_autoptr(GError) fault = NULL;
        g_autofree char *name = sealed_folder_name_of(&store->folder, files->pdata[i], &fault);
        g_autoptr(Secret) secret = NULL;
        if (name && sealed_keys_sealing(keys))
            secret = sealed_folder_read(&store->folder, name, keys, &fault);
        if (fault)
            add_fault(report, fault);
    }
    report->credentials = files ? files->len : 0;
}

void store_sealed_file_inspect(Store *store, StoreSealedFileReport *report)
{
    g_autoptr(GError) error = NULL;
    g_auto(SealedKeyFile) file = {0};
    g_auto(SealedKeys) keys = {0};
    *report = (StoreSealedFileReport){.faults = g_ptr_array_new_with_free_func(g_free)};
    sealed_key_file_find(sealed_store(store)->key_file, &file);
    if (!sealed_key_file_read(&file, &keys, &error)) {
        sealed_keys_clear(&keys);
        add_fault(report, error);
    }
    const SealedKey *sealing = sealed_keys_sealing(&keys);
    report->id = sealing ? sealed_key_id_text(sealing->id) : NULL;
    report->of_systemd = file.of_systemd;
    report->changing = keys.next != NULL;
    report->path = g_steal_pointer(&file.path);
    inspect_files(sealed_store(store), &keys, report);
}

void store_sealed_file_report_clear(StoreSealedFileReport *report)
{
    g_clear_pointer(&report->path, g_free);
    g_clear_pointer(&report->id, g_free);
    g_clear_pointer(&report->faults, g_ptr_array_unref);
}

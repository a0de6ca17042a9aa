#include "memory_store.h"

#include "errors.h"

typedef struct {
    Store face;
    GHashTable *secrets; /* name -> Secret */
    GQueue answers;      /* of Answer, not yet given */
} MemoryStore;

typedef struct {
    MemoryStore *store;
    guint idle;
    Secret *value;
    GError *error;
    StoreGot got; /* one of these three */
    StoreDone done;
    StoreListed listed;
    gpointer data;
} Answer;

static void answer_free(Answer *answer)
{
    g_clear_handle_id(&answer->idle, g_source_remove);
    g_queue_remove(&answer->store->answers, answer);
    secret_free(answer->value);
    g_clear_error(&answer->error);
    g_free(answer);
}

static gboolean give(gpointer data)
{
    Answer *answer = data;
    Answer now = *answer;
    answer->idle = 0;
    answer->value = NULL;
    answer->error = NULL;
    g_auto(GStrv) names =
        now.listed ? (char **)g_hash_table_get_keys_as_array(now.store->secrets, NULL) : NULL;
    for (char **name = names; name && *name; name++)
        *name = g_strdup(*name);
    answer_free(answer);
    if (now.got)
        now.got(now.value, now.error, now.data);
    else if (now.done)
        now.done(now.error, now.data);
    else
        now.listed((const char *const *)names, now.error, now.data);
    secret_free(now.value);
    g_clear_error(&now.error);
    return G_SOURCE_REMOVE;
}

static Answer *answer_later(Store *store, gpointer data)
{
    Answer *answer = g_new0(Answer, 1);
    answer->store = (MemoryStore *)store;
    answer->data = data;
    answer->idle = g_idle_add_full(G_PRIORITY_DEFAULT, give, answer, NULL);
    g_queue_push_tail(&answer->store->answers, answer);
    return answer;
}

static void memory_get(Store *store, const char *name, StoreGot got, gpointer data)
{
    Answer *answer = answer_later(store, data);
    answer->got = got;
    answer->value = secret_dup(g_hash_table_lookup(answer->store->secrets, name));
}

static void memory_put(Store *store, const char *name, const Secret *expected, const Secret *value,
                       G_GNUC_UNUSED const char *label, StoreDone done, gpointer data)
{
    Answer *answer = answer_later(store, data);
    answer->done = done;
    const Secret *present = g_hash_table_lookup(answer->store->secrets, name);
    if (expected && !secret_equal(expected, present))
        error_set(&answer->error, POSTKEY_ERROR_REFUSED, NULL, NULL, "it is another one by now");
    else
        g_hash_table_replace(answer->store->secrets, g_strdup(name), secret_dup(value));
}

static void memory_remove(Store *store, const char *name, StoreDone done, gpointer data)
{
    Answer *answer = answer_later(store, data);
    answer->done = done;
    g_hash_table_remove(answer->store->secrets, name);
}

static void memory_list(Store *store, StoreListed listed, gpointer data)
{
    answer_later(store, data)->listed = listed;
}

static void memory_unlock(Store *store, StoreDone done, gpointer data)
{
    Answer *answer = answer_later(store, data);
    answer->done = done;
    error_set(&answer->error, POSTKEY_ERROR_CANCELLED, NULL, NULL, "the prompt was dismissed");
}

static void memory_free(Store *store)
{
    MemoryStore *memory = (MemoryStore *)store;
    while (memory->answers.head)
        answer_free(memory->answers.head->data);
    g_hash_table_unref(memory->secrets);
    g_free(memory);
}

static const StoreClass memory_class = {.get = memory_get,
                                        .put = memory_put,
                                        .remove = memory_remove,
                                        .list = memory_list,
                                        .unlock = memory_unlock,
                                        .free = memory_free};

static void free_secret(gpointer secret)
{
    secret_free(secret);
}

Store *memory_store_new(const char *name, const char *value)
{
    MemoryStore *memory = g_new0(MemoryStore, 1);
    memory->face.class = &memory_class;
    memory->secrets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_secret);
    g_hash_table_replace(memory->secrets, g_strdup(name), secret_new(value, -1));
    return &memory->face;
}

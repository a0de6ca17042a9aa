#include "store_switch.h"

struct StoreSwitch {
    Store face;
    Store *kinds[STORE_KINDS];
    StoreKind current;
    GQueue writes; /* of Write, those under way */
    const StoreSwitchWatch *watch;
    gpointer watch_data;
};

typedef struct {
    StoreSwitch *stores;
    char *name;
    StoreDone done;
    gpointer data;
} Write;

static StoreSwitch *switch_of(Store *face)
{
    return (StoreSwitch *)face;
}

static Store *in_use(Store *face)
{
    return switch_of(face)->kinds[switch_of(face)->current];
}

static void write_free(Write *write)
{
    g_free(write->name);
    g_free(write);
}

/* The stores may be gone after the caller is told. */
static void write_ended(const GError *error, gpointer data)
{
    Write *write = data;
    StoreSwitch *stores = write->stores;
    g_queue_remove(&stores->writes, write);
    if (stores->watch)
        stores->watch->written(write->name, stores->watch_data);
    write->done(error, write->data);
    write_free(write);
}

static Write *write_new(StoreSwitch *stores, const char *name, StoreDone done, gpointer data)
{
    Write *write = g_new0(Write, 1);
    *write = (Write){.stores = stores, .name = g_strdup(name), .done = done, .data = data};
    g_queue_push_tail(&stores->writes, write);
    return write;
}

static void switch_get(Store *face, const char *name, StoreGot got, gpointer data)
{
    store_get(in_use(face), name, got, data);
}

static void switch_put(Store *face, const char *name, const Secret *expected, const Secret *value,
                       const char *label, StoreDone done, gpointer data)
{
    Write *write = write_new(switch_of(face), name, done, data);
    store_put(in_use(face), name, expected, value, label, write_ended, write);
}

static void switch_remove(Store *face, const char *name, StoreDone done, gpointer data)
{
    Write *write = write_new(switch_of(face), name, done, data);
    store_remove(in_use(face), name, write_ended, write);
}

static void switch_list(Store *face, StoreListed listed, gpointer data)
{
    store_list(in_use(face), listed, data);
}

static void switch_unlock(Store *face, StoreDone done, gpointer data)
{
    store_unlock(in_use(face), done, data);
}

static void switch_free(Store *face)
{
    StoreSwitch *stores = switch_of(face);
    if (stores->watch)
        stores->watch->abandoned(stores->watch_data);
    for (gsize i = 0; i < STORE_KINDS; i++)
        store_free(stores->kinds[i]);
    for (Write *write; (write = g_queue_pop_head(&stores->writes));)
        write_free(write);
    g_free(stores);
}

static const StoreClass switch_class = {
    .get = switch_get,
    .put = switch_put,
    .remove = switch_remove,
    .list = switch_list,
    .unlock = switch_unlock,
    .free = switch_free,
};

StoreSwitch *store_switch_new(Store *const kinds[STORE_KINDS], StoreKind current)
{
    StoreSwitch *stores = g_new0(StoreSwitch, 1);
    stores->face.class = &switch_class;
    for (gsize i = 0; i < STORE_KINDS; i++)
        stores->kinds[i] = kinds[i];
    stores->current = current;
    return stores;
}

void store_switch_free(StoreSwitch *stores)
{
    if (stores)
        store_free(&stores->face);
}

Store *store_switch_face(StoreSwitch *stores)
{
    return &stores->face;
}

StoreKind store_switch_current(const StoreSwitch *stores)
{
    return stores->current;
}

void store_switch_to(StoreSwitch *stores, StoreKind kind)
{
    stores->current = kind;
}

Store *store_switch_of_kind(StoreSwitch *stores, StoreKind kind)
{
    return stores->kinds[kind];
}

guint store_switch_writing(const StoreSwitch *stores)
{
    return stores->writes.length;
}

gboolean store_switch_watch(StoreSwitch *stores, const StoreSwitchWatch *watch, gpointer data)
{
    if (stores->watch)
        return FALSE;
    stores->watch = watch;
    stores->watch_data = data;
    return TRUE;
}

void store_switch_unwatch(StoreSwitch *stores)
{
    stores->watch = NULL;
}

gboolean store_switch_is_watched(const StoreSwitch *stores)
{
    return stores->watch != NULL;
}

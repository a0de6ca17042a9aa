#include "store.h"

#include <string.h>

static const char *const kind_names[STORE_KINDS] = {
    [STORE_SECRET_SERVICE] = "secret-service",
    [STORE_SEALED_FILE] = "sealed-file",
};

const char *store_kind_name(StoreKind kind)
{
    return kind_names[kind];
}

gboolean store_kind_parse(const char *name, StoreKind *kind)
{
    for (gsize i = 0; name && i < STORE_KINDS; i++)
        if (strcmp(kind_names[i], name) == 0) {
            *kind = (StoreKind)i;
            return TRUE;
        }
    return FALSE;
}

char *store_account_name(const char *account)
{
    return g_strconcat("account/", account, NULL);
}

char *store_client_name(const char *provider)
{
    return g_strconcat("client/", provider, NULL);
}

void store_get(Store *store, const char *name, StoreGot got, gpointer data)
{
    store->class->get(store, name, got, data);
}

void store_put(Store *store, const char *name, const Secret *expected, const Secret *value,
               const char *label, StoreDone done, gpointer data)
{
    store->class->put(store, name, expected, value, label, done, data);
}

void store_remove(Store *store, const char *name, StoreDone done, gpointer data)
{
    store->class->remove(store, name, done, data);
}

void store_list(Store *store, StoreListed listed, gpointer data)
{
    store->class->list(store, listed, data);
}

void store_unlock(Store *store, StoreDone done, gpointer data)
{
    store->class->unlock(store, done, data);
}

void store_free(Store *store)
{
    if (store)
        store->class->free(store);
}

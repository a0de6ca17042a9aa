/* The face of a store of secrets: asynchronous get, put if unchanged, delete, list.
 *
 * Names are "account/NAME" and "client/PROVIDER". An unattended call never raises a prompt: a
 * locked store is POSTKEY_ERROR_KEYRING_LOCKED, one that is not there
 * POSTKEY_ERROR_KEYRING_UNAVAILABLE, and "there is no such secret" is said only by a store that is
 * unlocked. Every callback runs once, later, from the main loop, never from inside the call that
 * started it.
 */
#pragma once

#include "secret.h"

typedef struct Store Store;

/* value is borrowed for the callback; NULL without an error: there is none. */
typedef void (*StoreGot)(const Secret *value, const GError *error, gpointer data);
/* error is NULL on success. */
typedef void (*StoreDone)(const GError *error, gpointer data);
/* names is NULL on an error. */
typedef void (*StoreListed)(const char *const *names, const GError *error, gpointer data);

/* What a store has to do; each as the function below of the same name. */
typedef struct {
    void (*get)(Store *store, const char *name, StoreGot got, gpointer data);
    void (*put)(Store *store, const char *name, const Secret *expected, const Secret *value,
                const char *label, StoreDone done, gpointer data);
    void (*remove)(Store *store, const char *name, StoreDone done, gpointer data);
    void (*list)(Store *store, StoreListed listed, gpointer data);
    void (*unlock)(Store *store, StoreDone done, gpointer data);
    void (*free)(Store *store);
} StoreClass;

/* The kinds there are; their names are those of store= in postkey.conf. */
typedef enum { STORE_SECRET_SERVICE, STORE_SEALED_FILE } StoreKind;
#define STORE_KINDS 2

/* Borrowed, static. */
const char *store_kind_name(StoreKind kind);

/* FALSE when it is none of them. */
gboolean store_kind_parse(const char *name, StoreKind *kind);

/* Embedded first in each kind of store. */
struct Store {
    const StoreClass *class;
};

/* The names, for an account and for the client of a provider. Return owned. */
char *store_account_name(const char *account);
char *store_client_name(const char *provider);

void store_get(Store *store, const char *name, StoreGot got, gpointer data);

/* Replaces the secret; what was there stays until the new one is. With expected (may be NULL): only
 * if the secret is still this one, else POSTKEY_ERROR_REFUSED. label is what a keyring's window
 * shows. Copies value. */
void store_put(Store *store, const char *name, const Secret *expected, const Secret *value,
               const char *label, StoreDone done, gpointer data);

/* A secret that is not there is a success. */
void store_remove(Store *store, const char *name, StoreDone done, gpointer data);

void store_list(Store *store, StoreListed listed, gpointer data);

/* Asks the person to unlock it: the one call that may raise a prompt. POSTKEY_ERROR_KEYRING_LOCKED
 * when it was dismissed or could not be shown. */
void store_unlock(Store *store, StoreDone done, gpointer data);

/* Frees the store; outstanding callbacks do not run any more. */
void store_free(Store *store);

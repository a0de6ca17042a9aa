/* Our items in a keyring: schema org.postkey.Credential with the attribute "name".
 *
 * Nothing here unlocks or asks. Errors are passed on as they came: keyring_explain() tells their
 * meaning.
 */
#pragma once

#include "keyring.h"
#include "secret.h"

/* Object paths of the items of that name; both are owned. */
void keyring_search(SecretService *line, const char *name, GCancellable *cancellable,
                    GAsyncReadyCallback searched, gpointer data);
gboolean keyring_search_finish(SecretService *line, GAsyncResult *result, char ***unlocked,
                               char ***locked, GError **error);

/* The secret of an item. Returns owned; NULL with POSTKEY_ERROR_PROTOCOL when it is no text. */
void keyring_read(SecretService *line, const char *item, GCancellable *cancellable,
                  GAsyncReadyCallback was_read, gpointer data);
Secret *keyring_read_finish(SecretService *line, GAsyncResult *result, GError **error);

/* Puts the secret into a collection, in the place of one of that name that is there. */
void keyring_write(SecretService *line, const char *collection, const char *name, const char *label,
                   const Secret *value, GCancellable *cancellable, GAsyncReadyCallback written,
                   gpointer data);
gboolean keyring_write_finish(SecretService *line, GAsyncResult *result, GError **error);

/* Another secret for an item that is there. source: of the callback. */
void keyring_replace(SecretService *line, const char *item, const Secret *value,
                     GCancellable *cancellable, GAsyncReadyCallback replaced, gpointer data);
gboolean keyring_replace_finish(GObject *source, GAsyncResult *result, GError **error);

/* The names of all items, each once. Returns owned. */
void keyring_list(SecretService *line, GCancellable *cancellable, GAsyncReadyCallback listed,
                  gpointer data);
char **keyring_list_finish(SecretService *line, GAsyncResult *result, GError **error);

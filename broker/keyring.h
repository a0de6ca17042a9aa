/* A line to the Secret Service on the session bus: opened, looked at, closed; nothing blocks.
 *
 * Each line is a D-Bus connection of its own, so that the end of the bus ends a line and never the
 * process. The secrets on it are encrypted for the line (Diffie-Hellman). A line that may not
 * prompt answers every prompt of the service with SECRET_ERROR_IS_LOCKED, whatever call it came
 * from; but for one that comes for a write to a collection that is unlocked (keyring_writes_to()).
 */
#pragma once

#define SECRET_API_SUBJECT_TO_CHANGE /* the calls by object path: unchanged since 2012 */
#include <libsecret/secret.h>

#define KEYRING_SERVICE_NAME "org.freedesktop.secrets"
#define KEYRING_SERVICE_PATH "/org/freedesktop/secrets"
#define KEYRING_SERVICE_INTERFACE "org.freedesktop.Secret.Service"

/* Opens a line. The address is $DBUS_SESSION_BUS_ADDRESS, else unix:path= the "bus" of the runtime
 * folder; no bus is ever started. */
void keyring_open(gboolean may_prompt, GCancellable *cancellable, GAsyncReadyCallback opened,
                  gpointer data);

/* Returns owned, to be given to keyring_close(); NULL with an error as it came: see
 * keyring_explain(). */
SecretService *keyring_open_finish(GAsyncResult *result, GError **error);

/* Before an item below this collection is written or removed: a prompt for that is gone through
 * with as long as the collection is unlocked, since some services (KeePassXC) answer each change
 * with one that asks nobody. */
void keyring_writes_to(SecretService *line, const char *collection);

/* Hangs up. NULL is fine. */
void keyring_close(SecretService *line);

/* Whether bus and service are still those that the line was opened with. */
gboolean keyring_is_alive(SecretService *line);

/* POSTKEY_ERROR_KEYRING_LOCKED. */
void keyring_set_locked(GError **error);

/* What an error of libsecret or D-Bus means: POSTKEY_ERROR_KEYRING_LOCKED, _CANCELLED (a prompt was
 * dismissed) or _KEYRING_UNAVAILABLE; one that is of our domain already is copied. Returns owned.
 */
GError *keyring_explain(const GError *cause);

/* Secrets in the desktop's keyring: the Secret Service (GNOME Keyring, KWallet, KeePassXC) over
 * D-Bus.
 *
 * Schema org.postkey.Credential with the attribute "name". Survives a restart of the service and of
 * the bus: a call that finds the line dead opens a new one. Each call has a deadline of
 * STORE_SECRET_SERVICE_TIMEOUT_MS.
 */
#pragma once

#include "store.h"

#define STORE_SECRET_SERVICE_TIMEOUT_MS 10000
/* How long a person may take to answer the prompt of store_unlock(). */
#define STORE_SECRET_SERVICE_PROMPT_TIMEOUT_MS 300000

/* Nothing is opened before the first call. Returns owned. */
Store *store_secret_service_new(void);

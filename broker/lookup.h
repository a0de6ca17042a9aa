/* A provider made complete: its section or preset, what discovery adds, and the person's OAuth
 * client. */
#pragma once

#include "context.h"

typedef struct Lookup Lookup;

/* provider is handed over (owned by the callee), with client_id and, where the client has one,
 * client_secret; or NULL and an error: POSTKEY_ERROR_CONFIGURATION (no such provider, a faulty
 * document), POSTKEY_ERROR_CLIENT_NOT_FOUND, POSTKEY_ERROR_UNAVAILABLE (discovery),
 * POSTKEY_ERROR_KEYRING_*. */
typedef void (*LookupDone)(Provider *provider, const GError *error, gpointer data);

/* done runs once, later, never from inside this call. Discovery documents are fetched once (OpenID
 * Connect Discovery 1.0 section 4, then RFC 8414 section 3). The handle is valid until done. */
Lookup *lookup_provider(Context *context, const char *name, LookupDone done, gpointer data);

/* The same without a client, for a credential that needs none (a service account's key) or is one
 * (a client's own secret). */
Lookup *lookup_endpoints(Context *context, const char *name, LookupDone done, gpointer data);

/* done will not run. */
void lookup_cancel(Lookup *lookup);

/* Where the client of a provider comes from. */
typedef enum {
    LOOKUP_NO_CLIENT,
    LOOKUP_CLIENT_OF_CONFIG,
    LOOKUP_CLIENT_OF_KEYRING
} LookupClientSource;

/* Without asking anyone. *client_id is borrowed from the configuration or the state. */
LookupClientSource lookup_client(const Context *context, const char *provider_name,
                                 const char **client_id, gboolean *has_secret);

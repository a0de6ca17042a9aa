/* The calls that several verbs make to the broker.
 */
#pragma once

#include "broker_client.h"

/* How long a call may take in which the broker asks the provider. */
#define BROKER_CALLS_PROVIDER_MS ((gint64)90 * 1000)

/* Connects to the broker of scope and makes one call. Takes parameters (NULL for none), also on
 * failure. Returns owned. */
cJSON *broker_calls_once(PathsScope scope, const char *method, cJSON *parameters, gint64 timeout_ms,
                         GError **error);

/* Keeps the OAuth client of a document (client_secret.json) for provider. document is borrowed. The
 * reply's parameters; returns owned. */
cJSON *broker_calls_import_client(PathsScope scope, const char *provider, const char *document,
                                  GError **error);

/* FALSE with POSTKEY_ERROR_PROTOCOL for a reply that lacks what the interface promises. */
gboolean broker_calls_missing(const char *method, const char *what, GError **error);

/* How a person comes to an OAuth client of their own, which authorize needs before anything else.
 */
#pragma once

#include "broker_client.h"

/* The largest client file; Google's is under 1 KiB. */
#define CLIENT_SETUP_FILE_MAX ((gsize)64 * 1024)

/* The steps that lead to a client at provider. Returns owned. */
char *client_setup_steps(const char *provider);

/* Imports the file at path ("-": stdin) for provider and remarks on what should become of it. The
 * reply's client, in words, for a person. POSTKEY_ERROR_IO, or what the broker says. Returns owned.
 */
char *client_setup_import(PathsScope scope, const char *provider, const char *path, GError **error);

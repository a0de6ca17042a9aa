/* The client file that Google's console offers for download: client_secret_....json. Pure. */
#pragma once

#include "secret.h"

/* Reads client id and secret (NULL where the file has none) from the document. A client of the type
 * "Web application" is refused: its redirects cannot be on this machine. FALSE with
 * POSTKEY_ERROR_REFUSED; then the outputs are untouched. Both are owned by the caller. */
gboolean client_file_parse(const char *document, char **client_id, Secret **client_secret,
                           GError **error);

/* Where bytes go that are made piece by piece.
 */
#pragma once

#include <glib.h>

/* Takes the next bytes. FALSE with *error ends it. */
typedef gboolean (*Sink)(const char *bytes, gsize len, gpointer data, GError **error);

/* The lines of a key file, read more strictly than GKeyFile does: that lets repeated sections and
 * keys pass, and knows no line numbers.
 */
#pragma once

#include <glib.h>

/* A section's head (key is NULL) or a key in it. Owned by the ConfigScan. */
typedef struct {
    char *section;
    char *key;
    guint line;
} ConfigLine;

typedef struct {
    GPtrArray *lines; /* of ConfigLine, in the order of the file */
    GKeyFile *values;
} ConfigScan;

/* Reads the text of a file (len bytes, file is its name for errors). Returns owned; NULL with
 * POSTKEY_ERROR_CONFIGURATION, "FILE:LINE: ...". */
ConfigScan *config_scan(const char *file, const char *text, gsize len, GError **error);

void config_scan_free(ConfigScan *scan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigScan, config_scan_free)

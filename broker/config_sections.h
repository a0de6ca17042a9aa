/* The sections and keys of postkey.conf, and how their lines become a Config. */
#pragma once

#include "config.h"
#include "config_file.h"
#include "config_scan.h"

typedef struct {
    Config *config;     /* borrowed */
    GHashTable *places; /* of text to text: where each section and key was last given; see below */
} ConfigLoader;

/* Puts the lines of a file into the config, over what is there. FALSE with
 * POSTKEY_ERROR_CONFIGURATION, "FILE:LINE: ..."; then the config is half done. */
gboolean config_sections_apply(ConfigLoader *loader, const ConfigFile *file, const ConfigScan *scan,
                               GError **error);

/* "FILE:LINE" of key in [section name], or of that section's head where it has no such key.
 * Borrowed from the places. */
const char *config_sections_place(const ConfigLoader *loader, const char *section, const char *name,
                                  const char *key);

/* Sets POSTKEY_ERROR_CONFIGURATION, "PLACE: what is wrong", with the mend. Always FALSE. */
gboolean config_sections_refuse(GError **error, const char *place, const char *remedy,
                                const char *format, ...) G_GNUC_PRINTF(4, 5);

/* Reads one file of the configuration, with what its modes say. */
#pragma once

#include <glib.h>

#define CONFIG_FILE_MAX_LEN ((gsize)256 * 1024)

/* text is wiped by config_file_clear(): it may hold a client secret. */
typedef struct {
    char *path;
    char *text;
    gsize len;
    gboolean is_private; /* nobody else can read it */
} ConfigFile;

/* Reads path into *file, which need not be set before, and is to be cleared in any case. FALSE with
 * POSTKEY_ERROR_CONFIGURATION where it cannot be read, is no regular file, is too long, or others
 * can write it; *missing says that there is no such file. */
gboolean config_file_read(const char *path, ConfigFile *file, gboolean *missing, GError **error);

void config_file_clear(ConfigFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ConfigFile, config_file_clear)

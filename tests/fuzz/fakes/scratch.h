/* A folder in memory for the files of a target; it is removed at exit. */
#pragma once

#include <glib.h>

/* Made at the first call. Borrowed. */
const char *scratch_folder(void);

/* A folder there that does not exist: one of that name, with all that is in it, is removed. Returns
 * its path, owned. */
char *scratch_vacant_folder(const char *name);

/* Writes a private file there, in place of one of that name. Returns its path, owned. */
char *scratch_file(const char *name, const void *bytes, gsize len);

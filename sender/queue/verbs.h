/* The verbs of postkey-queue in one table, and the way from a command line to one of them.
 */
#pragma once

#include "verb.h"

/* Runs what words (count of them, without the program's name) say. Returns an exit code of
 * sysexits.h; *error, when it is set, is to be printed. */
int verbs_run(char *const *words, guint count, GError **error);

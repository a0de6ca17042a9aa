/* What a verb of `postkey` is. Each verb_*.c defines its own as constants; verbs.c puts them into
 * one table.
 */
#pragma once

#include "arguments.h"

typedef struct {
    const char *name; /* "token", "client import" */
    const char *
        synopsis; /* its arguments as the usage line shows them, without the options in the table */
    const char *summary;  /* one line for the list of verbs */
    const char *teaching; /* what it does and why, then examples; printed below the options */
    const OptionSpec *options;
    guint positionals_min, positionals_max;

    /* Does it. FALSE with an error, whose code makes the exit code. */
    gboolean (*run)(const Arguments *arguments, GError **error);
} Verb;

/* What a verb of postkey-queue is. Each verb_*.c defines its own as constants; verbs.c puts them
 * into one table.
 */
#pragma once

#include "arguments.h"
#include "json.h"
#include "spool.h"

/* What a verb works on. */
typedef struct {
    const Spool *spool; /* NULL: the folder is not there, so nothing is in the queue */
    const char *folder;
    gboolean personal; /* the caller's own queue: a runner is started for it on demand */
    const Arguments *arguments;
} QueueCall;

typedef struct {
    const char *name;
    const char *synopsis; /* its arguments, without the options in the table */
    const char *summary;  /* one line */
    const char *teaching; /* what it does and why, then examples */
    const OptionSpec *options;
    guint positionals_min, positionals_max;
    gboolean creates; /* makes the folder where it is missing */

    /* Does it. Returns an exit code of sysexits.h; *error, when it is set, is printed. */
    int (*run)(const QueueCall *call, GError **error);
} QueueVerb;

/* By file, for the table alone. */
extern const QueueVerb verb_list, verb_show, verb_retry, verb_hold, verb_release, verb_remove,
    verb_run, verb_watch;

/* Writes an answer to stdout. FALSE with POSTKEY_ERROR_IO. */
gboolean verb_answer(const char *text, GError **error);

/* The same for JSON, on one line. */
gboolean verb_answer_json(const cJSON *value, GError **error);

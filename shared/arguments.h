/* The arguments of one verb, read by the table that describes them.
 *
 * Options are long ("--port 80", "--port=80"), may stand before and after other arguments, and end
 * at "--".
 * "-" alone is an ordinary argument. An option is given once. Every text has to be UTF-8.
 */
#pragma once

#include "paths.h"

typedef enum {
    OPTION_FLAG,   /* --json */
    OPTION_TEXT,   /* --account NAME */
    OPTION_NUMBER, /* --port N, checked against minimum and maximum */
    OPTION_CHOICE, /* --flow auto: one of choices */
    OPTION_SET,    /* --for smtp,imap: some of choices, separated by commas, each once */
} OptionKind;

typedef struct {
    const char *name; /* without the dashes; NULL ends a table */
    OptionKind kind;
    const char *placeholder; /* what the help calls its value */
    const char *help;        /* lines after the first are indented by the help */
    gint64 minimum, maximum;
    const char *choices; /* "auto|device|browser" */
    gboolean required;
} OptionSpec;

typedef struct Arguments Arguments;

/* Reads count words by options (a table that ends with a NULL name; NULL: none), which is borrowed
 * as long as the result lives, as are the words. Every verb also takes --user, --system, --help and
 * -h. Between positionals_min and positionals_max words that are no options have to remain;
 * synopsis names them for the error. With --help nothing is missing. Returns owned; NULL with
 * POSTKEY_ERROR_USAGE. */
Arguments *arguments_parse(const OptionSpec *options, guint positionals_min, guint positionals_max,
                           const char *synopsis, char *const *words, guint count, GError **error);
void arguments_free(Arguments *arguments);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Arguments, arguments_free)

/* The options by name, which has to be in the table. Texts are borrowed; NULL where not given. */
gboolean arguments_flag(const Arguments *arguments, const char *name);
const char *arguments_text(const Arguments *arguments, const char *name);
gint64 arguments_number(const Arguments *arguments, const char *name, gint64 fallback);

/* The members of an OPTION_SET; NULL where it was not given. Returns owned. */
char **arguments_set(const Arguments *arguments, const char *name);

/* The index-th word that is no option; NULL behind the last. Borrowed. */
const char *arguments_positional(const Arguments *arguments, guint index);

gboolean arguments_wants_help(const Arguments *arguments);

/* Whose broker: --user, --system or neither. */
PathsScope arguments_scope(const Arguments *arguments);

/* What the completions of the shells ask a program: PROGRAM --complete WORD..., the words behind
 * the program's name up to the one that is being typed, which is the last and may be empty. The
 * answer has a line for each word that could stand there: the word, and behind a tab what it is
 * about; the line ":files" says that a file's name could. So what a shell offers is what the
 * program takes, as both come from its tables. Pure, but for what the caller looks up.
 */
#pragma once

#include "arguments.h"

/* The first word of a command line that is such a question. */
#define COMPLETION_OPTION "--complete"

#define COMPLETION_FILES ":files"

/* A verb, as far as it is needed here. All borrowed. */
typedef struct {
    const char
        *name; /* "token", "client import"; NULL: the program has no verbs, and this is all */
    const char *summary;
    const char
        *synopsis; /* "[ACCOUNT]", "FILE|-", "all | ID...": small letters stand for themselves */
    const OptionSpec *options; /* a name that begins with a dash is the whole word */
} CompletionVerb;

/* What there is of a kind that the tables name: "ACCOUNT", "ID". Each may have a tab and what it is
 * about behind it. Returns owned; NULL: nobody knows. */
typedef char **(*CompletionLookup)(const char *kind, PathsScope scope);

/* The answer for count words (at least one), by count_verbs verbs. Returns owned. */
char *completion_answer(const CompletionVerb *verbs, guint count_verbs, CompletionLookup lookup,
                        char *const *words, guint count);

/* The options that a help text lists ("  -a, --account NAME  as whom"), for a program whose options
 * are no OptionSpec. Their names have their dashes. An array of OptionSpec with an empty one at its
 * end, which owns its strings. */
GArray *completion_options_of_help(const char *help);

/* Text for people, folded at blanks to the width of a terminal, so that what it indents stays
 * indented. Widths are characters of UTF-8. A word, a URL say, that is longer than a line stays
 * whole and has a line of its own; so does a passage in double quotes (a command that a person
 * copies) that one line has room for.
 */
#pragma once

#include <glib.h>
#include <stdio.h>

#define FOLD_NEVER G_MAXSIZE

typedef struct {
    gsize columns;      /* of a line; FOLD_NEVER: one line */
    const char *indent; /* what the lines behind the first begin with */
    gsize word_max_len; /* bytes; a longer word is broken after all. FOLD_NEVER: none is */
} FoldShape;

/* Appends words to a line that is column wide, and folds. Runs of blanks become one. Pure. */
void fold_words(GString *text, gsize column, const FoldShape *shape, const char *words);

/* Folds each line that is wider than columns. It goes on below its text, behind a short title
 * ("  What to do:    "); without one, as far in as it began, or a little further in than a line
 * that is not indented. Lines that fit are left alone. Pure. Returns owned. */
char *fold_text(const char *text, gsize columns);

/* The width of the terminal on fd, 80 where it does not tell; FOLD_NEVER where fd is none: programs
 * and files get each line whole. */
gsize fold_columns(int fd);

/* Prints, folded to the stream's terminal. Like fprintf()'s, a failure shows in ferror(). */
void fold_print(FILE *stream, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Words of header fields as encoded words (RFC 2047). Pure.
 */
#pragma once

#include <glib.h>

gboolean header_has_eight_bit(const char *bytes, gsize len);

/* Blanks, and the line ends of folds. */
gboolean header_is_blank(char c);

/* The octets up to and without the first of these characters that is outside of quotes; all where
 * there is none. */
gsize header_len_until(const char *text, gsize len, const char *stops);

/* Appends bytes as encoded words, behind a blank where something stands before that is neither a
 * blank nor the start of a comment (section 5). Folds in them are left out. */
void header_append_encoded(GString *out, const char *bytes, gsize len);

/* Appends running text with its folds. Each run of words beyond ASCII, with the blanks between
 * them, becomes encoded words; and the blank between a run and an encoded word that is there
 * already goes into the run, for between two of these a blank does not count (section 6.2).
 * phrase: quoted strings are words or parts of words, and lose quotes and backslashes when they are
 * encoded. */
void header_append_text(GString *out, const char *text, gsize len, gboolean phrase);

/* Text of a report as it is put together, and a file it goes to. Lines end with LF.
 */
#pragma once

#include <glib.h>

/* Columns of a line that people read, and where long fields fold. */
#define BOUNCE_TEXT_COLUMNS 76

/* Appends words, broken at blanks so that lines stay within BOUNCE_TEXT_COLUMNS: the first begins
 * with first, the others with as many blanks; and ends the line. */
void bounce_text_wrap(GString *text, const char *first, const char *words);

/* Appends "name: value", folded at blanks (RFC 5322 section 2.2.3). What is not visible ASCII
 * becomes
 * "?". */
void bounce_text_field(GString *text, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Appends len bytes as quoted-printable (encode.h); each LF is a line's end. */
void bounce_text_quote(GString *text, const char *bytes, gsize len);

/* An address for Final-Recipient: "rfc822; a@b", or with what is not ASCII as RFC 6533 section 3
 * writes it, "utf-8; \x{FC}...". Returns owned. */
char *bounce_text_address(const char *address);

/* A header field as it may go out: characters beyond ASCII as encoded words (RFC 2047), lines that
 * are too long folded. Pure.
 */
#pragma once

#include "header.h"

/* Appends the field, each line ended by CRLF, to out. In address fields phrases and comments are
 * encoded, and a domain beyond ASCII becomes its ASCII form (RFC 5891); in Content-Type and
 * Content-Disposition the parameters (RFC 2231); elsewhere the words of the value. Folds stay.
 *
 * utf8: the message goes with SMTPUTF8 (RFC 6531), and what is UTF-8 is not encoded. *needs_utf8 is
 * set where a local part beyond ASCII stands in an address, which nothing else can carry; it is
 * left alone otherwise.
 *
 * POSTKEY_ERROR_REFUSED: a NUL or a bare CR, or a line over 998 octets without a blank (or, in an
 * address list, a comma) to fold it at. */
gboolean header_encode(const HeaderEntry *entry, gboolean utf8, gboolean *needs_utf8, GString *out,
                       GError **error);

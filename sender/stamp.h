/* What a message gets that comes without it: Date, Message-ID, and the words of a From (RFC 6409
 * section 8). Pure.
 */
#pragma once

#include <glib.h>

/* A date-time of RFC 5322 section 3.3 in the local time zone, whatever the locale. Returns owned.
 */
char *stamp_date(gint64 unix_seconds);

/* A Message-ID with its angle brackets that nobody else makes; domain is what follows the "@".
 * Returns owned. */
char *stamp_message_id(const char *domain);

/* text as encoded words of RFC 2047, several of them folded. What is not UTF-8 goes byte by byte,
 * as "unknown-8bit" (RFC 1428). Returns owned. */
char *stamp_encoded_words(const char *text);

/* name as the display name of an address: as it is, quoted, or as encoded words of RFC 2047 where
 * it is not ASCII, folded. name holds no control character. Returns owned. */
char *stamp_display_name(const char *name);

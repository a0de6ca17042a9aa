/* A list of tags, "v=DMARC1; p=reject": the form of the records of DKIM (RFC 6376 section 3.2) and
 * DMARC (RFC 7489 section 6.4). Pure. */
#pragma once

#include <glib.h>

/* name -> value, without the blanks around them; names with their case. A name that comes twice, or
 * what is no tag, makes it no list: NULL. Returns owned. */
GHashTable *tags_parse(const char *text);

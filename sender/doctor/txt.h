/* What a question to DNS comes to, for whoever reads records and does not care how they are got. */
#pragma once

#include <glib.h>

typedef enum {
    TXT_FOUND,
    TXT_NOTHING, /* there is no such name, or nothing of the kind */
    TXT_UNKNOWN, /* nobody could be asked, or no answer came: *error says why */
} TxtAnswer;

/* The TXT records of name, each as one text (RFC 7208 section 3.3), without control characters:
 * *texts is owned by the caller, of owned strings, with TXT_FOUND alone. */
typedef TxtAnswer (*TxtLookup)(const char *name, GPtrArray **texts, GError **error, gpointer data);

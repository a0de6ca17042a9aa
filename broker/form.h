/* application/x-www-form-urlencoded, as OAuth uses it (RFC 6749 appendix B). Pure. */
#pragma once

#include <glib.h>

/* The longest text that form_decode() takes, and the most fields in it. */
#define FORM_MAX_LEN ((gsize)32 * 1024)
#define FORM_MAX_FIELDS 64

typedef struct {
    const char *name;
    const char *value; /* NULL: the field is left out */
} FormField;

/* "name=value&...". The text is made in one allocation of its final size: where it holds a secret,
 * secret_take() leaves nothing behind. Returns owned. */
char *form_encode(const FormField *fields, gsize count);

/* One value alone, encoded; in one allocation of its final size. Returns owned. */
char *form_encode_value(const char *value);

/* Names and values of "name=value&...", decoded; both are wiped when the table goes. Returns owned;
 * NULL with POSTKEY_ERROR_REFUSED where it is too long, wrongly encoded, no UTF-8, holds a NUL, or
 * has a name twice. */
GHashTable *form_decode(const char *text, GError **error);

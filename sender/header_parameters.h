/* The parameters of MIME fields (Content-Type, Content-Disposition) beyond ASCII. Pure.
 */
#pragma once

#include <glib.h>

/* Appends the value of such a field: a parameter beyond ASCII becomes an extended one (RFC 2231
 * section 4: filename*=UTF-8''%C3%BC.txt), for encoded words have no place in it; what else is
 * beyond ASCII (comments) becomes encoded words. */
void header_append_parameters(GString *out, const char *value, gsize len);

/* The terms of an SPF record, each by itself (RFC 7208 sections 4.6.1 and 5). Pure. */
#pragma once

#include <glib.h>

typedef enum {
    SPF_TERM_UNKNOWN,
    SPF_TERM_ALL,
    SPF_TERM_INCLUDE,
    SPF_TERM_ADDRESS,  /* compares an address with one that stands there: ip4, ip6 */
    SPF_TERM_LOOKUP,   /* with one that costs a look-up: a, mx, ptr, exists */
    SPF_TERM_MODIFIER, /* "redirect=", "exp=", and those that nobody knows, which are passed by */
} SpfTerm;

/* Of a term without its qualifier. */
SpfTerm spf_term_kind(const char *term);

/* What is wrong with the first bad one of terms (with their qualifiers; ended by NULL; "" is none),
 * in words: it makes the whole record an error, wherever it stands (section 4.6). NULL: nothing.
 * Returns owned. */
char *spf_terms_fault(const char *const *terms);

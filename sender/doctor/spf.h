/* Whether a domain's SPF record (RFC 7208) lets a provider send for it.
 *
 * Which address a mail will come from is not known here, so no address is compared: what is looked
 * for is the provider's own record, by "include" and "redirect", through as many records as they
 * lead to. Terms that would have to be compared with an address (ip4, ip6, a, mx, exists, ptr) are
 * counted as the look-ups that they cost, and otherwise passed by: a provider that is allowed by
 * its addresses alone is not found, and SpfVerdict.addresses says that this may be so. Macros are
 * not expanded. Pure but for the look-ups.
 */
#pragma once

#include "txt.h"

/* RFC 7208 section 4.6.4: beyond, the record is an error to whoever looks at it. */
#define SPF_LOOKUPS_MAX 10U

typedef enum {
    SPF_ALLOWED,     /* the provider's record is included */
    SPF_NOT_ALLOWED, /* it is not, or by a term that does not let pass ("~include:", "-include:") */
    SPF_ANYBODY,     /* "+all": it lets everybody send */
    SPF_NONE,        /* there is no record */
    SPF_SEVERAL,     /* there are several: an error (section 4.5) */
    SPF_BROKEN,      /* a record is no SPF, or leads to a name that has none (section 5.2) */
    SPF_TOO_MANY,    /* it costs more than SPF_LOOKUPS_MAX look-ups */
    SPF_UNKNOWN,     /* DNS did not answer: *error says why */
} SpfResult;

typedef struct {
    SpfResult result;
    char *record;       /* the domain's own; NULL: none */
    char *where;        /* SPF_BROKEN: what is wrong */
    guint lookups;      /* what it costs up to the term that decides */
    gboolean addresses; /* it has terms that were passed by */
} SpfVerdict;

/* Looks whether domain lets provider (the domain of the provider's record; NULL: not known) send.
 * What is borrowed is not kept. Fills in verdict, to be cleared. */
void spf_look(const char *domain, const char *provider, TxtLookup lookup, gpointer data,
              SpfVerdict *verdict, GError **error);
void spf_verdict_clear(SpfVerdict *verdict);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SpfVerdict, spf_verdict_clear)

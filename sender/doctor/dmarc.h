/* The policy of a From domain (DMARC, RFC 7489), and whether another domain is aligned with it.
 *
 * RFC 7489 finds the organisation that a domain belongs to by a list of public suffixes. Here the
 * names are walked up instead, as its successor does it: the organisation is the highest name with
 * a policy, below the top level and below what says psd=y of itself. Where nobody above has one, a
 * domain is an organisation by itself, so that two names of it without any policy above are not
 * known to belong together. "pct" is not looked at. Pure but for the look-ups.
 */
#pragma once

#include "txt.h"

typedef enum { DMARC_NO_POLICY, DMARC_REPORT, DMARC_QUARANTINE, DMARC_REJECT } DmarcPolicy;

typedef struct {
    gboolean found;
    char *at;            /* whose record it is: the domain, or one above; NULL: none */
    char *organization;  /* the highest name with a record; NULL: none */
    DmarcPolicy policy;  /* for the domain that was asked for: p=, or sp= of one above */
    gboolean strict_spf; /* aspf=s: the names have to be equal */
    gboolean strict_dkim;
    gboolean of_public; /* psd=y: it is of a registry, whose names are of many organisations */
    char *broken; /* the domain's own record, where it is none; NULL: it is good, or not there */
} DmarcRecord;

/* TXT_FOUND, TXT_NOTHING, or TXT_UNKNOWN with *error. Fills in record in each case, to be cleared.
 */
TxtAnswer dmarc_look(const char *domain, TxtLookup lookup, gpointer data, DmarcRecord *record,
                     GError **error);
void dmarc_record_clear(DmarcRecord *record);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DmarcRecord, dmarc_record_clear)

/* Whether domain, which vouches for the mail by SPF or DKIM, is aligned with from. Both records are
 * those of dmarc_look(). */
gboolean dmarc_is_aligned(const char *from, const DmarcRecord *of_from, const char *domain,
                          const DmarcRecord *of_domain, gboolean strict);

/* "none", "quarantine", "reject". Borrowed, static. */
const char *dmarc_policy_name(DmarcPolicy policy);

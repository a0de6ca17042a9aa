/* What DNS says of the domains: SPF and DKIM of the account's own, for which the provider vouches;
 * DMARC of the one in From; and a list that somebody keeps of bad ones. */

#include "checks.h"
#include "dkim.h"
#include "dmarc.h"
#include "dns.h"
#include "domain.h"
#include "errors.h"
#include "provider_dns.h"
#include "spf.h"

#include <string.h>

#define PATIENCE_MS 8000

static const char *provider_name(const Patient *patient)
{
    return patient->route->provider ? patient->route->provider : "the provider";
}

/* Opens a resolver, unless there is nothing to look up: then that is told. */
static Dns *begin(const Patient *patient, const char *domain, GPtrArray *findings, Deadline until)
{
    g_autoptr(GError) error = NULL;
    if (!domain) {
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "the address has no domain that could be looked up");
        return NULL;
    }
    Dns *dns = dns_new(patient->name_server, until, &error);
    if (!dns)
        findings_add_error(findings, FINDING_SKIPPED, error);
    return dns;
}

/* The provider's own domain: it looks after it by itself. */
static gboolean is_its_own(const Patient *patient, GPtrArray *findings)
{
    if (patient->route->own_domain)
        findings_add(findings, FINDING_OK, NULL, NULL,
                     "%s belongs to %s itself: nothing is to be set up", patient->domain,
                     provider_name(patient));
    return patient->route->own_domain;
}

/* ---- spf ---- */

static void add_not_allowed(const Patient *patient, const SpfVerdict *verdict, const char *wanted,
                            GPtrArray *findings)
{
    g_autofree char *remedy =
        g_strdup_printf("add include:%s to the record, before its \"all\"", wanted);
    findings_add(findings, FINDING_WARNING,
                 verdict->addresses
                     ? "its addresses were not compared: unless they cover those of the provider, "
                       "mail from there seems forged"
                     : "mail from there seems forged",
                 remedy, "SPF of %s does not let %s send: %s", patient->domain,
                 provider_name(patient), verdict->record);
}

/* The record is good; whether it lets the provider send nobody can say who does not know what to
 * look for. */
static void add_unjudged(const Patient *patient, const SpfVerdict *verdict, GPtrArray *findings)
{
    findings_add(findings, FINDING_NOTE,
                 "what has to be in there for this provider is not known here",
                 "its manual tells; then name it: --spf-include DOMAIN", "SPF of %s is there: %s",
                 patient->domain, verdict->record);
}

static Vouching vouching_of(SpfResult result, gboolean provider_is_known)
{
    if (result == SPF_ALLOWED || result == SPF_ANYBODY)
        return VOUCHING_YES;
    gboolean unknown = result == SPF_UNKNOWN || (result == SPF_NOT_ALLOWED && !provider_is_known);
    return unknown ? VOUCHING_UNKNOWN : VOUCHING_NO;
}

static void add_spf(Patient *patient, const SpfVerdict *verdict, const char *wanted,
                    const GError *error, GPtrArray *findings)
{
    const char *domain = patient->domain;
    g_autofree char *publish =
        wanted ? g_strdup_printf("publish at %s: v=spf1 include:%s ~all", domain, wanted)
               : g_strdup_printf("publish one at %s; the provider's manual has it", domain);
    patient->by_spf = vouching_of(verdict->result, wanted != NULL);
    switch (verdict->result) {
    case SPF_ALLOWED:
        findings_add(findings, FINDING_OK, NULL, NULL, "SPF of %s lets %s send (%u of %u look-ups)",
                     domain, wanted, verdict->lookups, SPF_LOOKUPS_MAX);
        return;
    case SPF_ANYBODY:
        findings_add(findings, FINDING_WARNING, "so anybody can forge mail of the domain",
                     "end it with ~all", "SPF of %s lets everybody send: %s", domain,
                     verdict->record);
        return;
    case SPF_NOT_ALLOWED:
        if (wanted)
            add_not_allowed(patient, verdict, wanted, findings);
        else
            add_unjudged(patient, verdict, findings);
        return;
    case SPF_NONE:
        findings_add(findings, FINDING_WARNING, "nobody can tell its mail from forged mail by SPF",
                     publish, "%s has no SPF record", domain);
        return;
    case SPF_SEVERAL:
        findings_add(findings, FINDING_WARNING, "that is an error: whoever looks takes none",
                     "make one of them", "there are several SPF records at %s", verdict->where);
        return;
    case SPF_BROKEN:
        findings_add(findings, FINDING_WARNING, "that is an error: whoever looks takes none of it",
                     "mend the record", "SPF of %s is broken: %s", domain, verdict->where);
        return;
    case SPF_TOO_MANY:
        findings_add(findings, FINDING_WARNING, "that is an error: whoever looks gives up",
                     "take out what is not used any more", "SPF of %s costs more than %u look-ups",
                     domain, SPF_LOOKUPS_MAX);
        return;
    case SPF_UNKNOWN:
        findings_add_error(findings, FINDING_SKIPPED, error);
    }
}

static void run_spf(Patient *patient, GPtrArray *findings, Deadline until)
{
    if (is_its_own(patient, findings)) {
        patient->by_spf = VOUCHING_YES;
        return;
    }
    g_autoptr(Dns) dns = begin(patient, patient->domain, findings, until);
    if (!dns)
        return;
    const ProviderDns *known = provider_dns_of(patient->route->provider);
    const char *wanted = patient->spf_include ? patient->spf_include : known ? known->spf : NULL;
    g_autoptr(GError) error = NULL;
    g_auto(SpfVerdict) verdict = {0};
    spf_look(patient->domain, wanted, dns_txt, dns, &verdict, &error);
    add_spf(patient, &verdict, wanted, error, findings);
}

const Check check_spf = {
    .name = "spf", .needs = "account", .patience_ms = PATIENCE_MS, .run = run_spf};

/* ---- dkim ---- */

static void add_key(Patient *patient, const char *place, const char *record, GPtrArray *findings)
{
    guint bits = 0;
    const char *algorithm = NULL;
    DkimResult result = dkim_read(record, &bits, &algorithm);
    if (result == DKIM_GOOD) {
        patient->by_dkim = VOUCHING_YES;
        gboolean short_key = strcmp(algorithm, "rsa") == 0 && bits < DKIM_BITS_GOOD;
        findings_add(findings, short_key ? FINDING_NOTE : FINDING_OK,
                     short_key ? "2048 bits are what one should have" : NULL,
                     short_key ? "let the provider make a longer one" : NULL,
                     "a key of DKIM is at %s (%s, %u bits)", place, algorithm, bits);
        return;
    }
    static const char *const words[] = {
        [DKIM_REVOKED] = "it was withdrawn (its p= is empty)",
        [DKIM_TESTING] = "it is on trial (t=y): mail signed with it counts as not signed",
        [DKIM_WEAK] = "it is too short to be trusted",
        [DKIM_BROKEN] = "it cannot be read as one",
    };
    findings_add(findings, FINDING_WARNING, "mail signed with it is taken for not signed",
                 "publish what the provider shows for this selector, to the letter",
                 "the key of DKIM at %s is of no use: %s", place, words[result]);
}

/* The selectors to look for: those that were named, then those of the provider. Returns owned. */
static GPtrArray *selectors_of(const Patient *patient, const ProviderDns *known)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) named = g_strsplit(patient->selectors ? patient->selectors : "", ",", -1);
    for (char **one = named; *one; one++)
        if (*g_strstrip(*one))
            g_ptr_array_add(all, g_strdup(*one));
    for (const char *const *one = known ? known->selectors : NULL; one && *one; one++)
        g_ptr_array_add(all, g_strdup(*one));
    return all;
}

/* FALSE: DNS does not answer, which is told. */
static gboolean look_for_key(Patient *patient, const char *selector, Dns *dns, GPtrArray *findings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) texts = NULL;
    g_autofree char *place = g_strdup_printf("%s._domainkey.%s", selector, patient->domain);
    TxtAnswer answer = dns_txt(place, &texts, &error, dns);
    if (answer == TXT_FOUND)
        add_key(patient, place, g_ptr_array_index(texts, 0), findings);
    else if (answer == TXT_UNKNOWN)
        findings_add_error(findings, FINDING_SKIPPED, error);
    return answer != TXT_UNKNOWN;
}

static char *joined(const GPtrArray *words)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < words->len; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", (const char *)words->pdata[i]);
    return g_strdup(text->str);
}

static void run_dkim(Patient *patient, GPtrArray *findings, Deadline until)
{
    if (is_its_own(patient, findings)) {
        patient->by_dkim = VOUCHING_YES;
        return;
    }
    g_autoptr(Dns) dns = begin(patient, patient->domain, findings, until);
    if (!dns)
        return;
    g_autoptr(GPtrArray) selectors =
        selectors_of(patient, provider_dns_of(patient->route->provider));
    if (selectors->len == 0) {
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "no selector is known for this provider: name it (--selector NAME); it stands "
                     "as s= in the DKIM-Signature of a mail");
        return;
    }
    for (guint i = 0; i < selectors->len; i++)
        if (!look_for_key(patient, g_ptr_array_index(selectors, i), dns, findings))
            return;
    g_autofree char *names = joined(selectors);
    if (patient->by_dkim != VOUCHING_YES)
        patient->by_dkim = VOUCHING_NO;
    if (findings->len == 0)
        findings_add(
            findings, FINDING_WARNING,
            "the provider signs in its own name at best, which counts for nothing in DMARC",
            "make a key in the provider's console and publish it; one with another "
            "selector is looked for by --selector NAME",
            "%s has no key of DKIM (looked for: %s)", patient->domain, names);
}

const Check check_dkim = {
    .name = "dkim", .needs = "account", .patience_ms = PATIENCE_MS, .run = run_dkim};

/* ---- dmarc ---- */

/* Both domains, as far as they are two. FALSE: DNS does not answer. */
static gboolean look_at_both(const Patient *patient, Dns *dns, DmarcRecord *of_from,
                             DmarcRecord *of_domain, GError **error)
{
    return dmarc_look(patient->from_domain, dns_txt, dns, of_from, error) != TXT_UNKNOWN &&
           (domain_equal(patient->from_domain, patient->domain) ||
            dmarc_look(patient->domain, dns_txt, dns, of_domain, error) != TXT_UNKNOWN);
}

/* What an alignment is made of. */
typedef struct {
    gboolean fits; /* the domain that is vouched for */
    Vouching vouching;
} Leg;

static gboolean stands(const Leg *leg)
{
    return leg->fits && leg->vouching == VOUCHING_YES;
}

static gboolean may_stand(const Leg *leg)
{
    return leg->fits && leg->vouching == VOUCHING_UNKNOWN;
}

static void add_misaligned(const Patient *patient, const DmarcRecord *of_from, gboolean fits,
                           GPtrArray *findings)
{
    const char *from = patient->from_domain;
    gboolean hurts = of_from->policy != DMARC_REPORT;
    g_autofree char *why =
        fits ? g_strdup_printf("neither SPF nor DKIM of %s vouches for mail through %s",
                               patient->domain, provider_name(patient))
             : g_strdup_printf("the provider vouches for %s at best, which is not aligned with %s",
                               patient->domain, from);
    g_autofree char *meaning =
        g_strconcat(why,
                    hurts ? ": those who get the mail refuse it or put it to the spam"
                          : ": the policy asks for reports alone",
                    NULL);
    findings_add(findings, hurts ? FINDING_FAILURE : FINDING_WARNING, meaning,
                 fits ? "mend SPF or DKIM, as it is said there"
                      : "send as an address of the account's own domain, or by an account of the "
                        "domain in From",
                 "DMARC of %s says %s, and mail through %s is not aligned", from,
                 dmarc_policy_name(of_from->policy), provider_name(patient));
}

static void add_alignment(const Patient *patient, const DmarcRecord *of_from,
                          const DmarcRecord *of_domain, GPtrArray *findings)
{
    const char *from = patient->from_domain;
    const char *policy = dmarc_policy_name(of_from->policy);
    Leg spf = {
        .vouching = patient->by_spf,
        .fits = dmarc_is_aligned(from, of_from, patient->domain, of_domain, of_from->strict_spf)};
    Leg dkim = {
        .vouching = patient->by_dkim,
        .fits = dmarc_is_aligned(from, of_from, patient->domain, of_domain, of_from->strict_dkim)};
    if (stands(&spf) || stands(&dkim))
        findings_add(findings, FINDING_OK, NULL, NULL,
                     "mail through %s is aligned with %s by %s (policy %s of %s)",
                     provider_name(patient), from,
                     !stands(&dkim)  ? "SPF alone"
                     : !stands(&spf) ? "DKIM alone"
                                     : "SPF and DKIM",
                     policy, of_from->at);
    else if (may_stand(&spf) || may_stand(&dkim))
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "DMARC of %s says %s; whether mail through %s is aligned is not known, as SPF "
                     "or DKIM is not",
                     from, policy, provider_name(patient));
    else
        add_misaligned(patient, of_from, spf.fits || dkim.fits, findings);
}

static void run_dmarc(Patient *patient, GPtrArray *findings, Deadline until)
{
    if (patient->from_domain && patient->domain &&
        domain_equal(patient->from_domain, patient->domain) && is_its_own(patient, findings))
        return;
    g_autoptr(GError) error = NULL;
    g_auto(DmarcRecord) of_from = {0}, of_domain = {0};
    const char *asked = patient->domain ? patient->from_domain : NULL;
    g_autoptr(Dns) dns = begin(patient, asked, findings, until);
    if (!dns)
        return;
    if (!look_at_both(patient, dns, &of_from, &of_domain, &error)) {
        findings_add_error(findings, FINDING_SKIPPED, error);
        return;
    }
    if (of_from.broken)
        findings_add(findings, FINDING_WARNING, "whoever looks takes it for none",
                     "publish one that begins with v=DMARC1; p=none",
                     "the DMARC record at _dmarc.%s is none: %s", patient->from_domain,
                     of_from.broken);
    if (of_from.found)
        add_alignment(patient, &of_from, &of_domain, findings);
    else if (!of_from.broken)
        findings_add(findings, FINDING_NOTE,
                     "who sends much has to have one; others are trusted more with it",
                     "publish at _dmarc of it, to begin with: v=DMARC1; p=none",
                     "%s has no DMARC record", patient->from_domain);
}

const Check check_dmarc = {.name = "dmarc",
                           .needs = "account",
                           .after = "spf dkim",
                           .patience_ms = PATIENCE_MS,
                           .run = run_dmarc};

/* ---- blocklist ---- */

static gboolean is_wanted(const Patient *patient)
{
    return patient->blocklist != NULL;
}

/* What the list says about it; NULL: nothing. Returns owned. */
static char *reason_of(const char *name, Dns *dns)
{
    g_autoptr(GPtrArray) texts = NULL;
    if (dns_txt(name, &texts, NULL, dns) != TXT_FOUND)
        return NULL;
    return g_strdup(g_ptr_array_index(texts, 0));
}

/* RFC 5782 section 2.1: what is listed has an address in 127/8. 127.255.255.x are the words of
 * large lists for "not for you". */
static void add_listing(const Patient *patient, const char *name, const char *address, Dns *dns,
                        GPtrArray *findings)
{
    if (!g_str_has_prefix(address, "127.") || g_str_has_prefix(address, "127.255.255.")) {
        findings_add(findings, FINDING_SKIPPED,
                     "it is no list, or it does not answer to this name server (large public ones "
                     "are refused)",
                     "ask by a name server of your own: --dns ADDRESS",
                     "%s answers %s, which says nothing about %s", patient->blocklist, address,
                     patient->from_domain);
        return;
    }
    g_autofree char *reason = reason_of(name, dns);
    findings_add(findings, FINDING_FAILURE, "those who ask this list refuse mail of the domain",
                 "see on the list's own page why, mend it, and ask to be taken off",
                 "%s is listed in %s (%s)%s%s", patient->from_domain, patient->blocklist, address,
                 reason ? ": " : "", reason ? reason : "");
}

static void run_blocklist(Patient *patient, GPtrArray *findings, Deadline until)
{
    g_autoptr(Dns) dns = begin(patient, patient->from_domain, findings, until);
    if (!dns)
        return;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) addresses = NULL;
    g_autofree char *name = g_strdup_printf("%s.%s", patient->from_domain, patient->blocklist);
    switch (dns_addresses(name, &addresses, &error, dns)) {
    case TXT_FOUND:
        add_listing(patient, name, g_ptr_array_index(addresses, 0), dns, findings);
        return;
    case TXT_NOTHING:
        findings_add(findings, FINDING_OK, NULL, NULL, "%s is not listed in %s",
                     patient->from_domain, patient->blocklist);
        return;
    case TXT_UNKNOWN:
        findings_add_error(findings, FINDING_SKIPPED, error);
    }
}

const Check check_blocklist = {.name = "blocklist",
                               .needs = "account",
                               .patience_ms = PATIENCE_MS,
                               .is_wanted = is_wanted,
                               .run = run_blocklist};

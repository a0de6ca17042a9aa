#include "dmarc.h"

#include "zone.h"

#include <criterion/criterion.h>

static ZoneRecord zone[] = {
    {"_dmarc.example.org", "v=DMARC1; p=reject; sp=quarantine; adkim=s; aspf=r"},
    {"_dmarc.own.example.org", "v = DMARC1 ;p=none;"},
    {"_dmarc.other.test", "v=DMARC1; p=Quarantine"},
    {"_dmarc.two.test", "v=DMARC1; p=none"},
    {"_dmarc.two.test", "v=DMARC1; p=reject"},
    {"_dmarc.broken.test", "v=DMARC1; p=perhaps"},
    {"_dmarc.wild.test", "v=spf1 -all"},
    {"_dmarc.nearly.test", "some-verification=x"},
    {"_dmarc.nearly.test", "p=reject; v=DMARC1"},
    {"_dmarc.silent.test", NULL},
    {"_dmarc.gov.test", "v=DMARC1; p=reject; psd=y"},
    {0},
};

typedef struct {
    const char *domain;
    TxtAnswer answer;
    DmarcPolicy policy;
    const char *at, *organization;
} Case;

static const Case cases[] = {
    {"example.org", TXT_FOUND, DMARC_REJECT, "example.org", "example.org"},
    {"a.b.example.org", TXT_FOUND, DMARC_QUARANTINE, "example.org", "example.org"},
    {"own.example.org", TXT_FOUND, DMARC_REPORT, "own.example.org", "example.org"},
    {"x.own.example.org", TXT_FOUND, DMARC_REPORT, "own.example.org", "example.org"},
    {"other.test", TXT_FOUND, DMARC_QUARANTINE, "other.test", "other.test"},
    {"a.one.gov.test", TXT_FOUND, DMARC_REJECT, "gov.test", "one.gov.test"},
    {"none.test", TXT_NOTHING, DMARC_NO_POLICY, NULL, NULL},
    {"two.test", TXT_NOTHING, DMARC_NO_POLICY, NULL, NULL},
    {"broken.test", TXT_NOTHING, DMARC_NO_POLICY, NULL, NULL},
    {"wild.test", TXT_NOTHING, DMARC_NO_POLICY, NULL, NULL},
    {"nearly.test", TXT_NOTHING, DMARC_NO_POLICY, NULL, NULL},
    {"a.silent.test", TXT_UNKNOWN, DMARC_NO_POLICY, NULL, NULL},
};

Test(dmarc, the_policy_is_that_of_the_nearest_name_and_the_organization_the_highest)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *one = &cases[i];
        g_autoptr(GError) error = NULL;
        g_auto(DmarcRecord) record = {0};
        cr_expect_eq(dmarc_look(one->domain, zone_lookup, zone, &record, &error), one->answer, "%s",
                     one->domain);
        cr_expect_eq(record.policy, one->policy, "%s", one->domain);
        cr_expect_eq(g_strcmp0(record.at, one->at), 0, "%s", one->domain);
        cr_expect_eq(g_strcmp0(record.organization, one->organization), 0, "%s", one->domain);
        cr_expect_eq(error != NULL, one->answer == TXT_UNKNOWN, "%s", one->domain);
    }
}

Test(dmarc, a_record_that_is_none_is_told)
{
    g_auto(DmarcRecord) broken = {0}, two = {0};
    (void)dmarc_look("broken.test", zone_lookup, zone, &broken, NULL);
    (void)dmarc_look("two.test", zone_lookup, zone, &two, NULL);
    cr_expect_str_eq(broken.broken, "v=DMARC1; p=perhaps");
    cr_expect_not_null(two.broken);
}

/* A wildcard of the domain answers for _dmarc, too. */
Test(dmarc, what_is_for_another_purpose_is_no_broken_record)
{
    g_auto(DmarcRecord) wild = {0}, nearly = {0};
    (void)dmarc_look("wild.test", zone_lookup, zone, &wild, NULL);
    (void)dmarc_look("nearly.test", zone_lookup, zone, &nearly, NULL);
    cr_expect_null(wild.broken, "%s", wild.broken);
    cr_expect_str_eq(nearly.broken, "p=reject; v=DMARC1");
}

static gboolean aligned(const char *from, const char *domain, gboolean strict)
{
    g_auto(DmarcRecord) of_from = {0}, of_domain = {0};
    (void)dmarc_look(from, zone_lookup, zone, &of_from, NULL);
    (void)dmarc_look(domain, zone_lookup, zone, &of_domain, NULL);
    return dmarc_is_aligned(from, &of_from, domain, &of_domain, strict);
}

Test(dmarc, relaxed_is_of_one_organization_and_strict_the_same_name)
{
    cr_expect(aligned("example.org", "EXAMPLE.org", TRUE));
    cr_expect(aligned("a.example.org", "b.own.example.org", FALSE));
    cr_expect(aligned("example.org", "a.example.org", FALSE));
    cr_expect_not(aligned("example.org", "a.example.org", TRUE));
    cr_expect_not(aligned("example.org", "other.test", FALSE));
    cr_expect_not(aligned("one.gov.test", "two.gov.test", FALSE));
    cr_expect(aligned("a.one.gov.test", "one.gov.test", FALSE));
    cr_expect_not(aligned("a.none.test", "none.test", FALSE), "without a policy nobody knows");
}

Test(dmarc, the_walk_ends)
{
    g_autoptr(GString) deep = g_string_new("test");
    for (int i = 0; i < 100; i++)
        g_string_prepend(deep, "a.");
    g_auto(DmarcRecord) record = {0};
    zone_questions = 0;
    cr_expect_eq(dmarc_look(deep->str, zone_lookup, zone, &record, NULL), TXT_NOTHING);
    cr_expect_leq(zone_questions, 8);
}

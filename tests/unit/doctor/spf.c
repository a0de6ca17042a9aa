#include "spf.h"

#include "zone.h"

#include <criterion/criterion.h>

#define PROVIDER "_spf.p.test"
#define MAX_RECORDS 16

typedef struct {
    const char *why;
    SpfResult result;
    guint lookups;
    gboolean addresses;
    ZoneRecord zone[MAX_RECORDS];
} Case;

static const ZoneRecord provider[] = {{PROVIDER, "v=spf1 include:_a.p.test include:_b.p.test ~all"},
                                      {"_a.p.test", "v=spf1 ip4:192.0.2.0/24 ~all"},
                                      {"_b.p.test", "v=spf1 ip6:2001:db8::/32 ~all"}};

static const Case cases[] = {
    {"included", SPF_ALLOWED, 3, TRUE, {{"d.test", "v=spf1 include:" PROVIDER " -all"}}},
    {"in capitals", SPF_ALLOWED, 3, TRUE, {{"d.test", "V=SPF1 INCLUDE:_SPF.P.TEST. -ALL"}}},
    {"with a plus", SPF_ALLOWED, 3, TRUE, {{"d.test", "v=spf1 +include:" PROVIDER " -all"}}},
    {"behind other texts",
     SPF_ALLOWED,
     3,
     TRUE,
     {{"d.test", "v=spf10 -all"}, {"d.test", "x"}, {"d.test", "v=spf1 include:" PROVIDER}}},
    {"by another's record",
     SPF_ALLOWED,
     4,
     TRUE,
     {{"d.test", "v=spf1 include:e.test -all"}, {"e.test", "v=spf1 include:" PROVIDER " -all"}}},
    {"by a redirect",
     SPF_ALLOWED,
     4,
     TRUE,
     {{"d.test", "v=spf1 redirect=e.test"}, {"e.test", "v=spf1 include:" PROVIDER " -all"}}},
    {"by a redirect to itself", SPF_ALLOWED, 3, TRUE, {{"d.test", "v=spf1 redirect=" PROVIDER}}},
    {"a redirect beside all is none (6.1)",
     SPF_NOT_ALLOWED,
     0,
     FALSE,
     {{"d.test", "v=spf1 redirect=" PROVIDER " -all"}}},
    {"softly", SPF_NOT_ALLOWED, 3, TRUE, {{"d.test", "v=spf1 ~include:" PROVIDER " +all"}}},
    {"not at all", SPF_NOT_ALLOWED, 3, TRUE, {{"d.test", "v=spf1 -include:" PROVIDER " +all"}}},
    {"behind all", SPF_NOT_ALLOWED, 0, FALSE, {{"d.test", "v=spf1 ~all include:" PROVIDER}}},
    {"a fail inside of an include is no match (5.2)",
     SPF_ALLOWED,
     4,
     TRUE,
     {{"d.test", "v=spf1 include:e.test include:" PROVIDER " -all"}, {"e.test", "v=spf1 -all"}}},
    {"only addresses", SPF_NOT_ALLOWED, 2, TRUE, {{"d.test", "v=spf1 a mx ip4:192.0.2.1 -all"}}},
    {"a macro is passed by",
     SPF_NOT_ALLOWED,
     1,
     TRUE,
     {{"d.test", "v=spf1 include:%{i}.e.test -all"}}},
    {"modifiers that nobody knows (6)",
     SPF_ALLOWED,
     3,
     TRUE,
     {{"d.test", "v=spf1 exp=e.test moo=x include:" PROVIDER " ~all"}}},
    {"everybody", SPF_ANYBODY, 0, FALSE, {{"d.test", "v=spf1 all"}}},
    {"everybody, by an include",
     SPF_ANYBODY,
     1,
     FALSE,
     {{"d.test", "v=spf1 include:e.test -all"}, {"e.test", "v=spf1 +all"}}},
    {"none", SPF_NONE, 0, FALSE, {{"d.test", "hello"}}},
    {"two", SPF_SEVERAL, 0, FALSE, {{"d.test", "v=spf1 -all"}, {"d.test", "v=spf1"}}},
    {"an include of nothing", SPF_BROKEN, 1, FALSE, {{"d.test", "v=spf1 include:e.test -all"}}},
    {"an include without a name", SPF_BROKEN, 0, FALSE, {{"d.test", "v=spf1 include: -all"}}},
    {"a fault behind what decides (4.6)",
     SPF_BROKEN,
     0,
     FALSE,
     {{"d.test", "v=spf1 include:" PROVIDER " ipv4:192.0.2.1 ~all"}}},
    {"a fault behind all", SPF_BROKEN, 0, FALSE, {{"d.test", "v=spf1 ~all include:"}}},
    {"a name in the place of an address",
     SPF_BROKEN,
     0,
     FALSE,
     {{"d.test", "v=spf1 include:" PROVIDER " ip4:mail.d.test ~all"}}},
    {"a network of too many bits",
     SPF_BROKEN,
     0,
     FALSE,
     {{"d.test", "v=spf1 include:" PROVIDER " ip4:192.0.2.0/33 ~all"}}},
    {"two redirects (6)",
     SPF_BROKEN,
     0,
     FALSE,
     {{"d.test", "v=spf1 redirect=" PROVIDER " redirect=" PROVIDER}}},
    {"each form of each term",
     SPF_ALLOWED,
     3,
     TRUE,
     {{"d.test", "v=spf1  include:" PROVIDER " +a -a:b.test ?a/24 a:b.test/24//64 mx//64 mx:b.test "
                 "ptr ptr:b.test exists:%{i}.b.test ip4:192.0.2.0/0 IP6:2001:db8::1 ip6:::/0 "
                 "redirect=x exp=y ~all "}}},
    {"a term nobody knows", SPF_BROKEN, 0, FALSE, {{"d.test", "v=spf1 include=x inclde:y -all"}}},
    {"a circle", SPF_TOO_MANY, 11, FALSE, {{"d.test", "v=spf1 include:d.test -all"}}},
    {"eleven",
     SPF_TOO_MANY,
     11,
     TRUE,
     {{"d.test", "v=spf1 a a a a a a a a include:" PROVIDER " -all"}}},
    {"ten", SPF_ALLOWED, 10, TRUE, {{"d.test", "v=spf1 a a a a a a a include:" PROVIDER " -all"}}},
    {"what would be too much comes behind",
     SPF_ALLOWED,
     3,
     TRUE,
     {{"d.test", "v=spf1 include:" PROVIDER " a a a a a a a a a a -all"}}},
    {"no answer", SPF_UNKNOWN, 0, FALSE, {{"d.test", NULL}}},
    {"no answer about an include",
     SPF_UNKNOWN,
     1,
     FALSE,
     {{"d.test", "v=spf1 include:e.test -all"}, {"e.test", NULL}}},
};

Test(spf, each_record_is_read_as_rfc_7208_says)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *one = &cases[i];
        ZoneRecord zone[MAX_RECORDS + G_N_ELEMENTS(provider)] = {0};
        gsize n = 0;
        while (one->zone[n].name) {
            zone[n] = one->zone[n];
            n++;
        }
        for (gsize j = 0; j < G_N_ELEMENTS(provider); j++)
            zone[n++] = provider[j];
        g_autoptr(GError) error = NULL;
        g_auto(SpfVerdict) verdict = {0};
        spf_look("d.test", PROVIDER, zone_lookup, zone, &verdict, &error);
        cr_expect_eq(verdict.result, one->result, "%s: %d", one->why, (int)verdict.result);
        cr_expect_eq(verdict.lookups, one->lookups, "%s: %u look-ups", one->why, verdict.lookups);
        cr_expect_eq(verdict.addresses, one->addresses, "%s", one->why);
        cr_expect_eq(error != NULL, one->result == SPF_UNKNOWN, "%s", one->why);
        cr_expect_eq(verdict.where != NULL, one->result == SPF_BROKEN || one->result == SPF_SEVERAL,
                     "%s", one->why);
    }
}

Test(spf, the_record_told_is_the_domains_own)
{
    ZoneRecord zone[] = {
        {"d.test", "v=spf1 include:e.test -all"}, {"e.test", "v=spf1 a -all"}, {0}};
    g_auto(SpfVerdict) verdict = {0};
    spf_look("d.test", NULL, zone_lookup, zone, &verdict, NULL);
    cr_expect_eq(verdict.result, SPF_NOT_ALLOWED);
    cr_expect_str_eq(verdict.record, "v=spf1 include:e.test -all");
}

/* Whoever publishes records that lead to more and more of them does not keep us busy. */
Test(spf, hostile_records_cost_few_questions)
{
    ZoneRecord zone[] = {{"d.test", "v=spf1 include:d.test include:d.test include:d.test"}, {0}};
    g_auto(SpfVerdict) verdict = {0};
    zone_questions = 0;
    spf_look("d.test", PROVIDER, zone_lookup, zone, &verdict, NULL);
    cr_expect_eq(verdict.result, SPF_TOO_MANY);
    cr_expect_leq(zone_questions, SPF_LOOKUPS_MAX + 1);
}

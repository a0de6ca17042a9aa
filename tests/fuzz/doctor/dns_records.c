/* What a stranger publishes in DNS: an SPF record that leads to itself and others, a DMARC policy,
 * a key of DKIM. All names of the world have the one record. */

#include "dkim.h"
#include "dmarc.h"
#include "fuzz.h"
#include "spf.h"

#include <string.h>

static guint questions;

static TxtAnswer everywhere(G_GNUC_UNUSED const char *name, GPtrArray **texts,
                            G_GNUC_UNUSED GError **error, gpointer text)
{
    questions++;
    *texts = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(*texts, g_strdup(text));
    return TXT_FOUND;
}

static gboolean spf_is_good(char *text)
{
    g_auto(SpfVerdict) verdict = {0};
    questions = 0;
    spf_look("d.test", "p.test", everywhere, text, &verdict, NULL);
    g_assert_cmpuint(questions, <=, SPF_LOOKUPS_MAX + 1);
    g_assert_cmpint(verdict.result, !=, SPF_UNKNOWN);
    if (verdict.result == SPF_ALLOWED || verdict.result == SPF_ANYBODY)
        g_assert_cmpuint(verdict.lookups, <=, SPF_LOOKUPS_MAX);
    return verdict.result == SPF_ALLOWED || verdict.result == SPF_NOT_ALLOWED ||
           verdict.result == SPF_ANYBODY;
}

static gboolean dmarc_is_good(char *text)
{
    g_auto(DmarcRecord) record = {0};
    questions = 0;
    TxtAnswer answer = dmarc_look("a.b.c.d.e.f.g.h.i.j.test", everywhere, text, &record, NULL);
    g_assert_cmpuint(questions, <=, 8);
    g_assert_true((answer == TXT_FOUND) == record.found);
    if (record.found)
        g_assert_nonnull(dmarc_policy_name(record.policy));
    return record.found;
}

static gboolean dkim_is_good(const char *text)
{
    guint bits;
    const char *algorithm;
    DkimResult result = dkim_read(text, &bits, &algorithm);
    if (result == DKIM_GOOD)
        g_assert_cmpuint(bits, >, 0);
    return result != DKIM_BROKEN;
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    g_autofree char *text = g_strndup((const char *)bytes, len);
    gboolean spf = spf_is_good(text);
    gboolean dmarc = dmarc_is_good(text);
    gboolean dkim = dkim_is_good(text);
    return spf || dmarc || dkim ? FUZZ_TAKEN : FUZZ_REFUSED;
}

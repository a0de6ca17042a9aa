#include "dmarc.h"

#include "domain.h"
#include "tags.h"

#include <string.h>

/* Names above that are looked at: no address has more that are somebody's. */
#define WALK_MAX 8

static const char *const policy_names[] = {
    [DMARC_NO_POLICY] = NULL,
    [DMARC_REPORT] = "none",
    [DMARC_QUARANTINE] = "quarantine",
    [DMARC_REJECT] = "reject",
};

const char *dmarc_policy_name(DmarcPolicy policy)
{
    return policy_names[policy];
}

static DmarcPolicy policy_of(const char *value)
{
    for (guint i = DMARC_REPORT; value && i < G_N_ELEMENTS(policy_names); i++)
        if (g_ascii_strcasecmp(value, policy_names[i]) == 0)
            return (DmarcPolicy)i;
    return DMARC_NO_POLICY;
}

static gboolean is_record(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ";", 2);
    g_auto(GStrv) version = parts[0] ? g_strsplit(parts[0], "=", 2) : NULL;
    return version && version[0] && version[1] && strcmp(g_strstrip(version[0]), "v") == 0 &&
           strcmp(g_strstrip(version[1]), "DMARC1") == 0;
}

/* The one record among the texts; several are none (RFC 7489 section 6.6.3). Borrowed. */
static const char *only_record(const GPtrArray *texts)
{
    const char *found = NULL;
    for (guint i = 0; i < texts->len; i++) {
        if (!is_record(g_ptr_array_index(texts, i)))
            continue;
        if (found)
            return NULL;
        found = g_ptr_array_index(texts, i);
    }
    return found;
}

/* What somebody meant to be one, for a person to look at; NULL: none, as where a wildcard answers
 * for every name with what is for another purpose (such texts are discarded, section 6.6.3).
 * Borrowed. */
static const char *meant_record(const GPtrArray *texts)
{
    for (guint i = 0; i < texts->len; i++) {
        g_autofree char *text = g_ascii_strdown(g_ptr_array_index(texts, i), -1);
        if (strstr(text, "dmarc") || g_str_has_prefix(text, "p="))
            return g_ptr_array_index(texts, i);
    }
    return NULL;
}

static gboolean is_strict(GHashTable *tags, const char *name)
{
    const char *value = g_hash_table_lookup(tags, name);
    return value && g_ascii_strcasecmp(value, "s") == 0;
}

/* FALSE: it is no policy. */
static gboolean take(DmarcRecord *record, const char *text, gboolean inherited)
{
    g_autoptr(GHashTable) tags = tags_parse(text);
    if (!tags)
        return FALSE;
    DmarcPolicy own = policy_of(g_hash_table_lookup(tags, "p"));
    DmarcPolicy below = policy_of(g_hash_table_lookup(tags, "sp"));
    if (own == DMARC_NO_POLICY)
        return FALSE;
    record->policy = inherited && below != DMARC_NO_POLICY ? below : own;
    record->strict_spf = is_strict(tags, "aspf");
    record->strict_dkim = is_strict(tags, "adkim");
    record->of_public = g_strcmp0(g_hash_table_lookup(tags, "psd"), "y") == 0;
    return TRUE;
}

/* The record of one name of the walk, which came from the one below (NULL: it begins); the lowest
 * record is the policy. */
static TxtAnswer look_at(const char *name, const char *below, TxtLookup lookup, gpointer data,
                         DmarcRecord *record, GError **error)
{
    gboolean inherited = below != NULL;
    g_autofree char *place = g_strconcat("_dmarc.", name, NULL);
    g_autoptr(GPtrArray) texts = NULL;
    TxtAnswer answer = lookup(place, &texts, error, data);
    if (answer != TXT_FOUND)
        return answer;
    const char *text = only_record(texts);
    DmarcRecord read = {0};
    gboolean good = text && take(&read, text, inherited);
    if (!good && !inherited)
        record->broken = g_strdup(text ? text : meant_record(texts));
    if (!good)
        return TXT_NOTHING;
    if (!record->found) {
        record->found = TRUE;
        record->at = g_strdup(name);
        record->policy = read.policy;
        record->strict_spf = read.strict_spf;
        record->strict_dkim = read.strict_dkim;
    }
    g_free(record->organization);
    record->organization = g_strdup(read.of_public && below ? below : name);
    return TXT_FOUND;
}

TxtAnswer dmarc_look(const char *domain, TxtLookup lookup, gpointer data, DmarcRecord *record,
                     GError **error)
{
    *record = (DmarcRecord){0};
    guint steps = 0;
    const char *below = NULL;
    for (const char *name = domain; name && steps < WALK_MAX; name = domain_above(name), steps++) {
        if (look_at(name, below, lookup, data, record, error) == TXT_UNKNOWN)
            return TXT_UNKNOWN;
        below = name;
    }
    return record->found ? TXT_FOUND : TXT_NOTHING;
}

void dmarc_record_clear(DmarcRecord *record)
{
    g_free(record->at);
    g_free(record->organization);
    g_free(record->broken);
}

gboolean dmarc_is_aligned(const char *from, const DmarcRecord *of_from, const char *domain,
                          const DmarcRecord *of_domain, gboolean strict)
{
    if (domain_equal(from, domain))
        return TRUE;
    const char *one = of_from->organization ? of_from->organization : from;
    const char *other = of_domain->organization ? of_domain->organization : domain;
    return !strict && domain_equal(one, other);
}

#include "spf.h"

#include "domain.h"
#include "spf_terms.h"

#include <string.h>

#define VERSION "v=spf1"

/* One evaluation. */
typedef struct {
    const char *provider;
    TxtLookup lookup;
    gpointer data;
    SpfVerdict *verdict;
    GError **error;
} Look;

/* What a record says of the provider. */
typedef enum {
    PASSES,   /* it may send */
    OPEN,     /* so may everybody */
    DENIES,   /* it may not, and nothing behind counts */
    MISSES,   /* nothing */
    HAS_NONE, /* there is no record */
    FAILED,   /* the verdict has the result */
} Match;

static Match look_at(Look *look, const char *domain);

static Match fail(Look *look, SpfResult result, const char *where)
{
    look->verdict->result = result;
    g_free(look->verdict->where);
    look->verdict->where = g_strdup(where);
    return FAILED;
}

static gboolean is_record(const char *text)
{
    gsize len = strlen(VERSION);
    return g_ascii_strncasecmp(text, VERSION, len) == 0 && (text[len] == ' ' || !text[len]);
}

/* PASSES: *record is there, owned. */
static Match fetch(Look *look, const char *domain, char **record)
{
    g_autoptr(GPtrArray) texts = NULL;
    TxtAnswer answer = look->lookup(domain, &texts, look->error, look->data);
    if (answer == TXT_UNKNOWN)
        return fail(look, SPF_UNKNOWN, NULL);
    g_autofree char *found = NULL;
    for (guint i = 0; texts && i < texts->len; i++) {
        const char *text = g_ptr_array_index(texts, i);
        if (!is_record(text))
            continue;
        if (found)
            return fail(look, SPF_SEVERAL, domain);
        found = g_strdup(text);
    }
    *record = g_steal_pointer(&found);
    return *record ? PASSES : HAS_NONE;
}

static gboolean spend(Look *look)
{
    return ++look->verdict->lookups <= SPF_LOOKUPS_MAX;
}

/* The record of another domain, which has to have one (RFC 7208 sections 5.2 and 6.1). */
static Match follow(Look *look, const char *domain)
{
    if (strchr(domain, '%')) { /* a macro: where it leads depends on the mail */
        look->verdict->addresses = TRUE;
        return MISSES;
    }
    if (strlen(domain) > DOMAIN_MAX_LEN)
        return fail(look, SPF_BROKEN, "an include or redirect of what is no domain");
    Match match = look_at(look, domain);
    if (match == HAS_NONE) {
        g_autofree char *where =
            g_strdup_printf("%s, which it leads to, has no SPF record", domain);
        return fail(look, SPF_BROKEN, where);
    }
    return match;
}

static Match include(Look *look, const char *domain, char qualifier)
{
    Match match = follow(look, domain);
    if (match == FAILED)
        return FAILED;
    if (look->provider && domain_equal(domain, look->provider))
        match = PASSES;
    if (match != PASSES && match != OPEN)
        return MISSES;
    return qualifier == '+' ? match : DENIES;
}

static Match mechanism(Look *look, const char *term)
{
    char qualifier = strchr("+-~?", *term) ? *term++ : '+';
    gsize len = strcspn(term, ":/");
    const char *value = term[len] == ':' ? term + len + 1 : "";
    SpfTerm kind = spf_term_kind(term);
    if (kind == SPF_TERM_ALL)
        return qualifier == '+' ? OPEN : DENIES;
    gboolean leads = kind == SPF_TERM_INCLUDE, costs = kind == SPF_TERM_LOOKUP;
    if ((leads || costs) && !spend(look))
        return fail(look, SPF_TOO_MANY, NULL);
    look->verdict->addresses = look->verdict->addresses || !leads;
    return leads ? include(look, value, qualifier) : MISSES;
}

/* From left to right, up to the first term that decides, as whoever gets the mail does it. */
static Match evaluate(Look *look, const char *record)
{
    const char *redirect = NULL;
    g_auto(GStrv) terms = g_strsplit(record + strlen(VERSION), " ", -1);
    g_autofree char *fault = spf_terms_fault((const char *const *)terms);
    if (fault)
        return fail(look, SPF_BROKEN, fault);
    for (char **term = terms; *term; term++) {
        if (!**term)
            continue;
        if (spf_term_kind(*term) == SPF_TERM_MODIFIER) {
            if (g_ascii_strncasecmp(*term, "redirect=", strlen("redirect=")) == 0)
                redirect = *term + strlen("redirect=");
            continue;
        }
        Match match = mechanism(look, *term);
        if (match != MISSES)
            return match;
    }
    if (!redirect)
        return MISSES;
    if (!spend(look))
        return fail(look, SPF_TOO_MANY, NULL);
    Match match = follow(look, redirect);
    gboolean is_it = look->provider && domain_equal(redirect, look->provider);
    return match != FAILED && is_it ? PASSES : match;
}

static Match look_at(Look *look, const char *domain)
{
    g_autofree char *record = NULL;
    Match match = fetch(look, domain, &record);
    if (match != PASSES)
        return match;
    if (!look->verdict->record) /* the first one is the domain's own */
        look->verdict->record = g_strdup(record);
    return evaluate(look, record);
}

void spf_look(const char *domain, const char *provider, TxtLookup lookup, gpointer data,
              SpfVerdict *verdict, GError **error)
{
    static const SpfResult results[] = {
        [PASSES] = SPF_ALLOWED,     [OPEN] = SPF_ANYBODY,  [DENIES] = SPF_NOT_ALLOWED,
        [MISSES] = SPF_NOT_ALLOWED, [HAS_NONE] = SPF_NONE,
    };
    Look look = {
        .provider = provider, .lookup = lookup, .data = data, .verdict = verdict, .error = error};
    *verdict = (SpfVerdict){0};
    Match match = look_at(&look, domain);
    if (match != FAILED)
        verdict->result = results[match];
}

void spf_verdict_clear(SpfVerdict *verdict)
{
    g_free(verdict->record);
    g_free(verdict->where);
}

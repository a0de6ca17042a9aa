#include "spf_terms.h"

#include <arpa/inet.h>
#include <string.h>

typedef enum { NOTHING, MAYBE_NAME, NAME, IP4, IP6 } Behind;

static const struct {
    const char *name;
    SpfTerm kind;
    Behind behind; /* what has to stand behind it */
} known[] = {
    {"all", SPF_TERM_ALL, NOTHING},       {"include", SPF_TERM_INCLUDE, NAME},
    {"ip4", SPF_TERM_ADDRESS, IP4},       {"ip6", SPF_TERM_ADDRESS, IP6},
    {"a", SPF_TERM_LOOKUP, MAYBE_NAME},   {"mx", SPF_TERM_LOOKUP, MAYBE_NAME},
    {"ptr", SPF_TERM_LOOKUP, MAYBE_NAME}, {"exists", SPF_TERM_LOOKUP, NAME},
};

/* The row of known; its length where there is none. */
static gsize find(const char *term)
{
    gsize i = 0, len = strcspn(term, ":/");
    while (i < G_N_ELEMENTS(known) &&
           !(strlen(known[i].name) == len && g_ascii_strncasecmp(known[i].name, term, len) == 0))
        i++;
    return i;
}

/* A name with "=" before any ":" or "/". */
static gboolean is_modifier(const char *term)
{
    return g_ascii_isalpha(*term) && term[strcspn(term, ":/=")] == '=';
}

SpfTerm spf_term_kind(const char *term)
{
    if (is_modifier(term))
        return SPF_TERM_MODIFIER;
    gsize row = find(term);
    return row < G_N_ELEMENTS(known) ? known[row].kind : SPF_TERM_UNKNOWN;
}

/* ":ADDRESS" or ":ADDRESS/LENGTH". */
static gboolean is_network(const char *text, int family, guint bits_max)
{
    guchar address[sizeof(struct in6_addr)];
    g_auto(GStrv) parts = g_strsplit(*text == ':' ? text + 1 : "", "/", 2);
    return parts[0] && inet_pton(family, parts[0], address) == 1 &&
           (!parts[1] || g_ascii_string_to_unsigned(parts[1], 10, 0, bits_max, NULL, NULL));
}

static gboolean fits(const char *text, Behind behind)
{
    switch (behind) {
    case NOTHING:
        return !*text;
    case MAYBE_NAME:
        return !*text || *text == '/' || text[1];
    case NAME:
        return *text == ':' && text[1];
    case IP4:
        return is_network(text, AF_INET, 32);
    case IP6:
        return is_network(text, AF_INET6, 128);
    }
    return FALSE;
}

static char *fault_of(const char *term)
{
    gsize row = find(term);
    if (row == G_N_ELEMENTS(known))
        return g_strdup_printf("nobody knows the term \"%s\"", term);
    if (!fits(term + strlen(known[row].name), known[row].behind))
        return g_strdup_printf("the term \"%s\" is not as it has to be", term);
    return NULL;
}

/* Only these two are known, and each may be there once (section 6). */
static gboolean is_repeated(const char *const *terms, const char *const *term)
{
    static const char *const single[] = {"redirect=", "exp="};
    for (gsize i = 0; i < G_N_ELEMENTS(single); i++) {
        gsize len = strlen(single[i]);
        if (g_ascii_strncasecmp(*term, single[i], len) != 0)
            continue;
        for (; terms < term; terms++)
            if (g_ascii_strncasecmp(*terms, single[i], len) == 0)
                return TRUE;
    }
    return FALSE;
}

static char *fault_of_modifier(const char *const *terms, const char *const *term)
{
    if (is_repeated(terms, term))
        return g_strdup_printf("\"%s\" is the second of its kind", *term);
    if (g_ascii_strcasecmp(*term, "redirect=") == 0)
        return g_strdup("a redirect without a domain");
    return NULL;
}

char *spf_terms_fault(const char *const *terms)
{
    char *fault = NULL;
    for (const char *const *term = terms; *term && !fault; term++) {
        if (!**term)
            continue;
        if (is_modifier(*term))
            fault = fault_of_modifier(terms, term);
        else
            fault = fault_of(*term + (strchr("+-~?", **term) ? 1 : 0));
    }
    return fault;
}

#include "machine.h"

#include "address.h"
#include "stamp.h"

#include <string.h>

void machine_terms_clear(MachineTerms *terms)
{
    g_clear_pointer(&terms->full_name, g_free);
    g_clear_pointer(&terms->from, g_free);
}

static gboolean is_private(const char *domain)
{
    static const char *const suffixes[] = {".local", ".localdomain", ".internal", ".lan",
                                           ".home.arpa"};
    g_autofree char *lowered = g_ascii_strdown(domain, -1);
    if (!strchr(lowered, '.'))
        return *lowered != '[';
    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++)
        if (g_str_has_suffix(lowered, suffixes[i]))
            return TRUE;
    return FALSE;
}

/* As the broker compares them when it chooses the account. */
static gboolean fits_pattern(const Route *route, const char *address)
{
    g_autofree char *lowered = g_ascii_strdown(address, -1);
    for (char **pattern = route->from; pattern && *pattern; pattern++) {
        g_autofree char *small = g_ascii_strdown(*pattern, -1);
        if (g_pattern_match_simple(small, lowered))
            return TRUE;
    }
    return FALSE;
}

gboolean machine_is_foreign(const Route *route, const char *host, const char *address)
{
    const char *domain = address_domain(address);
    if (g_ascii_strcasecmp(address, route->address) == 0 || fits_pattern(route, address))
        return FALSE;
    if (route->from || is_private(domain))
        return TRUE;
    return host && g_ascii_strcasecmp(domain, host) == 0 &&
           g_ascii_strcasecmp(domain, address_domain(route->address)) != 0;
}

const char *machine_recipient(const Route *route, const char *host, const char *address)
{
    if (!address_is_local(address, host))
        return address;
    return route->root && !address_is_local(route->root, host) ? route->root : route->address;
}

/* "root on web1": the old address in words that no server takes for an address. Returns owned. */
static char *name_of(const char *address, const char *host)
{
    const char *domain = address_domain(address);
    int local_len = (int)(domain - address) - 1;
    if (host && address_is_local(address, host))
        domain = host;
    return g_strdup_printf("%.*s on %s", local_len, address, domain);
}

void machine_decide(const Route *route, const char *host, const char *sender, const char *full_name,
                    const char *from, MachineTerms *terms)
{
    gboolean foreign_sender = sender && *sender && machine_is_foreign(route, host, sender);
    terms->sender = foreign_sender ? NULL : sender;
    terms->full_name = g_strdup(full_name);
    if (from && machine_is_foreign(route, host, from)) {
        g_autofree char *name = name_of(from, host);
        g_autofree char *shown = stamp_display_name(name);
        terms->from = g_strdup_printf("%s <%s>", shown, route->address);
    } else if (!from && foreign_sender && !(full_name && *full_name)) {
        terms->full_name = name_of(sender, host);
    }
}

void machine_apply(const Route *route, const char *sender, const char *full_name, Message *message,
                   MachineTerms *terms)
{
    machine_decide(route, g_get_host_name(), sender, full_name, message_from(message), terms);
    if (terms->from)
        message_replace_from(message, terms->from);
}

void machine_direct(const Route *route, SmtpRecipient *recipients, guint n)
{
    for (guint i = 0; i < n; i++) {
        const char *address = recipients[i].address;
        const char *directed = machine_recipient(route, g_get_host_name(), address);
        if (directed != address)
            recipients[i].address = g_intern_string(directed); /* one for each account */
    }
}

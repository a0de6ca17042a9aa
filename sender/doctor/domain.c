#include "domain.h"

#include "address.h"

#include <string.h>

char *domain_of_address(const char *address)
{
    const char *at = strrchr(address, '@');
    if (!at || !address_is_domain(at + 1) || strlen(at + 1) > DOMAIN_MAX_LEN)
        return NULL;
    return g_ascii_strdown(at + 1, -1);
}

const char *domain_above(const char *domain)
{
    const char *dot = strchr(domain, '.');
    return dot && strchr(dot + 1, '.') ? dot + 1 : NULL;
}

static gsize bare_len(const char *domain)
{
    gsize len = strlen(domain);
    return len > 0 && domain[len - 1] == '.' ? len - 1 : len;
}

gboolean domain_equal(const char *one, const char *other)
{
    gsize len = bare_len(one);
    return len == bare_len(other) && g_ascii_strncasecmp(one, other, len) == 0;
}

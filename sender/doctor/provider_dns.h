/* What the providers want to find in the DNS of a domain that sends through them: a table, by the
 * broker's names of its presets. */
#pragma once

#include <glib.h>

typedef struct {
    const char *provider;
    const char *spf;              /* what has to be included */
    const char *const *selectors; /* of DKIM, that it proposes; any one will do; ended by NULL */
} ProviderDns;

/* NULL: nothing is known of it. Borrowed, static. */
const ProviderDns *provider_dns_of(const char *provider);

#include "provider_dns.h"

static const char *const of_google[] = {"google", NULL};
static const char *const of_microsoft[] = {"selector1", "selector2", NULL};
static const char *const of_fastmail[] = {"fm1", "fm2", "fm3", NULL};

static const ProviderDns known[] = {
    {"google", "_spf.google.com", of_google},
    {"microsoft", "spf.protection.outlook.com", of_microsoft},
    {"fastmail", "spf.messagingengine.com", of_fastmail},
};

const ProviderDns *provider_dns_of(const char *provider)
{
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_strcmp0(known[i].provider, provider) == 0)
            return &known[i];
    return NULL;
}

/* A discovery document of the issuer https://id.example.com. */

#include "fuzz.h"
#include "provider.h"

static void check_endpoint(const char *uri)
{
    g_assert_true(!uri || provider_uri_is_https(uri));
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    g_autoptr(Provider) provider = provider_new("test");
    g_autoptr(GError) error = NULL;
    g_autoptr(cJSON) document = json_parse_object((const char *)bytes, len, NULL);
    provider->issuer = g_strdup("https://id.example.com");
    if (!document)
        return FUZZ_REFUSED;
    gboolean taken = provider_apply_discovery(provider, document, &error);
    g_assert_true(taken == !error);
    check_endpoint(provider->token_endpoint);
    check_endpoint(provider->device_authorization_endpoint);
    check_endpoint(provider->authorization_endpoint);
    check_endpoint(provider->revocation_endpoint);
    check_endpoint(provider->userinfo_endpoint);
    g_assert_cmpstr(provider->issuer, ==, "https://id.example.com");
    return taken ? FUZZ_TAKEN : FUZZ_REFUSED;
}

/* The query of a redirect, for a provider that announces iss (RFC 9207). */

#include "fuzz.h"
#include "oauth.h"

#include <string.h>

#define STATE "fuzz-state-0123456789"

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    if (memchr(bytes, 0, len))
        return FUZZ_REFUSED; /* the receiver refuses it before */
    g_autofree char *query = g_strndup((const char *)bytes, len);
    g_autoptr(Provider) provider = provider_new("test");
    g_autoptr(Secret) state = secret_new(STATE, -1);
    g_autoptr(GError) error = NULL;
    g_auto(OauthRedirect) redirect = {0};
    provider->issuer = g_strdup("https://id.example.com");
    provider->iss_announced = TRUE;
    gboolean ours = oauth_redirect_parse(provider, state, query, &redirect, &error);
    g_assert_true(ours == !error);
    if (!ours)
        return FUZZ_REFUSED;
    g_assert_true((redirect.verdict == OAUTH_GRANTED) == (redirect.code != NULL));
    if (redirect.reason)
        g_assert_null(strpbrk(redirect.reason, "\r\n\033"));
    return redirect.verdict == OAUTH_GRANTED ? FUZZ_TAKEN : FUZZ_REFUSED;
}

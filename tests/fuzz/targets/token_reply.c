/* An answer of the token endpoint, by any status. */

#include "fuzz.h"
#include "oauth.h"

#include <string.h>

static void check(const OauthTokenReply *reply)
{
    if (reply->verdict == OAUTH_GRANTED) {
        g_assert_nonnull(reply->access_token);
        g_assert_cmpuint(secret_len(reply->access_token), <=, OAUTH_TOKEN_MAX);
        g_assert_null(strpbrk(secret_reveal(reply->access_token), "\r\n\1"));
        return;
    }
    g_assert_null(reply->access_token);
    g_assert_nonnull(reply->reason);
    g_assert_null(strpbrk(reply->reason, "\r\n\033"));
    g_assert_true(g_utf8_validate(reply->reason, -1, NULL));
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    static const guint statuses[] = {0, 400, 401, 404, 428, 429, 503, 200};
    FuzzVerdict verdict = FUZZ_REFUSED;
    for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
        g_auto(OauthTokenReply) reply = {0};
        g_autofree char *why = NULL;
        oauth_token_reply_parse(statuses[i], (const char *)bytes, len, &reply);
        check(&reply);
        verdict = reply.verdict == OAUTH_GRANTED ? FUZZ_TAKEN : FUZZ_REFUSED;
        if (!oauth_revocation_done(statuses[i], (const char *)bytes, len, &why))
            g_assert_nonnull(why);
    }
    return verdict; /* of 200, the last */
}

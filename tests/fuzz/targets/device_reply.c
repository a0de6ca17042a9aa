/* An answer of the device authorization endpoint, by any status. */

#include "fuzz.h"
#include "oauth.h"

#include <string.h>

static void check(const OauthDeviceReply *reply)
{
    if (reply->verdict != OAUTH_GRANTED) {
        g_assert_null(reply->device_code);
        g_assert_nonnull(reply->reason);
        g_assert_null(strpbrk(reply->reason, "\r\n\033"));
        return;
    }
    g_assert_nonnull(reply->device_code);
    g_assert_null(strpbrk(reply->user_code, "\r\n\033"));
    g_assert_cmpint(g_ascii_strncasecmp(reply->verification_uri, "http", 4), ==, 0);
    g_assert_null(strpbrk(reply->verification_uri, " \r\n\033\"<>"));
    g_assert_cmpint(reply->interval, >=, 1);
    g_assert_cmpint(reply->interval, <=, 60);
    g_assert_cmpint(reply->expires_in, >, 0);
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    static const guint statuses[] = {0, 400, 403, 404, 503, 200};
    FuzzVerdict verdict = FUZZ_REFUSED;
    for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
        g_auto(OauthDeviceReply) reply = {0};
        oauth_device_reply_parse(statuses[i], (const char *)bytes, len, &reply);
        check(&reply);
        (void)oauth_device_refusal_allows_browser(&reply);
        verdict = reply.verdict == OAUTH_GRANTED ? FUZZ_TAKEN : FUZZ_REFUSED;
    }
    return verdict; /* of 200, the last */
}

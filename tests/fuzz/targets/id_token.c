/* An ID token: by itself, and in the answer that it comes with. */

#include "fuzz.h"
#include "jwt.h"
#include "oauth.h"

#include <string.h>

/* Nobody is claimed to have signed in by a token that cannot be read. */
static void check_in_reply(const char *token, gboolean readable)
{
    g_auto(OauthTokenReply) reply = {0};
    cJSON *object = cJSON_CreateObject();
    json_add_string(object, "access_token", "at");
    json_add_string(object, "id_token", token);
    g_autofree char *body = json_format(object);
    cJSON_Delete(object);
    oauth_token_reply_parse(200, body, strlen(body), &reply);
    g_assert_true(readable || !reply.id_token_email);
    if (reply.id_token_email)
        g_assert_null(strpbrk(reply.id_token_email, "\r\n\033"));
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    if (memchr(bytes, 0, len))
        return FUZZ_REFUSED; /* it comes out of a JSON string, which holds none */
    g_autofree char *token = g_strndup((const char *)bytes, len);
    g_autoptr(GError) error = NULL;
    g_autoptr(cJSON) claims = jwt_claims(token, &error);
    g_assert_true(!claims == !!error);
    check_in_reply(token, claims != NULL);
    return claims ? FUZZ_TAKEN : FUZZ_REFUSED;
}

#include "jwt.h"

#include "errors.h"

#include <string.h>

/* base64url without padding (RFC 7515 section 2), in any other form refused. Returns owned. */
static char *decode_part(const char *text, gsize text_len, gsize *len)
{
    for (gsize i = 0; i < text_len; i++)
        if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_')
            return NULL;
    static const char *const padding[] = {"", NULL, "==", "="};
    if (!padding[text_len % 4])
        return NULL;
    g_autofree char *standard =
        g_strdup_printf("%.*s%s", (int)text_len, text, padding[text_len % 4]);
    g_strdelimit(standard, "-", '+');
    g_strdelimit(standard, "_", '/');
    return (char *)g_base64_decode(standard, len);
}

static cJSON *refuse(GError **error, const char *why)
{
    error_set(error, POSTKEY_ERROR_PROTOCOL, NULL, NULL, "the ID token cannot be read: %s", why);
    return NULL;
}

cJSON *jwt_claims(const char *token, GError **error)
{
    if (strnlen(token, JWT_MAX_LEN + 1) > JWT_MAX_LEN)
        return refuse(error, "it is too long");
    const char *payload = strchr(token, '.');
    const char *signature = payload ? strchr(payload + 1, '.') : NULL;
    if (!signature || strchr(signature + 1, '.'))
        return refuse(error, "it does not have three parts");
    payload++;
    gsize len = 0;
    g_autofree char *text = decode_part(payload, (gsize)(signature - payload), &len);
    if (!text)
        return refuse(error, "its claims are not base64url");
    cJSON *claims = json_parse_object(text, len, error);
    if (!claims)
        g_prefix_error(error, "the ID token cannot be read: ");
    return claims;
}

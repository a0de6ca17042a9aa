#include "jwt.h"

#include "errors.h"

#include <gnutls/abstract.h>
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

/* ---- signing ---- */

/* base64url without padding. Returns owned. */
static char *encode_part(const void *bytes, gsize len)
{
    char *text = g_base64_encode(bytes, len);
    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    text[strcspn(text, "=")] = '\0';
    return text;
}

/* "HEADER.CLAIMS", what is signed. Returns owned. */
static char *signing_input(const char *claims, const char *key_id)
{
    g_autoptr(cJSON) header = cJSON_CreateObject();
    json_add_string(header, "alg", "RS256");
    json_add_string(header, "typ", "JWT");
    json_add_string(header, "kid", key_id);
    g_autofree char *text = json_format(header);
    g_autofree char *first = encode_part(text, strlen(text));
    g_autofree char *second = encode_part(claims, strlen(claims));
    return g_strconcat(first, ".", second, NULL);
}

static gboolean refuse_key(GError **error, const char *why)
{
    error_set(error, POSTKEY_ERROR_REFUSED, why, "make a new key at the provider, and add its file",
              "the private key cannot be used");
    return FALSE;
}

static gboolean import_key(gnutls_privkey_t key, const Secret *pem, GError **error)
{
    const char *text = secret_reveal(pem);
    gnutls_datum_t data = {(unsigned char *)text, (unsigned int)secret_len(pem)};
    unsigned int bits = 0;
    int code = gnutls_privkey_import_x509_raw(key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (code != GNUTLS_E_SUCCESS)
        return refuse_key(error, gnutls_strerror(code));
    if (gnutls_privkey_get_pk_algorithm(key, &bits) != GNUTLS_PK_RSA)
        return refuse_key(error, "it is no RSA key");
    return bits >= JWT_RSA_BITS_MIN || refuse_key(error, "it is shorter than 2048 bits");
}

Secret *jwt_sign_rs256(const char *claims, const char *key_id, const Secret *private_key,
                       GError **error)
{
    gnutls_privkey_t key = NULL;
    gnutls_datum_t signature = {NULL, 0};
    Secret *token = NULL;
    int code = gnutls_privkey_init(&key);
    if (code != GNUTLS_E_SUCCESS) {
        (void)refuse_key(error, gnutls_strerror(code)); /* always FALSE */
        return NULL;
    }
    if (import_key(key, private_key, error)) {
        g_autofree char *input = signing_input(claims, key_id);
        gnutls_datum_t data = {(unsigned char *)input, (unsigned int)strlen(input)};
        code = gnutls_privkey_sign_data2(key, GNUTLS_SIGN_RSA_SHA256, 0, &data, &signature);
        if (code == GNUTLS_E_SUCCESS) {
            g_autofree char *last = encode_part(signature.data, signature.size);
            token = secret_take(g_strconcat(input, ".", last, NULL));
        } else {
            (void)refuse_key(error, gnutls_strerror(code)); /* always FALSE */
        }
    }
    gnutls_free(signature.data);
    gnutls_privkey_deinit(key);
    return token;
}

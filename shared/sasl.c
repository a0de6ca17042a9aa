#include "sasl.h"

#include "json.h"

#include <string.h>

static gboolean has_control(const char *text)
{
    for (; *text; text++)
        if ((guchar)*text < 0x20 || *text == 0x7f)
            return TRUE;
    return FALSE;
}

/* Takes plain, whose every copy is wiped. */
static Secret *encode(GString *plain)
{
    Secret *encoded = secret_take(g_base64_encode((const guchar *)plain->str, plain->len));
    gsize allocated_len = plain->allocated_len;
    secret_wipe_bytes(g_string_free(plain, FALSE), allocated_len);
    secret_redact_in_pieces(encoded);
    return encoded;
}

/* Sized at once, so that no half-grown copy of the token stays behind in the heap. */
static GString *response_new(const char *user, const Secret *token)
{
    return g_string_sized_new(3 * strlen(user) + secret_len(token) + 512);
}

Secret *sasl_xoauth2(const char *user, const Secret *token)
{
    if (has_control(user) || has_control(secret_reveal(token)))
        return NULL;
    GString *plain = response_new(user, token);
    g_string_append_printf(plain, "user=%s\001auth=Bearer ", user);
    g_string_append(plain, secret_reveal(token));
    g_string_append(plain, "\001\001");
    return encode(plain);
}

static void append_saslname(GString *plain, const char *user)
{
    for (; *user; user++) {
        if (*user == ',')
            g_string_append(plain, "=2C");
        else if (*user == '=')
            g_string_append(plain, "=3D");
        else
            g_string_append_c(plain, *user);
    }
}

Secret *sasl_oauthbearer(const char *user, const char *host, guint port, const Secret *token)
{
    if (has_control(user) || (host && (has_control(host) || strlen(host) > 255)) ||
        has_control(secret_reveal(token)))
        return NULL;
    GString *plain = response_new(user, token);
    g_string_append(plain, "n,a=");
    append_saslname(plain, user);
    g_string_append(plain, ",\001");
    if (host)
        g_string_append_printf(plain, "host=%s\001", host);
    if (port)
        g_string_append_printf(plain, "port=%u\001", port);
    g_string_append(plain, "auth=Bearer ");
    g_string_append(plain, secret_reveal(token));
    g_string_append(plain, "\001\001");
    return encode(plain);
}

Secret *sasl_plain(const char *user, const Secret *password)
{
    if (has_control(user) || has_control(secret_reveal(password)))
        return NULL;
    GString *plain = response_new(user, password);
    g_string_append_c(plain, '\0');
    g_string_append(plain, user);
    g_string_append_c(plain, '\0');
    g_string_append(plain, secret_reveal(password));
    return encode(plain);
}

Secret *sasl_login(const char *text)
{
    if (has_control(text))
        return NULL;
    Secret *encoded = secret_take(g_base64_encode((const guchar *)text, strlen(text)));
    secret_redact_in_pieces(encoded);
    return encoded;
}

const char *sasl_error_answer(const char *mechanism)
{
    return strcmp(mechanism, "OAUTHBEARER") == 0 ? "AQ==" : "";
}

char *sasl_error_challenge(const char *base64)
{
    gsize len = 0;
    g_autofree guchar *bytes = g_base64_decode(base64, &len);
    g_autoptr(cJSON) challenge = json_parse_object((const char *)bytes, len, NULL);
    const char *status = json_string_or(challenge, "status", NULL);
    if (!status)
        return NULL;
    GString *words = g_string_new(NULL);
    g_string_append_printf(words, "status %s", status);
    const char *scope = json_string_or(challenge, "scope", NULL);
    if (scope)
        g_string_append_printf(words, ", wants the scope %s", scope);
    return g_string_free(words, FALSE);
}

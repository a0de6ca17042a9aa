#include "smtpd_auth.h"

#include <string.h>

/* "Username:" and "Password:", which is what clients of LOGIN wait for. */
#define ASK_NAME "334 VXNlcm5hbWU6"
#define ASK_PASSWORD "334 UGFzc3dvcmQ6"

void smtpd_auth_clear(SmtpdAuth *auth)
{
    g_clear_pointer(&auth->name, g_free);
    g_clear_pointer(&auth->password, secret_free);
}

static SmtpdAuthStep refuse(const char *why, const char **reply)
{
    *reply = why;
    return SMTPD_AUTH_REFUSED;
}

/* Base64 (RFC 4648 section 4) as it has to be: GLib skips what does not belong there, and what two
 * programs read differently is refused. */
static gboolean is_base64(const char *text)
{
    gsize len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    gsize padding = strspn(text + len, "=");
    return !text[len + padding] && padding <= 2 && (len + padding) % 4 == 0;
}

/* Decodes text in place, with a NUL behind. FALSE: it is none. */
static gboolean decode(char *text, gsize *len)
{
    *len = 0;
    if (!is_base64(text))
        return FALSE;
    if (*text)
        (void)g_base64_decode_inplace(text, len); /* returns text */
    text[*len] = '\0';
    return TRUE;
}

/* What may be a name or a password: no control characters, so that neither breaks a line of a log
 * or ends early. */
static gboolean is_text(const char *bytes, gsize len)
{
    if (!g_utf8_validate(bytes, (gssize)len, NULL))
        return FALSE;
    for (gsize i = 0; i < len; i++)
        if (g_ascii_iscntrl(bytes[i]))
            return FALSE;
    return TRUE;
}

/* [whom it acts as] NUL name NUL password. Nobody acts as anybody else here. */
static SmtpdAuthStep take_plain(SmtpdAuth *auth, const char *bytes, gsize len, const char **reply)
{
    const char *end = bytes + len;
    const char *name = memchr(bytes, '\0', len);
    const char *password = name ? memchr(name + 1, '\0', (gsize)(end - name - 1)) : NULL;
    if (!password)
        return refuse("501 5.5.2 no name and password are in it", reply);
    name++;
    password++;
    gsize name_len = (gsize)(password - name) - 1, password_len = (gsize)(end - password);
    if (!is_text(name, name_len) || !is_text(password, password_len))
        return refuse("501 5.5.2 a character that no name or password has", reply);
    if (*bytes && strcmp(bytes, name) != 0)
        return refuse("535 5.7.8 nobody acts as somebody else here", reply);
    auth->name = g_strdup(name);
    auth->password = secret_new(password, (gssize)password_len);
    return SMTPD_AUTH_SAID;
}

static SmtpdAuthStep take_login(SmtpdAuth *auth, const char *bytes, gsize len, const char **reply)
{
    if (!is_text(bytes, len))
        return refuse("501 5.5.2 a character that no name or password has", reply);
    if (auth->name) {
        auth->password = secret_new(bytes, (gssize)len);
        return SMTPD_AUTH_SAID;
    }
    auth->name = g_strdup(bytes);
    *reply = ASK_PASSWORD;
    return SMTPD_AUTH_GOES_ON;
}

static SmtpdAuthStep take_response(SmtpdAuth *auth, char *text, const char **reply)
{
    gsize len;
    if (!decode(text, &len))
        return refuse("501 5.5.2 that is no base64", reply);
    return auth->is_login ? take_login(auth, text, len, reply) : take_plain(auth, text, len, reply);
}

SmtpdAuthStep smtpd_auth_begin(SmtpdAuth *auth, char *argument, const char **reply)
{
    gsize mechanism_len = strcspn(argument, " ");
    char *initial = argument + mechanism_len + strspn(argument + mechanism_len, " ");
    auth->is_login = mechanism_len == 5 && g_ascii_strncasecmp(argument, "LOGIN", 5) == 0;
    if (mechanism_len == 0)
        return refuse("501 5.5.4 say AUTH PLAIN or AUTH LOGIN", reply);
    if (!auth->is_login && (mechanism_len != 5 || g_ascii_strncasecmp(argument, "PLAIN", 5) != 0))
        return refuse("504 5.5.4 there is PLAIN, and LOGIN", reply);
    if (strcmp(initial, "=") == 0)
        *initial = '\0'; /* an empty one, which was given */
    else if (!*initial) {
        *reply = auth->is_login ? ASK_NAME : "334 ";
        return SMTPD_AUTH_GOES_ON;
    }
    return take_response(auth, initial, reply);
}

SmtpdAuthStep smtpd_auth_next(SmtpdAuth *auth, char *line, const char **reply)
{
    if (strcmp(line, "*") == 0)
        return refuse("501 5.7.0 as you wish", reply);
    return take_response(auth, line, reply);
}

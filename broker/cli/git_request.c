#include "git_request.h"

#include "errors.h"

#include <string.h>

static gboolean refuse(GError **error, const char *what)
{
    error_set(error, POSTKEY_ERROR_REFUSED, "it is not what git says to a credential helper",
              "let git call it; \"git credential fill\" asks as git's own programs do",
              "the request has %s", what);
    return FALSE;
}

/* ---- lines ---- */

static const char *line_end(const char *at, const char *end)
{
    return memchr(at, '\n', (gsize)(end - at));
}

gboolean git_request_is_whole(const char *text, gsize len)
{
    return len > 0 && (text[0] == '\n' || memmem(text, len, "\n\n", 2));
}

/* A host or a name with a line break or an escape in it is somebody's trick. */
static char *take_text(const char *value, gsize len)
{
    if (!g_utf8_validate_len(value, len, NULL))
        return NULL;
    for (gsize i = 0; i < len; i++)
        if (g_ascii_iscntrl(value[i]))
            return NULL;
    return g_strndup(value, len);
}

/* "host", "host:port", "[address]:port". FALSE: it is none of these. */
static gboolean split_host(GitRequest *request, const char *text)
{
    const char *end = text + strcspn(text, ":");
    gboolean literal = *text == '[';
    if (literal && !(end = strchr(text, ']')))
        return FALSE;
    const char *behind = end + literal;
    guint64 port = 0;
    if (*behind && (*behind != ':' ||
                    !g_ascii_string_to_unsigned(behind + 1, 10, 1, G_MAXUINT16, &port, NULL)))
        return FALSE;
    request->host = g_strndup(text + literal, (gsize)(end - text) - (gsize)literal);
    request->port = (guint)port;
    return TRUE;
}

static gboolean take_host(GitRequest *request, const char *value, gsize len)
{
    g_autofree char *text = take_text(value, len);
    if (text && !split_host(request, text))
        request->host = g_strdup("");
    return text != NULL;
}

/* ---- keys ---- */

static gboolean is_key(const char *key, gsize len, const char *name)
{
    return strlen(name) == len && memcmp(key, name, len) == 0;
}

static gboolean take(GitRequest *request, const char *line, gsize key_len, gsize len,
                     GError **error)
{
    const char *value = line + key_len + 1;
    gsize value_len = len - key_len - 1;
    char **text = is_key(line, key_len, "protocol")   ? &request->protocol
                  : is_key(line, key_len, "username") ? &request->username
                                                      : NULL;
    gboolean host = is_key(line, key_len, "host");
    gboolean password = is_key(line, key_len, "password");
    /* Who can break a line into what git says could name another host behind the one that is
     * meant. */
    if ((text && *text) || (host && request->host) || (password && request->password))
        return refuse(error, "a key twice");
    if (text && !(*text = take_text(value, value_len)))
        return refuse(error, "a character that is no text");
    if (host && !take_host(request, value, value_len))
        return refuse(error, "a host that is no text");
    if (password) {
        char *token = take_text(value, value_len);
        request->password = token ? secret_take(token) : NULL;
    }
    return TRUE;
}

static gboolean take_lines(GitRequest *request, const char *text, gsize len, GError **error)
{
    const char *end = text + len;
    for (const char *at = text, *stop; at < end; at = stop + 1) {
        stop = line_end(at, end);
        if (!stop)
            return refuse(error, "a line that is cut off");
        if (stop == at)
            return TRUE;
        const char *equals = memchr(at, '=', (gsize)(stop - at));
        if (!equals || equals == at || memchr(at, '\0', (gsize)(stop - at)))
            return refuse(error, "a line that is not KEY=VALUE");
        if (!take(request, at, (gsize)(equals - at), (gsize)(stop - at), error))
            return FALSE;
    }
    return TRUE;
}

GitRequest *git_request_parse(const char *text, gsize len, GError **error)
{
    if (len > GIT_REQUEST_MAX) {
        (void)refuse(error, "more bytes than any request"); /* FALSE, as NULL is */
        return NULL;
    }
    g_autoptr(GitRequest) request = g_new0(GitRequest, 1);
    return take_lines(request, text, len, error) ? g_steal_pointer(&request) : NULL;
}

void git_request_free(GitRequest *request)
{
    if (!request)
        return;
    g_free(request->protocol);
    g_free(request->host);
    g_free(request->username);
    secret_free(request->password);
    g_free(request);
}

/* ---- what it is for ---- */

const char *git_request_service(const GitRequest *request)
{
    static const struct {
        const char *protocol, *service;
    } services[] = {{"smtp", "smtp"}, {"smtps", "smtp"}, {"imap", "imap"}, {"imaps", "imap"}};
    for (gsize i = 0; i < G_N_ELEMENTS(services); i++)
        if (g_strcmp0(request->protocol, services[i].protocol) == 0)
            return services[i].service;
    return NULL;
}

gboolean git_request_is_for(const GitRequest *request, const char *host, gint64 port)
{
    return request->host && *request->host && g_ascii_strcasecmp(request->host, host) == 0 &&
           (request->port == 0 || request->port == port);
}

gboolean git_request_fits_tls(const GitRequest *request, gboolean implicit)
{
    return !implicit || request->port != 0 || g_strcmp0(request->protocol, "imap") != 0;
}

gboolean git_request_names(const GitRequest *request, const char *user)
{
    return !request->username || g_ascii_strcasecmp(request->username, user) == 0;
}

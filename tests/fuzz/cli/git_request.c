/* What git, or whoever calls itself git, says to the credential helper. Taken: it names one of the
 * servers below. */

#include "git_request.h"
#include "fuzz.h"

#include <string.h>

#define HOST "smtp.example.com"
#define PORT 465

static void check_text(const char *text)
{
    for (; text && *text; text++)
        g_assert_false(g_ascii_iscntrl(*text));
}

/* A line of its own in the input says so: the host is never made of pieces. */
static void check_host(const GitRequest *request, const guint8 *bytes, gsize len)
{
    if (!git_request_is_for(request, HOST, PORT))
        return;
    g_autofree char *text = g_ascii_strdown((const char *)bytes, (gssize)len);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "host=" HOST) || g_str_has_prefix(*line, "host=[" HOST "]"))
            return;
    g_assert_not_reached();
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GitRequest) request = git_request_parse((const char *)bytes, len, &error);
    g_assert_true((request != NULL) == !error);
    if (!request)
        return FUZZ_REFUSED;
    check_text(request->protocol);
    check_text(request->host);
    check_text(request->username);
    if (request->password)
        check_text(secret_reveal(request->password));
    g_assert_cmpuint(request->port, <=, 65535);
    if (!memchr(bytes, 0, len))
        check_host(request, bytes, len);
    g_assert_false(git_request_is_for(request, "", PORT));
    gboolean ours = git_request_service(request) && git_request_is_for(request, HOST, PORT);
    return ours ? FUZZ_TAKEN : FUZZ_REFUSED;
}

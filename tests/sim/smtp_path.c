#include "smtp_session.h"

#include <string.h>

/* The ">" that ends a path; one in a quoted local part does not. */
static const char *find_end(const char *path)
{
    gboolean quoted = FALSE;
    for (const char *c = path; *c != '\0'; c++) {
        if (quoted && *c == '\\' && c[1] != '\0')
            c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (*c == '>' && !quoted)
            return c;
    }
    return NULL;
}

gboolean smtp_parse_path(const char *argument, const char *keyword, char **address, GStrv *params)
{
    gsize len = strlen(keyword);
    if (g_ascii_strncasecmp(argument, keyword, len) != 0 || argument[len] != '<')
        return FALSE;
    const char *begin = argument + len + 1;
    const char *end = find_end(begin);
    if (end == NULL || (end[1] != '\0' && (end[1] != ' ' || end[2] == '\0')))
        return FALSE;
    *address = g_strndup(begin, (gsize)(end - begin));
    *params = end[1] != '\0' ? g_strsplit(end + 2, " ", -1) : g_new0(char *, 1);
    return TRUE;
}

static gboolean is_atext(unsigned char c, gboolean utf8)
{
    return g_ascii_isalnum(c) ||
           (c < 128 && c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL) || (c >= 128 && utf8);
}

static gboolean is_dot_string(const char *text, gsize len, gboolean utf8)
{
    gboolean wants_atom = TRUE;
    for (gsize i = 0; i < len; i++) {
        if (text[i] == '.' && wants_atom)
            return FALSE;
        if (text[i] != '.' && !is_atext((unsigned char)text[i], utf8))
            return FALSE;
        wants_atom = text[i] == '.';
    }
    return !wants_atom;
}

static gboolean is_quoted_string(const char *text, gsize len, gboolean utf8)
{
    if (len < 2 || text[0] != '"' || text[len - 1] != '"')
        return FALSE;
    for (gsize i = 1; i < len - 1; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\\' && i + 1 < len - 1)
            i++;
        else if (c == '"' || c == '\\' || c < 32 || c == 127 || (c >= 128 && !utf8))
            return FALSE;
    }
    return TRUE;
}

static gboolean is_domain(const char *text, gboolean utf8)
{
    gsize len = strlen(text);
    if (len > 2 && text[0] == '[' && text[len - 1] == ']')
        return strcspn(text + 1, "[] ") == len - 2;
    if (len == 0 || text[0] == '.' || text[len - 1] == '.' || strstr(text, "..") != NULL)
        return FALSE;
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '.' &&
            !(utf8 && (unsigned char)text[i] >= 128))
            return FALSE;
    return TRUE;
}

gboolean smtp_is_mailbox(const char *address, gboolean utf8)
{
    const char *at = strrchr(address, '@');
    if (at == NULL || !g_utf8_validate(address, -1, NULL))
        return FALSE;
    gsize len = (gsize)(at - address);
    return (is_dot_string(address, len, utf8) || is_quoted_string(address, len, utf8)) &&
           is_domain(at + 1, utf8);
}

#include "page.h"

static const char head[] =
    "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<style>body{font:16px/1.5 system-ui,sans-serif;background:#f0f4f9;color:#1f1f1f;margin:0}"
    "main{max-width:30em;margin:4em auto;background:#fff;border-radius:28px;padding:2.5em}"
    "h1{font-weight:400;font-size:1.7em;margin:.2em 0 1em}small{color:#5f6368}"
    "label{display:block;margin:.6em 0}button{font:inherit;border:0;border-radius:20px;"
    "padding:.5em 1.5em;margin:1em .5em 0 0;background:#0b57d0;color:#fff}"
    "button[value=deny]{background:#fff;color:#0b57d0}input[type=text]{font:inherit;padding:.4em;"
    "width:90%;border:1px solid #747775;border-radius:4px}.bad{color:#b3261e}</style>";

static GString *begin(const char *title)
{
    g_autofree char *safe = g_markup_escape_text(title, -1);
    GString *html = g_string_new(head);
    g_string_append_printf(html, "<title>%s</title><main><small>small Google</small><h1>%s</h1>",
                           safe, safe);
    return html;
}

/* The format's arguments are escaped. */
static void append(GString *html, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void append(GString *html, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_markup_vprintf_escaped(format, arguments);
    va_end(arguments);
    g_string_append(html, text);
}

static char *end(GString *html)
{
    g_string_append(html, "</main></html>\n");
    return g_string_free(html, FALSE);
}

char *page_message(const char *title, const char *text)
{
    GString *html = begin(title);
    append(html, "<p>%s</p>", text);
    return end(html);
}

char *page_blocked(guint status, const char *error, const char *text)
{
    GString *html = begin("Access blocked: Authorization Error");
    append(html, "<p>%s</p><p class=\"bad\">Error %u: %s</p>", text, status, error);
    return end(html);
}

char *page_device(const char *user_code, const char *problem)
{
    GString *html = begin("Connect a device");
    if (problem != NULL)
        append(html, "<p class=\"bad\">%s</p>", problem);
    append(html,
           "<form method=\"post\" action=\"/device\"><label>Enter the code displayed on your "
           "device <input type=\"text\" name=\"user_code\" value=\"%s\" autofocus></label>",
           user_code != NULL ? user_code : "");
    g_string_append(html, "<button name=\"action\" value=\"allow\">Allow</button>"
                          "<button name=\"action\" value=\"deny\">Deny</button></form>");
    return end(html);
}

char *page_consent(const char *client_id, const char *account, const char *scope)
{
    GString *html = begin("An app wants to access your account");
    append(html, "<p><b>%s</b> asks for:</p><form method=\"post\">", client_id);
    g_auto(GStrv) words = g_strsplit(scope, " ", -1);
    for (gsize i = 0; words[i] != NULL; i++)
        append(html,
               "<label><input type=\"checkbox\" name=\"ticked\" value=\"%s\" checked> "
               "%s</label>",
               words[i], words[i]);
    append(html, "<label>Account <input type=\"text\" name=\"account\" value=\"%s\"></label>",
           account);
    g_string_append(html, "<button name=\"action\" value=\"allow\">Allow</button>"
                          "<button name=\"action\" value=\"deny\">Deny</button></form>");
    return end(html);
}

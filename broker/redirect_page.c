#include "redirect_page.h"

#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;--paper:#f4f5f7;--card:#fff;--ink:#1b1f24;--soft:#59636e;"
    "--line:#dfe3e8;--good:#1a7f4b;--good-back:#ddf4e6;--bad:#b42318;--bad-back:#fde5e3}"
    "@media(prefers-color-scheme:dark){:root{--paper:#101418;--card:#1a1f25;--ink:#eef1f4;"
    "--soft:#9da7b3;--line:#2d343c;--good:#4cc38a;--good-back:#12361f;--bad:#ff8a7d;"
    "--bad-back:#431a17}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;"
    "background:var(--paper);color:var(--ink);"
    "font:1rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,Cantarell,\"Noto Sans\",sans-serif}"
    "main{width:100%;max-width:30rem;padding:2.75rem 2.25rem 2rem;text-align:center;"
    "background:var(--card);border:1px solid var(--line);border-radius:1rem;"
    "box-shadow:0 1px 2px rgba(0,0,0,.05),0 12px 32px rgba(0,0,0,.07)}"
    "svg{width:4rem;height:4rem}"
    ".good .disc{fill:var(--good-back)}.good .mark{stroke:var(--good)}"
    ".bad .disc{fill:var(--bad-back)}.bad .mark{stroke:var(--bad)}"
    ".mark{fill:none;stroke-width:4;stroke-linecap:round;stroke-linejoin:round}"
    "h1{margin:1.25rem 0 .5rem;font-size:1.5rem;line-height:1.25;font-weight:650;"
    "overflow-wrap:anywhere;text-wrap:balance}"
    "p{margin:0;color:var(--soft);white-space:pre-line;overflow-wrap:anywhere;text-wrap:pretty}"
    "p+p{margin-top:.75rem}"
    "section{margin-top:1.5rem;padding:.9rem 1.1rem 1rem;text-align:left;background:var(--paper);"
    "border-radius:.6rem}"
    "h2{margin:0 0 .15rem;font-size:.875rem;font-weight:650}"
    "section p{color:var(--ink)}code{font:inherit;white-space:nowrap}"
    "footer{margin-top:2rem;padding-top:1.1rem;border-top:1px solid var(--line);"
    "font-size:.875rem;color:var(--soft)}";

static const char page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
    "<meta name=\"robots\" content=\"noindex\">"
    "<title>%s \xc2\xb7 postkey</title><style>%s</style></head>\n"
    "<body><main class=\"%s\">"
    "<svg viewBox=\"0 0 64 64\" aria-hidden=\"true\"><circle class=\"disc\" cx=\"32\" cy=\"32\" "
    "r=\"32\"/><path class=\"mark\" d=\"%s\"/></svg>"
    "<h1>%s</h1>%s<footer>You can close this tab and go back to your terminal.</footer>"
    "</main></body></html>\n";

static const char tick[] = "M20 33.5l8.5 8.5L44.5 24";
static const char cross[] = "M23 23l18 18M41 23L23 41";

/* Nothing but our own style sheet, named by its hash. */
static char *content_security_policy(void)
{
    guint8 digest[32];
    gsize len = sizeof digest;
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, (const guchar *)style, (gssize)strlen(style));
    g_checksum_get_digest(checksum, digest, &len);
    g_autofree char *hash = g_base64_encode(digest, len);
    return g_strdup_printf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; "
                           "form-action 'none'; frame-ancestors 'none'",
                           hash);
}

static GString *answer_new(const char *status, const char *type, const char *body)
{
    g_autofree char *policy = content_security_policy();
    GString *answer = g_string_new(NULL);
    g_string_printf(answer,
                    "HTTP/1.1 %s\r\n"
                    "Content-Type: %s; charset=utf-8\r\n"
                    "Content-Length: %" G_GSIZE_FORMAT "\r\n"
                    "Content-Security-Policy: %s\r\n"
                    "X-Content-Type-Options: nosniff\r\n"
                    "Referrer-Policy: no-referrer\r\n"
                    "Cache-Control: no-store\r\n"
                    "Connection: close\r\n\r\n%s",
                    status, type, strlen(body), policy, body);
    return answer;
}

/* Our errors are pieces that a program's name goes before. An address is no beginning to change. */
static char *sentence(const char *text)
{
    GString *out = g_string_new(text);
    const char *word_end = strchr(text, ' ');
    gsize word_len = word_end ? (gsize)(word_end - text) : strlen(text);
    if (!memchr(text, '@', word_len) && !memchr(text, ':', word_len))
        out->str[0] = g_ascii_toupper(out->str[0]);
    if (out->len > 0 && !strchr(".!?", out->str[out->len - 1]))
        g_string_append_c(out, '.');
    return g_string_free(out, FALSE);
}

/* A line that ends in the middle of --login would show another option. */
static char *keep_options_whole(const char *escaped)
{
    g_autoptr(GRegex) option = g_regex_new("(^| )(--[a-z-]{1,24})", 0, 0, NULL);
    return g_regex_replace(option, escaped, -1, 0, "\\1<code>\\2</code>", 0, NULL);
}

static void append_paragraph(GString *html, const char *text)
{
    if (!text || !*text)
        return;
    g_autofree char *whole = sentence(text);
    g_autofree char *escaped = g_markup_escape_text(whole, -1);
    g_autofree char *unbroken = keep_options_whole(escaped);
    g_string_append_printf(html, "<p>%s</p>", unbroken);
}

GString *redirect_page_outcome(const RedirectOutcome *outcome)
{
    g_autofree char *heading = g_markup_escape_text(outcome->heading, -1);
    GString *texts = g_string_new(NULL);
    append_paragraph(texts, outcome->what);
    append_paragraph(texts, outcome->meaning);
    if (outcome->remedy) {
        g_string_append(texts, "<section><h2>What to do</h2>");
        append_paragraph(texts, outcome->remedy);
        g_string_append(texts, "</section>");
    }
    g_autofree char *paragraphs = g_string_free(texts, FALSE);
    gboolean success = outcome->success;
    g_autofree char *body = g_strdup_printf(page, heading, style, success ? "good" : "bad",
                                            success ? tick : cross, heading, paragraphs);
    return answer_new(success ? "200 OK" : "400 Bad Request", "text/html", body);
}

GString *redirect_page_not_found(void)
{
    return answer_new("404 Not Found", "text/plain", "postkey: there is nothing here.\n");
}

GString *redirect_page_too_large(void)
{
    return answer_new("431 Request Header Fields Too Large", "text/plain",
                      "postkey: this request is too long.\n");
}

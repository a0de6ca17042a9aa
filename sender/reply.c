#include "reply.h"

#include "errors.h"
#include "log.h"
#include "secret.h"

#include <string.h>

/* What a person reads of a server's text. */
#define DESCRIPTION_MAX_LEN 600

struct ReplyParser {
    Reply *reply; /* being read */
    gboolean complete;
    gboolean broken;
    gsize total_len;
    gsize line_len;
    char line[REPLY_LINE_MAX_LEN];
};

ReplyParser *reply_parser_new(void)
{
    return g_new0(ReplyParser, 1);
}

void reply_parser_free(ReplyParser *parser)
{
    if (!parser)
        return;
    reply_free(parser->reply);
    g_free(parser);
}

void reply_free(Reply *reply)
{
    if (!reply)
        return;
    g_free(reply->enhanced);
    g_ptr_array_unref(reply->lines);
    g_free(reply);
}

/* The length of the enhanced code (RFC 3463: class.subject.detail) that starts text, whose class
 * has to be the first digit of the code; 0 when there is none. */
static gsize enhanced_len(guint code, const char *text)
{
    if ((text[0] != '2' && text[0] != '4' && text[0] != '5') ||
        code / 100 != (guint)(text[0] - '0') || text[1] != '.')
        return 0;
    gsize len = 2;
    for (guint part = 0; part < 2; part++) {
        gsize digits = strspn(text + len, "0123456789");
        if (digits < 1 || digits > 3)
            return 0;
        len += digits;
        if (part == 0 && text[len++] != '.')
            return 0;
    }
    return text[len] == ' ' || text[len] == '\0' ? len : 0;
}

static ReplyStatus broken(ReplyParser *parser, GError **error, const char *why)
{
    parser->broken = TRUE;
    error_set(error, POSTKEY_ERROR_PROTOCOL,
              "what answers there is no SMTP server, or a broken one",
              "check the server's name and port in the configuration of the broker",
              "the server's answer is no SMTP reply: %s", why);
    return REPLY_BROKEN;
}

static gboolean is_code(const char *line)
{
    return line[0] >= '2' && line[0] <= '5' && g_ascii_isdigit(line[1]) && g_ascii_isdigit(line[2]);
}

/* Takes the line in the parser, whose end was read. */
static ReplyStatus end_line(ReplyParser *parser, GError **error)
{
    gsize len = parser->line_len;
    if (len > 0 && parser->line[len - 1] == '\r')
        len--;
    parser->line[len] = '\0';
    parser->line_len = 0;
    if (memchr(parser->line, 0, len))
        return broken(parser, error, "it holds a NUL");
    if (len < 3 || !is_code(parser->line) || (len > 3 && !strchr(" -", parser->line[3])))
        return broken(parser, error, "a line does not start with a code");
    guint code = (guint)g_ascii_strtoull(
        (char[]){parser->line[0], parser->line[1], parser->line[2], 0}, NULL, 10);
    const char *text = len > 3 ? parser->line + 4 : "";
    if (!parser->reply) {
        parser->reply = g_new0(Reply, 1);
        parser->reply->code = code;
        parser->reply->lines = g_ptr_array_new_with_free_func(g_free);
    } else if (code != parser->reply->code) {
        return broken(parser, error, "its lines have different codes");
    }
    if (parser->reply->lines->len == REPLY_MAX_LINES)
        return broken(parser, error, "it has too many lines");
    gsize prefix_len = enhanced_len(code, text);
    if (prefix_len > 0 && !parser->reply->enhanced)
        parser->reply->enhanced = g_strndup(text, prefix_len);
    g_ptr_array_add(parser->reply->lines, g_strdup(text));
    parser->complete = len == 3 || parser->line[3] == ' ';
    return parser->complete ? REPLY_COMPLETE : REPLY_NEEDS_MORE;
}

ReplyStatus reply_parser_feed(ReplyParser *parser, const char *bytes, gsize len, gsize *consumed,
                              GError **error)
{
    *consumed = 0;
    if (parser->broken)
        return broken(parser, error, "an earlier one was broken");
    if (parser->complete)
        return REPLY_COMPLETE;
    while (*consumed < len) {
        char c = bytes[(*consumed)++];
        if (++parser->total_len > REPLY_MAX_LEN)
            return broken(parser, error, "it is too long");
        if (c == '\n') {
            ReplyStatus status = end_line(parser, error);
            if (status != REPLY_NEEDS_MORE)
                return status;
            continue;
        }
        /* One place is kept for the NUL that ends the line. */
        if (parser->line_len == REPLY_LINE_MAX_LEN - 1)
            return broken(parser, error, "a line is too long");
        parser->line[parser->line_len++] = c;
    }
    return REPLY_NEEDS_MORE;
}

Reply *reply_parser_take(ReplyParser *parser)
{
    if (!parser->complete || parser->broken)
        return NULL;
    parser->complete = FALSE;
    parser->total_len = 0;
    return g_steal_pointer(&parser->reply);
}

gboolean reply_parser_is_midway(const ReplyParser *parser)
{
    return parser->total_len > 0 && !parser->complete;
}

char *reply_text(const Reply *reply)
{
    g_autoptr(GString) joined = g_string_new(NULL);
    for (guint i = 0; i < reply->lines->len; i++) {
        const char *line = g_ptr_array_index(reply->lines, i);
        line += enhanced_len(reply->code, line);
        line += strspn(line, " \t");
        if (joined->len > 0 && *line)
            g_string_append_c(joined, ' ');
        g_string_append(joined, line);
    }
    /* A server may repeat what it was told; a token that is cut off would not be known any more. */
    g_autofree char *redacted = secret_redact(joined->str);
    return log_printable(redacted, DESCRIPTION_MAX_LEN);
}

char *reply_describe(const Reply *reply)
{
    g_autofree char *text = reply_text(reply);
    return g_strdup_printf("%u%s%s%s%s", reply->code, reply->enhanced ? " " : "",
                           reply->enhanced ? reply->enhanced : "", *text ? " " : "", text);
}

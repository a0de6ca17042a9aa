#include "encode.h"

#include <string.h>

/* RFC 2045 section 6.7 (5): 76 with the "=" of a soft line break. */
#define QUOTED_LINE_MAX 76U

const char *encoding_name(Encoding encoding)
{
    static const char *const names[] = {
        [ENCODING_NONE] = "8bit",
        [ENCODING_QUOTED_PRINTABLE] = "quoted-printable",
        [ENCODING_BASE64] = "base64",
    };
    return names[encoding];
}

static gboolean flush(Encoder *encoder, GError **error)
{
    gsize len = encoder->out_len;
    encoder->out_len = 0;
    return len == 0 || encoder->sink(encoder->out, len, encoder->data, error);
}

static gboolean put(Encoder *encoder, const char *bytes, gsize len, GError **error)
{
    if (encoder->out_len + len > sizeof encoder->out && !flush(encoder, error))
        return FALSE;
    memcpy(encoder->out + encoder->out_len, bytes, len);
    encoder->out_len += len;
    return TRUE;
}

/* ---- quoted-printable ---- */

/* One octet as itself or as "=XX"; len of them never part. */
static gboolean put_token(Encoder *encoder, const char *token, guint len, GError **error)
{
    if (encoder->column + len > QUOTED_LINE_MAX - 1) {
        encoder->column = 0;
        if (!put(encoder, "=\r\n", 3, error))
            return FALSE;
    }
    encoder->column += len;
    return put(encoder, token, len, error);
}

static gboolean put_quoted(Encoder *encoder, guchar c, GError **error)
{
    static const char digits[] = "0123456789ABCDEF";
    const char token[3] = {'=', digits[c >> 4], digits[c & 15]};
    return put_token(encoder, token, sizeof token, error);
}

static gboolean put_octet(Encoder *encoder, char c, GError **error)
{
    /* A dot at the start of a line would have to be stuffed. */
    gboolean starts = encoder->column == 0 || encoder->column + 1 > QUOTED_LINE_MAX - 1;
    if (c == '=' || c < 32 || c > 126 || (starts && c == '.'))
        return put_quoted(encoder, (guchar)c, error);
    return put_token(encoder, &c, 1, error);
}

/* A blank is itself, but for the last of a line. */
static gboolean put_held_blank(Encoder *encoder, gboolean last, GError **error)
{
    char blank = encoder->blank;
    encoder->blank = 0;
    if (!blank)
        return TRUE;
    return last ? put_quoted(encoder, (guchar)blank, error) : put_token(encoder, &blank, 1, error);
}

static gboolean feed_quoted(Encoder *encoder, const char *bytes, gsize len, GError **error)
{
    for (gsize i = 0; i < len; i++) {
        if (!put_held_blank(encoder, FALSE, error))
            return FALSE;
        if (bytes[i] == ' ' || bytes[i] == '\t')
            encoder->blank = bytes[i];
        else if (!put_octet(encoder, bytes[i], error))
            return FALSE;
    }
    return TRUE;
}

gboolean encoder_end_line(Encoder *encoder, GError **error)
{
    if (!put_held_blank(encoder, TRUE, error))
        return FALSE;
    encoder->column = 0;
    return put(encoder, "\r\n", 2, error);
}

/* ---- base64 ---- */

static gboolean put_base64_line(Encoder *encoder, GError **error)
{
    g_autofree char *line = g_base64_encode(encoder->line, encoder->held);
    encoder->held = 0;
    return put(encoder, line, strlen(line), error) && put(encoder, "\r\n", 2, error);
}

static gboolean feed_base64(Encoder *encoder, const char *bytes, gsize len, GError **error)
{
    while (len > 0) {
        gsize some = MIN(len, sizeof encoder->line - encoder->held);
        memcpy(encoder->line + encoder->held, bytes, some);
        encoder->held += (guint)some;
        bytes += some;
        len -= some;
        if (encoder->held == sizeof encoder->line && !put_base64_line(encoder, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- both ---- */

gboolean encoder_feed(Encoder *encoder, const char *bytes, gsize len, GError **error)
{
    return encoder->encoding == ENCODING_BASE64 ? feed_base64(encoder, bytes, len, error)
                                                : feed_quoted(encoder, bytes, len, error);
}

gboolean encoder_finish(Encoder *encoder, GError **error)
{
    if (encoder->held > 0 && !put_base64_line(encoder, error))
        return FALSE;
    /* The last line had no end: a soft one adds none to what it says. */
    if (encoder->blank || encoder->column > 0) {
        if (!put_held_blank(encoder, TRUE, error) || !put(encoder, "=\r\n", 3, error))
            return FALSE;
    }
    return flush(encoder, error);
}

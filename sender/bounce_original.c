#include "bounce_original.h"

#include "body.h"
#include "bounce_text.h"
#include "fileio.h"
#include "header.h"

#include <string.h>

/* What is to be returned leaves in pieces of this size. */
#define CHUNK_LEN ((gsize)64 * 1024)

/* What was seen of a header, or of the whole. */
typedef struct {
    gboolean eight_bit;
    gboolean unfit; /* NUL, bare CR, or a line that is too long */
} Fitness;

static void look_at(Fitness *fitness, const Line *line)
{
    fitness->unfit = fitness->unfit || !line->starts || line->len > BODY_LINE_MAX_LEN;
    for (gsize i = 0; i < line->len; i++) {
        guchar c = (guchar)line->bytes[i];
        fitness->eight_bit = fitness->eight_bit || c >= 0x80;
        fitness->unfit = fitness->unfit || c == '\0' || c == '\r';
    }
}

static char *make_boundary(const char *name, guint number)
{
    return g_strdup_printf("=_postkey_%s_%u", name, number);
}

/* Whether a line would be taken for the boundary. */
static gboolean is_boundary(const Line *line, const char *boundary)
{
    gsize len = strlen(boundary);
    return line->starts && line->len >= len + 2 && memcmp(line->bytes, "--", 2) == 0 &&
           memcmp(line->bytes + 2, boundary, len) == 0;
}

/* The fields as lines that LF ends; a CR that ends none stays. What never went out does not come
 * back either: whoever reads the sender's mail was not told of the Bcc. */
static GString *join_fields(const Header *header)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < header->entries->len; i++) {
        const HeaderEntry *entry = g_ptr_array_index(header->entries, i);
        const GString *raw = entry->raw;
        if (header_is_dropped(entry->kind))
            continue;
        for (gsize j = 0; j < raw->len; j++)
            if (raw->str[j] != '\r' || j + 1 == raw->len || raw->str[j + 1] != '\n')
                g_string_append_c(text, raw->str[j]);
        g_string_append_c(text, '\n');
    }
    return text;
}

/* The next line of text, which ends with LF. */
static gboolean next_line(const GString *text, gsize *at, Line *line)
{
    if (*at >= text->len)
        return FALSE;
    const char *end = memchr(text->str + *at, '\n', text->len - *at);
    *line = (Line){.bytes = text->str + *at,
                   .len = (gsize)(end - (text->str + *at)),
                   .starts = TRUE,
                   .ends = TRUE};
    *at += line->len + 1;
    return TRUE;
}

/* Reads all that may be returned; *hit: a line is the boundary. */
static gboolean read_through(const BounceOriginal *original, int fd, gboolean with_body,
                             Fitness *header, Fitness *body, gboolean *hit, GError **error)
{
    g_autoptr(GError) failed = NULL;
    Line line;
    *hit = FALSE;
    for (gsize at = 0; next_line(original->header, &at, &line);) {
        look_at(header, &line);
        *hit = *hit || is_boundary(&line, original->boundary);
    }
    g_autoptr(LineReader) reader = with_body ? line_reader_new(fd, original->body_at) : NULL;
    while (!*hit && reader && line_reader_next(reader, &line, &failed)) {
        look_at(body, &line);
        *hit = is_boundary(&line, original->boundary);
    }
    if (!failed)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

BounceOriginal *bounce_original_scan(int fd, gint64 size, gint64 whole_max, gboolean eight_bit,
                                     const char *name, GError **error)
{
    g_autoptr(Header) fields = header_read(fd, error);
    if (!fields)
        return NULL;
    g_autoptr(BounceOriginal) original = g_new0(BounceOriginal, 1);
    Fitness header = {0}, body = {0};
    original->header = join_fields(fields);
    original->body_at = fields->body_at;
    gboolean hit = TRUE;
    /* Only a message that was made for it needs a second number, and it had to know its own id. */
    for (guint number = 0; hit; number++) {
        g_free(original->boundary);
        original->boundary = make_boundary(name, number);
        if (!read_through(original, fd, size <= whole_max, &header, &body, &hit, error))
            return NULL;
    }
    gboolean bits = header.eight_bit || body.eight_bit;
    original->whole = size <= whole_max && !header.unfit && !body.unfit && (eight_bit || !bits);
    original->eight_bit = original->whole && bits;
    original->quoted = header.unfit || header.eight_bit;
    return g_steal_pointer(&original);
}

void bounce_original_free(BounceOriginal *original)
{
    if (!original)
        return;
    if (original->header)
        g_string_free(original->header, TRUE);
    g_free(original->boundary);
    g_free(original);
}

static void append_header(const BounceOriginal *original, const char *message_id, GString *text)
{
    g_autoptr(GString) header = g_string_new(NULL);
    if (message_id)
        g_string_append_printf(header, "Message-ID: %s\n", message_id);
    g_string_append_len(header, original->header->str, (gssize)original->header->len);
    if (!original->whole && original->quoted)
        bounce_text_quote(text, header->str, header->len);
    else
        g_string_append_len(text, header->str, (gssize)header->len);
}

static void append_start(const BounceOriginal *original, GString *text)
{
    const char *encoding = "";
    if (original->whole && original->eight_bit)
        encoding = "Content-Transfer-Encoding: 8bit\n";
    if (!original->whole && original->quoted)
        encoding = "Content-Transfer-Encoding: quoted-printable\n";
    g_string_append_printf(text, "Content-Description: %s\nContent-Type: %s\n%s\n",
                           original->whole ? "Your message" : "The header of your message",
                           original->whole ? "message/rfc822" : "text/rfc822-headers", encoding);
}

static gboolean flush(GString *text, int to_fd, GError **error)
{
    gboolean ok = fileio_write_all(to_fd, text->str, text->len, error);
    g_string_truncate(text, 0);
    return ok;
}

gboolean bounce_original_write(const BounceOriginal *original, int fd, const char *message_id,
                               int to_fd, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) failed = NULL;
    Line line;
    append_start(original, text);
    append_header(original, message_id, text);
    if (!original->whole)
        return flush(text, to_fd, error);
    g_string_append_c(text, '\n');
    g_autoptr(LineReader) reader = line_reader_new(fd, original->body_at);
    while (line_reader_next(reader, &line, &failed)) {
        g_string_append_len(text, line.bytes, (gssize)line.len);
        g_string_append_c(text, '\n');
        if (text->len >= CHUNK_LEN && !flush(text, to_fd, error))
            return FALSE;
    }
    if (!failed)
        return flush(text, to_fd, error);
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

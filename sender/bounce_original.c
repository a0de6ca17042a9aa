#include "bounce_original.h"

#include "bounce_text.h"
#include "fileio.h"
#include "header.h"

#include <string.h>

#define LINE_MAX_LEN ((gsize)998) /* RFC 5322 section 2.1.1 */

/* What is to be returned leaves in pieces of this size. */
#define CHUNK_LEN ((gsize)64 * 1024)

/* What was seen of a header, or of the whole. */
typedef struct {
    gboolean eight_bit;
    gboolean unfit; /* NUL, bare CR, or a line that is too long */
} Fitness;

static void look_at(Fitness *fitness, const Line *line)
{
    fitness->unfit = fitness->unfit || !line->starts || line->len > LINE_MAX_LEN;
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

/* Whether line number (from 1) is behind the header: its blank line, or the body. */
static gboolean is_in_body(const Header *header, const Line *line, guint64 number)
{
    return number >= header->body_line || (number + 1 == header->body_line && line->len == 0);
}

BounceOriginal *bounce_original_scan(int fd, gint64 size, gint64 whole_max, gboolean eight_bit,
                                     const char *name, GError **error)
{
    g_autoptr(LineReader) reader = line_reader_new(fd, 0);
    g_autoptr(BounceOriginal) original = g_new0(BounceOriginal, 1);
    g_autoptr(GError) failed = NULL;
    g_autoptr(Header) fields = header_read(fd, error);
    Fitness header = {0}, whole = {0};
    Line line;
    guint number = 0;
    guint64 line_number = 0;
    if (!fields)
        return NULL;
    original->boundary = make_boundary(name, number);
    while (line_reader_next(reader, &line, &failed)) {
        line_number += line.starts ? 1 : 0;
        gboolean body = is_in_body(fields, &line, line_number);
        if (body && size > whole_max)
            break;
        look_at(&whole, &line);
        if (!body)
            look_at(&header, &line);
        if (is_boundary(&line, original->boundary)) {
            /* Only a message that was made for it gets here; each line of it costs one step. */
            g_free(original->boundary);
            original->boundary = make_boundary(name, ++number);
            line_reader_free(g_steal_pointer(&reader));
            reader = line_reader_new(fd, 0);
            line_number = 0;
        }
    }
    if (failed) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return NULL;
    }
    original->whole = size <= whole_max && !whole.unfit && (eight_bit || !whole.eight_bit);
    original->eight_bit = original->whole && whole.eight_bit;
    original->quoted = header.unfit || header.eight_bit;
    return g_steal_pointer(&original);
}

void bounce_original_free(BounceOriginal *original)
{
    if (!original)
        return;
    g_free(original->boundary);
    g_free(original);
}

static void append_start(const BounceOriginal *original, const char *message_id, GString *text)
{
    if (original->whole)
        g_string_append_printf(text,
                               "Content-Description: Your message\n"
                               "Content-Type: message/rfc822\n%s\n",
                               original->eight_bit ? "Content-Transfer-Encoding: 8bit\n" : "");
    else
        g_string_append_printf(text,
                               "Content-Description: The header of your message\n"
                               "Content-Type: text/rfc822-headers\n%s\n",
                               original->quoted ? "Content-Transfer-Encoding: quoted-printable\n"
                                                : "");
    if (message_id) {
        g_autofree char *field = g_strdup_printf("Message-ID: %s\n", message_id);
        if (original->whole || !original->quoted)
            g_string_append(text, field);
        else
            bounce_text_quote(text, field, strlen(field));
    }
}

/* A line or a piece of one, with its end. */
static void append_line(const BounceOriginal *original, const Line *line, GString *text)
{
    if (original->whole || !original->quoted) {
        g_string_append_len(text, line->bytes, (gssize)line->len);
        g_string_append_c(text, '\n');
        return;
    }
    bounce_text_quote(text, line->bytes, line->len);
    g_string_append(text, line->ends ? "\n" : "=\n");
}

static gboolean flush(GString *text, int to_fd, GError **error)
{
    gboolean ok = fileio_write_all(to_fd, text->str, text->len, error);
    g_string_truncate(text, 0);
    return ok;
}

/* Behind an mbox "From " line. */
static guint64 first_line(const Header *header)
{
    const HeaderEntry *first =
        header->entries->len > 0 ? g_ptr_array_index(header->entries, 0) : NULL;
    return first ? first->line : 1;
}

gboolean bounce_original_write(const BounceOriginal *original, int fd, const char *message_id,
                               int to_fd, GError **error)
{
    g_autoptr(LineReader) reader = line_reader_new(fd, 0);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) failed = NULL;
    g_autoptr(Header) fields = header_read(fd, error);
    guint64 number = 0;
    gboolean blank = FALSE;
    Line line;
    if (!fields)
        return FALSE;
    append_start(original, message_id, text);
    while (line_reader_next(reader, &line, &failed)) {
        number += line.starts ? 1 : 0;
        if (number < first_line(fields))
            continue;
        if (is_in_body(fields, &line, number) && !original->whole)
            break;
        if (number == fields->body_line && line.starts && !blank)
            g_string_append_c(text, '\n'); /* what is no field ended the header */
        blank = line.len == 0 && line.starts;
        append_line(original, &line, text);
        if (text->len >= CHUNK_LEN && !flush(text, to_fd, error))
            return FALSE;
    }
    if (!failed)
        return flush(text, to_fd, error);
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

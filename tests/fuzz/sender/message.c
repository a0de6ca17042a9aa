/* The message, as any program may write it: scanned, completed, made fit for a server, streamed.
 * The first byte says what the server takes. */

#include "message.h"
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EIGHT_BIT_MIME 1
#define SMTP_UTF8 2
#define REPLACE_FROM 4

#define LINE_MAX_LEN 998 /* RFC 5321 section 4.5.3.1.6, without the CRLF */

static gboolean collect(const char *bytes, gsize len, gpointer data, G_GNUC_UNUSED GError **error)
{
    g_byte_array_append(data, (const guint8 *)bytes, (guint)len);
    return TRUE;
}

static GByteArray *stream(const Message *message, gboolean dot_stuffed)
{
    GByteArray *out = g_byte_array_new();
    g_assert_true(message_stream(message, dot_stuffed, collect, out, NULL));
    return out;
}

static gboolean is_field(const char *line, gsize len, const char *name)
{
    gsize name_len = strlen(name);
    if (len <= name_len || g_ascii_strncasecmp(line, name, name_len) != 0)
        return FALSE;
    while (name_len < len && (line[name_len] == ' ' || line[name_len] == '\t'))
        name_len++;
    return name_len < len && line[name_len] == ':';
}

/* The fields that have to be there, and those that must not. */
static void check_header(const char *text, gsize len)
{
    guint from = 0, date = 0, id = 0;
    for (const char *at = text, *end = text + len; at < end;) {
        const char *cr = memchr(at, '\r', (gsize)(end - at));
        g_assert_nonnull(cr);
        gsize line_len = (gsize)(cr - at);
        if (line_len == 0)
            break;
        g_assert_false(is_field(at, line_len, "Bcc"));
        g_assert_false(is_field(at, line_len, "Resent-Bcc"));
        from += is_field(at, line_len, "From") ? 1 : 0;
        date += is_field(at, line_len, "Date") ? 1 : 0;
        id += is_field(at, line_len, "Message-ID") ? 1 : 0;
        at = cr + 2;
    }
    g_assert_cmpuint(from, >, 0);
    g_assert_cmpuint(date, >, 0);
    g_assert_cmpuint(id, >, 0);
}

/* What SMTP can carry, and no other. */
static void check_lines(const guint8 *bytes, gsize len)
{
    gsize line_len = 0;
    for (gsize i = 0; i < len; i++) {
        g_assert_cmpuint(bytes[i], !=, 0);
        g_assert_true((bytes[i] == '\n') == (i > 0 && bytes[i - 1] == '\r'));
        line_len = bytes[i] == '\n' ? 0 : line_len + (bytes[i] != '\r');
        g_assert_cmpuint(line_len, <=, LINE_MAX_LEN);
    }
    g_assert_true(len >= 2 && bytes[len - 1] == '\n');
}

/* Without its dots the stuffed message is the message, and no line of it ends DATA. */
static void check_stuffing(const GByteArray *plain, const GByteArray *stuffed)
{
    gsize at = 0;
    for (gsize i = 0; i < stuffed->len; i++) {
        gboolean starts = i == 0 || stuffed->data[i - 1] == '\n';
        if (starts && stuffed->data[i] == '.') {
            g_assert_true(i + 1 < stuffed->len && stuffed->data[i + 1] == '.');
            continue;
        }
        g_assert_true(at < plain->len && plain->data[at] == stuffed->data[i]);
        at++;
    }
    g_assert_cmpuint(at, ==, plain->len);
}

static void check_prepared(const Message *message, const MessageOffer *offer)
{
    g_autoptr(GByteArray) plain = stream(message, FALSE);
    g_autoptr(GByteArray) stuffed = stream(message, TRUE);
    g_autofree char *words = message_explain(message);
    gboolean eight_bit = FALSE;
    g_assert_cmpuint(message_size(message), ==, plain->len);
    check_lines(plain->data, plain->len);
    check_header((const char *)plain->data, plain->len);
    check_stuffing(plain, stuffed);
    for (guint i = 0; i < plain->len; i++)
        eight_bit = eight_bit || plain->data[i] > 127;
    g_assert_true(!eight_bit || message_is_eight_bit(message) || message_needs_smtp_utf8(message));
    /* Who takes SMTPUTF8 takes 8BITMIME, too (RFC 6531 section 3.1). */
    g_assert_true(!message_is_eight_bit(message) || offer->eight_bit_mime || offer->smtp_utf8);
    g_assert_true(!message_needs_smtp_utf8(message) || offer->smtp_utf8);
    g_assert_nonnull(words);
}

static Message *message_of(const guint8 *bytes, gsize len)
{
    int fd = memfd_create("message", MFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, bytes, len), ==, (gssize)len);
    return message_scan(fd, NULL);
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    guint8 flags = len > 0 ? bytes[0] : 0;
    MessageOffer offer = {.eight_bit_mime = (flags & EIGHT_BIT_MIME) != 0,
                          .smtp_utf8 = (flags & SMTP_UTF8) != 0};
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_autoptr(Message) message = message_of(bytes + (len > 0), len - (len > 0));
    if (!message)
        return FUZZ_REFUSED;
    (void)message_recipients(message, addresses, NULL); /* any answer will do */
    if (flags & REPLACE_FROM)
        message_replace_from(message, "\"root on here\" <you@example.com>");
    message_complete(message, "you@example.com", "You", 1700000000);
    g_assert_nonnull(message_id(message));
    if (!message_prepare(message, &offer, &error)) {
        g_assert_nonnull(error);
        return FUZZ_REFUSED;
    }
    g_assert_no_error(error);
    check_prepared(message, &offer);
    return FUZZ_TAKEN;
}

#include "message.h"

#include "address.h"
#include "body.h"
#include "errors.h"
#include "header_encode.h"
#include "stamp.h"

#include <string.h>
#include <unistd.h>

struct Message {
    int fd;
    Header *header;
    BodyFacts facts;
    char *from;                  /* the first address of From; NULL: none */
    char *id;                    /* Message-ID; NULL: none yet */
    char *stamp_date, *stamp_id; /* for what is missing; NULL: made anew */
    char *new_from;              /* takes the place of From; NULL: From stays */
    GString *added;              /* the fields that message_complete() made */

    /* as it was prepared */
    Encoding encoding;
    GString *head; /* the header section with the blank line */
    guint64 body_len;
    gboolean needs_utf8;
};

/* ---- reading ---- */

static void read_from(Message *message)
{
    const HeaderEntry *entry = header_find(message->header, HEADER_FROM);
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    /* A From that is no address is for the server to judge; it only helps to find the account. */
    if (entry)
        (void)address_list_parse(header_value(entry), addresses, NULL);
    if (addresses->len > 0)
        message->from = g_strdup(g_ptr_array_index(addresses, 0));
}

/* On one line: it goes into logs and envelopes. */
static void read_id(Message *message)
{
    const HeaderEntry *entry = header_find(message->header, HEADER_MESSAGE_ID);
    GString *id = g_string_new(NULL);
    for (const char *p = entry ? header_value(entry) : ""; *p; p++)
        if (*p != '\r' && *p != '\n')
            g_string_append_c(id, g_ascii_isprint(*p) ? *p : *p == '\t' ? ' ' : '?');
    message->id = g_strstrip(g_string_free(id, FALSE));
    if (*message->id == '\0')
        g_clear_pointer(&message->id, g_free);
}

/* A field that has to say something and is empty is as good as none: it makes way for ours. */
static void drop_empty(Header *header)
{
    for (guint i = header->entries->len; i-- > 0;) {
        const HeaderEntry *entry = g_ptr_array_index(header->entries, i);
        gboolean needed = entry->kind == HEADER_FROM || entry->kind == HEADER_DATE ||
                          entry->kind == HEADER_MESSAGE_ID;
        gsize blanks = strspn(header_value(entry), " \t\r\n");
        if (needed && entry->value_at + blanks == entry->raw->len)
            g_ptr_array_remove_index(header->entries, i);
    }
}

Message *message_scan(int fd, GError **error)
{
    g_autoptr(Message) message = g_new0(Message, 1);
    message->fd = fd;
    message->added = g_string_new(NULL);
    message->head = g_string_new(NULL);
    message->header = header_read(fd, error);
    if (!message->header || !body_scan(fd, message->header->body_at, &message->facts, error))
        return NULL;
    drop_empty(message->header);
    message->body_len = message->facts.len;
    read_from(message);
    read_id(message);
    return g_steal_pointer(&message);
}

void message_free(Message *message)
{
    if (!message)
        return;
    (void)close(message->fd); /* only read from */
    header_free(message->header);
    g_free(message->from);
    g_free(message->id);
    g_free(message->stamp_date);
    g_free(message->stamp_id);
    g_free(message->new_from);
    g_string_free(message->added, TRUE);
    g_string_free(message->head, TRUE);
    g_free(message);
}

/* ---- what it says ---- */

const char *message_from(const Message *message)
{
    return message->from;
}

const char *message_id(const Message *message)
{
    return message->id;
}

/* Adds the addresses of all fields of one kind. A NUL would cut a value short and lose recipients.
 */
static gboolean add_recipients(const Message *message, HeaderKind kind, GPtrArray *addresses,
                               GError **error)
{
    for (guint i = 0; i < message->header->entries->len; i++) {
        const HeaderEntry *entry = g_ptr_array_index(message->header->entries, i);
        if (entry->kind != kind)
            continue;
        if (strlen(entry->raw->str) < entry->raw->len) {
            error_set(error, POSTKEY_ERROR_REFUSED, "nothing was sent to anybody",
                      "look at the program that made the message",
                      "the recipients in line %" G_GUINT64_FORMAT " of the message hold a NUL byte",
                      entry->line);
            return FALSE;
        }
        if (!address_list_parse(header_value(entry), addresses, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean add_kinds(const Message *message, const HeaderKind kinds[3], GPtrArray *addresses,
                          GError **error)
{
    for (guint i = 0; i < 3; i++)
        if (!add_recipients(message, kinds[i], addresses, error))
            return FALSE;
    return TRUE;
}

gboolean message_recipients(const Message *message, GPtrArray *addresses, GError **error)
{
    static const HeaderKind resent[3] = {HEADER_RESENT_TO, HEADER_RESENT_CC, HEADER_RESENT_BCC};
    static const HeaderKind original[3] = {HEADER_TO, HEADER_CC, HEADER_BCC};
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    if (!add_kinds(message, resent, found, error))
        return FALSE;
    return add_kinds(message, found->len > 0 ? resent : original, addresses, error);
}

/* ---- what it gets ---- */

void message_stamp(Message *message, const char *date, const char *id)
{
    g_free(message->stamp_date);
    g_free(message->stamp_id);
    message->stamp_date = g_strdup(date);
    message->stamp_id = g_strdup(id);
}

/* text as it may stand in one field: a control character that is no fold could begin another. */
static char *one_field(const char *text)
{
    char *field = g_strdup(text);
    for (char *p = field; *p; p++) {
        if (p[0] == '\r' && p[1] == '\n' && (p[2] == ' ' || p[2] == '\t'))
            p += 2;
        else if (g_ascii_iscntrl(*p))
            *p = ' ';
    }
    return field;
}

void message_replace_from(Message *message, const char *mailbox)
{
    g_free(message->new_from);
    message->new_from = one_field(mailbox);
}

static void add_from(Message *message, const char *address, const char *full_name)
{
    if (message->new_from) {
        g_string_append_printf(message->added, "From: %s\r\n", message->new_from);
    } else if (header_find(message->header, HEADER_FROM)) {
        return;
    } else if (full_name && *full_name) {
        g_autofree char *plain = one_field(full_name);
        g_autofree char *name = stamp_display_name(plain);
        g_string_append_printf(message->added, "From: %s <%s>\r\n", name, address);
    } else {
        g_string_append_printf(message->added, "From: %s\r\n", address);
    }
}

static void add_id(Message *message, const char *address)
{
    if (!message->id)
        message->id = message->stamp_id ? g_strdup(message->stamp_id)
                                        : stamp_message_id(address_domain(address));
    g_string_append_printf(message->added, "Message-ID: %s\r\n", message->id);
}

void message_complete(Message *message, const char *address, const char *full_name, gint64 now)
{
    g_string_truncate(message->added, 0);
    add_from(message, address, full_name);
    if (!header_find(message->header, HEADER_DATE)) {
        g_autofree char *date =
            message->stamp_date ? g_strdup(message->stamp_date) : stamp_date(now);
        g_string_append_printf(message->added, "Date: %s\r\n", date);
    }
    if (!header_find(message->header, HEADER_MESSAGE_ID))
        add_id(message, address);
}

/* ---- how it goes ---- */

/* Behind blanks and comments. */
static const char *skip_comments(const char *value)
{
    guint depth = 0;
    for (; *value; value++) {
        if (depth > 0 && *value == '\\' && value[1])
            value++;
        else if (*value == '(')
            depth++;
        else if (depth > 0 && *value == ')')
            depth--;
        else if (depth == 0 && !g_ascii_isspace(*value))
            break;
    }
    return value;
}

/* The first word of a field's value, in lower case: "text" of "text/plain", "7bit". Returns owned.
 */
static char *first_word(const HeaderEntry *entry)
{
    const char *value = skip_comments(header_value(entry));
    g_autofree char *word = g_strndup(value, strcspn(value, " \t\r\n;(/"));
    return g_ascii_strdown(word, -1);
}

/* Whether a type says that its characters have more octets than one: then an octet 10 is no line's
 * end, and quoted-printable would change the text. */
static gboolean is_wide(const HeaderEntry *type)
{
    static const char *const prefixes[] = {"utf-16", "utf16", "utf-32", "utf32", "ucs", NULL};
    g_autofree char *value = g_ascii_strdown(header_value(type), -1);
    const char *charset = strstr(value, "charset");
    charset = charset ? skip_comments(charset + strlen("charset")) : "";
    charset = *charset == '=' ? skip_comments(charset + 1) : "";
    charset += *charset == '"';
    for (const char *const *prefix = prefixes; *prefix; prefix++)
        if (g_str_has_prefix(charset, *prefix))
            return TRUE;
    return FALSE;
}

/* Whether the body is one part as it is, which may be given a transfer encoding (RFC 2045
 * section 6.4). Where a field is repeated, nobody knows which one a reader believes: all count. */
static gboolean may_encode(const Message *message, gboolean *is_text)
{
    static const char *const identities[] = {"", "7bit", "8bit", "binary", NULL};
    *is_text = TRUE;
    for (guint i = 0; i < message->header->entries->len; i++) {
        const HeaderEntry *entry = g_ptr_array_index(message->header->entries, i);
        g_autofree char *word = first_word(entry);
        if (entry->kind == HEADER_CONTENT_TRANSFER_ENCODING && !g_strv_contains(identities, word))
            return FALSE;
        if (entry->kind != HEADER_CONTENT_TYPE)
            continue;
        if (strcmp(word, "multipart") == 0 || strcmp(word, "message") == 0)
            return FALSE;
        if ((*word && strcmp(word, "text") != 0) || is_wide(entry))
            *is_text = FALSE;
    }
    return TRUE;
}

static gboolean refuse_body(const Message *message, GError **error)
{
    static const char remedy[] =
        "encode the part (Content-Transfer-Encoding: base64 or quoted-printable)";
    if (message->facts.fault != BODY_FINE)
        error_set(error, POSTKEY_ERROR_REFUSED,
                  "SMTP cannot carry this as it is, and changing a message of several parts, or "
                  "one that is "
                  "encoded already, could break it; nothing was sent to anybody",
                  remedy, "line %" G_GUINT64_FORMAT " of the message %s",
                  message->header->body_line + message->facts.fault_line - 1,
                  body_fault_words(message->facts.fault));
    else
        error_set(error, POSTKEY_ERROR_REFUSED,
                  "this server does not take 8-bit text (8BITMIME), and changing a message of "
                  "several parts "
                  "could break it; nothing was sent to anybody",
                  remedy, "the message holds characters beyond ASCII that are not encoded");
    return FALSE;
}

static gboolean choose_encoding(Message *message, const MessageOffer *offer, GError **error)
{
    const BodyFacts *facts = &message->facts;
    gboolean is_text;
    message->encoding = ENCODING_NONE;
    message->body_len = facts->len;
    if (facts->fault == BODY_FINE && (!facts->eight_bit || offer->eight_bit_mime))
        return TRUE;
    if (!may_encode(message, &is_text))
        return refuse_body(message, error);
    message->encoding = is_text ? ENCODING_QUOTED_PRINTABLE : ENCODING_BASE64;
    return body_encoded_len(message->fd, message->header->body_at, message->encoding,
                            &message->body_len, error);
}

/* The old From under the name that it is kept by: no list of addresses to any server. */
static gboolean keep_from(Message *message, const HeaderEntry *from, gboolean utf8, GError **error)
{
    static const char prefix[] = "X-Original-";
    g_autoptr(GString) raw = g_string_new_len(from->raw->str, (gssize)from->raw->len);
    g_string_prepend(raw, prefix);
    const HeaderEntry kept = {.kind = HEADER_OTHER,
                              .raw = raw,
                              .value_at = from->value_at + strlen(prefix),
                              .line = from->line};
    return header_encode(&kept, utf8, &message->needs_utf8, message->head, error);
}

/* Appends the fields as they came, but for those that another takes the place of. */
static gboolean append_fields(Message *message, gboolean utf8, GError **error)
{
    for (guint i = 0; i < message->header->entries->len; i++) {
        const HeaderEntry *entry = g_ptr_array_index(message->header->entries, i);
        gboolean replaced =
            entry->kind == HEADER_CONTENT_TRANSFER_ENCODING && message->encoding != ENCODING_NONE;
        if (replaced || header_is_dropped(entry->kind))
            continue;
        if (message->new_from && entry->kind == HEADER_FROM
                ? !keep_from(message, entry, utf8, error)
                : !header_encode(entry, utf8, &message->needs_utf8, message->head, error))
            return FALSE;
    }
    return TRUE;
}

/* The fields that an encoded body needs. */
static void append_encoding(Message *message)
{
    const char *charset = message->facts.utf8 ? "utf-8" : "unknown-8bit"; /* RFC 1428 */
    if (message->encoding == ENCODING_NONE)
        return;
    if (!header_find(message->header, HEADER_MIME_VERSION))
        g_string_append(message->head, "MIME-Version: 1.0\r\n");
    if (!header_find(message->header, HEADER_CONTENT_TYPE))
        g_string_append_printf(message->head, "Content-Type: text/plain; charset=%s\r\n",
                               message->facts.eight_bit ? charset : "us-ascii");
    g_string_append_printf(message->head, "Content-Transfer-Encoding: %s\r\n",
                           encoding_name(message->encoding));
}

static gboolean make_head(Message *message, gboolean utf8, GError **error)
{
    g_string_assign(message->head, message->added->str);
    /* Names in it are encoded: what is left is the local part of an address. */
    if (!g_str_is_ascii(message->added->str))
        message->needs_utf8 = TRUE;
    if (!append_fields(message, utf8, error))
        return FALSE;
    append_encoding(message);
    g_string_append(message->head, "\r\n");
    return TRUE;
}

gboolean message_prepare(Message *message, const MessageOffer *offer, GError **error)
{
    message->needs_utf8 = FALSE;
    if (!choose_encoding(message, offer, error) || !make_head(message, FALSE, error))
        return FALSE;
    if (!message->needs_utf8)
        return TRUE;
    if (offer->smtp_utf8)
        return make_head(message, TRUE, error);
    error_set(error, POSTKEY_ERROR_REFUSED,
              "only a server with SMTPUTF8 takes such addresses, and this one has none; nothing "
              "was sent to "
              "anybody",
              "use another address of the person, in ASCII before the \"@\"",
              "an address in the header has characters beyond ASCII before the \"@\"");
    return FALSE;
}

gboolean message_is_eight_bit(const Message *message)
{
    if (message->facts.eight_bit && message->encoding == ENCODING_NONE)
        return TRUE;
    return !g_str_is_ascii(message->head->str);
}

gboolean message_needs_smtp_utf8(const Message *message)
{
    return message->needs_utf8;
}

guint64 message_size(const Message *message)
{
    return message->head->len + message->body_len;
}

/* The header with a dot before each line that starts with one: so may the name of a field. */
static gboolean stream_stuffed_head(const char *head, Sink sink, gpointer data, GError **error)
{
    while (*head) {
        gsize len = (gsize)(strstr(head, "\r\n") - head) + 2;
        if ((*head == '.' && !sink(".", 1, data, error)) || !sink(head, len, data, error))
            return FALSE;
        head += len;
    }
    return TRUE;
}

gboolean message_stream(const Message *message, gboolean dot_stuffed, Sink sink, gpointer data,
                        GError **error)
{
    const GString *head = message->head;
    gboolean ok = dot_stuffed ? stream_stuffed_head(head->str, sink, data, error)
                              : sink(head->str, head->len, data, error);
    return ok && body_stream(message->fd, message->header->body_at, message->encoding, dot_stuffed,
                             sink, data, error);
}

/* ---- for people ---- */

static void explain_header(const Message *message, GString *text)
{
    static const struct {
        HeaderKind kind;
        const char *name;
    } added[] = {{HEADER_FROM, "From"}, {HEADER_DATE, "Date"}, {HEADER_MESSAGE_ID, "Message-ID"}};
    static const struct {
        HeaderKind kind;
        const char *name;
    } dropped[] = {{HEADER_BCC, "Bcc"}, {HEADER_RESENT_BCC, "Resent-Bcc"}};
    for (gsize i = 0; i < G_N_ELEMENTS(added); i++)
        if (!header_find(message->header, added[i].kind))
            g_string_append_printf(text, "%s is added\n", added[i].name);
    if (message->new_from)
        g_string_append_printf(text, "From becomes %s; the old one is kept as X-Original-From\n",
                               message->new_from);
    for (gsize i = 0; i < G_N_ELEMENTS(dropped); i++)
        if (header_find(message->header, dropped[i].kind))
            g_string_append_printf(text, "%s is left out\n", dropped[i].name);
}

char *message_explain(const Message *message)
{
    GString *text = g_string_new(NULL);
    explain_header(message, text);
    if (message->needs_utf8)
        g_string_append(text, "the header needs a server with SMTPUTF8\n");
    if (message->encoding == ENCODING_NONE)
        return g_string_free(text, FALSE);
    g_string_append_printf(text, "the body goes as %s: ", encoding_name(message->encoding));
    if (message->facts.fault != BODY_FINE)
        g_string_append_printf(text, "its line %" G_GUINT64_FORMAT " %s\n",
                               message->facts.fault_line, body_fault_words(message->facts.fault));
    else
        g_string_append(text, "the server takes no 8-bit text\n");
    return g_string_free(text, FALSE);
}

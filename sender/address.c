#include "address.h"

#include "errors.h"

#include <string.h>

/* Comments may be nested; nobody writes this many, but a peer could, to exhaust a stack. */
#define COMMENT_MAX_DEPTH 16

/* RFC 6531 section 3.3 adds what is beyond ASCII; whether it is UTF-8 is checked for the whole
 * address. */
static gboolean is_atext(char c)
{
    return g_ascii_isalnum(c) || (guchar)c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* ---- one mailbox ---- */

/* The length of the quoted string at the start of text, 0 when it is none. */
static gsize quoted_len(const char *text)
{
    if (*text != '"')
        return 0;
    for (gsize i = 1; text[i]; i++) {
        if (text[i] == '"')
            return i + 1;
        if (text[i] == '\\')
            i++;
        if (!g_ascii_isprint(text[i]) && (guchar)text[i] < 0x80)
            return 0;
    }
    return 0;
}

/* The length of the dot-string at the start of text, 0 when it is none. */
static gsize dot_string_len(const char *text)
{
    gsize len = 0;
    for (;;) {
        gsize atom_len = 0;
        while (is_atext(text[len + atom_len]))
            atom_len++;
        if (atom_len == 0)
            return 0;
        len += atom_len;
        if (text[len] != '.')
            return len;
        len++;
    }
}

gboolean address_is_domain(const char *text)
{
    gsize label_len = 0;
    if (strlen(text) > 253)
        return FALSE;
    for (const char *p = text;; p++) {
        if (*p == '.' || *p == '\0') {
            if (label_len == 0 || label_len > ADDRESS_LABEL_MAX_LEN || p[-1] == '-')
                return FALSE;
            if (!*p)
                return TRUE;
            label_len = 0;
        } else if (g_ascii_isalnum(*p) || *p == '_' || (*p == '-' && label_len > 0)) {
            label_len++;
        } else {
            return FALSE;
        }
    }
}

/* RFC 5321 section 4.1.3. Its general form could hold ">" and quotes, but nobody has defined one.
 */
static gboolean is_address_literal(const char *text)
{
    gsize len = strlen(text);
    if (len < 3 || text[0] != '[' || text[len - 1] != ']')
        return FALSE;
    for (gsize i = 1; i < len - 1; i++)
        if (!g_ascii_isalnum(text[i]) && !strchr(".:-", text[i]))
            return FALSE;
    return TRUE;
}

static const char *find_fault(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return "it holds characters beyond ASCII that are not UTF-8";
    for (const char *p = text; *p; p = g_utf8_next_char(p))
        if (g_unichar_iscntrl(g_utf8_get_char(p)))
            return "it holds a line break or another control character";
    gsize local_len = *text == '"' ? quoted_len(text) : dot_string_len(text);
    if (!*text)
        return "it is empty";
    if (!strchr(text, '@'))
        return "it has no domain: no \"@\" and nothing after it";
    if (local_len == 0 || text[local_len] != '@')
        return "the part before the \"@\" is malformed";
    if (local_len > ADDRESS_LOCAL_MAX_LEN)
        return "the part before the \"@\" is longer than 64 characters";
    const char *domain = text + local_len + 1;
    if (!*domain)
        return "it has no domain after the \"@\"";
    if (!address_is_domain(domain) && !is_address_literal(domain))
        return "the domain is malformed";
    if (strlen(text) > ADDRESS_MAX_LEN)
        return "it is longer than 254 characters";
    return NULL;
}

/* For an error text: on one line, and no longer than a person reads. */
static char *show(const char *text)
{
    GString *shown = g_string_new(NULL);
    for (const char *p = text; *p && shown->len < 80; p++) {
        if (g_ascii_isprint(*p))
            g_string_append_c(shown, *p);
        else
            g_string_append_printf(shown, "\\x%02x", (guchar)*p);
    }
    if (strlen(text) > 80)
        g_string_append(shown, "...");
    return g_string_free(shown, FALSE);
}

static gboolean refuse(GError **error, const char *text, const char *fault)
{
    g_autofree char *shown = show(text);
    error_set(error, POSTKEY_ERROR_REFUSED, "nothing was sent to anybody",
              "write addresses as name@example.com, several of them with commas between them",
              "malformed address \"%s\": %s", shown, fault);
    return FALSE;
}

gboolean address_check(const char *text, GError **error)
{
    const char *fault = find_fault(text);
    return fault ? refuse(error, text, fault) : TRUE;
}

const char *address_domain(const char *address)
{
    const char *at = strrchr(address, '@');
    return at ? at + 1 : address;
}

gboolean address_needs_utf8(const char *address)
{
    return !g_str_is_ascii(address);
}

char *address_to_ascii(const char *text)
{
    const char *domain = address_domain(text);
    gsize len = strcspn(domain, "> \t\r\n(");
    g_autofree char *name = g_strndup(domain, len);
    if (domain == text || g_str_is_ascii(name) || !g_utf8_validate(name, -1, NULL))
        return g_strdup(text);
    g_autofree char *ascii = g_hostname_to_ascii(name);
    return ascii ? g_strdup_printf("%.*s%s%s", (int)(domain - text), text, ascii, domain + len)
                 : g_strdup(text);
}

gboolean address_equal(const char *a, const char *b)
{
    const char *domain_a = address_domain(a), *domain_b = address_domain(b);
    gsize local_len = (gsize)(domain_a - a);
    return local_len == (gsize)(domain_b - b) && strncmp(a, b, local_len) == 0 &&
           g_ascii_strcasecmp(domain_a, domain_b) == 0;
}

guint address_hash(gconstpointer address)
{
    guint hash = 5381;
    for (const char *p = address, *domain = address_domain(address); *p; p++)
        hash = hash * 33 + (guchar)(p < domain ? *p : g_ascii_tolower(*p));
    return hash;
}

gboolean address_is_local(const char *address, const char *host)
{
    const char *domain = address_domain(address);
    return g_ascii_strcasecmp(domain, ADDRESS_LOCAL_DOMAIN) == 0 ||
           (host && !strchr(host, '.') && g_ascii_strcasecmp(domain, host) == 0);
}

/* ---- address lists ---- */

/* Where we are in the list, and what is wrong there. */
typedef struct {
    const char *at;
    const char *fault;
} Scanner;

static gboolean is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether the line break at text is followed by a blank, as in a folded header field. */
static gboolean is_fold(const char *text)
{
    text += strspn(text, "\r\n");
    return *text == ' ' || *text == '\t' || *text == '\0';
}

/* Skips blanks, folds and comments (RFC 5322 section 3.2.2). FALSE: a comment has no end, or a
 * line. */
static gboolean skip_blanks(Scanner *scanner)
{
    guint depth = 0;
    for (; *scanner->at; scanner->at++) {
        char c = *scanner->at;
        if ((c == '\r' || c == '\n') && !is_fold(scanner->at)) {
            scanner->fault = "it holds a line break";
            return FALSE;
        }
        if (depth > 0 && c == '\\' && scanner->at[1])
            scanner->at++;
        else if (c == '(')
            depth++;
        else if (depth > 0 && c == ')')
            depth--;
        else if (depth == 0 && !is_blank(c))
            return TRUE;
        if (depth > COMMENT_MAX_DEPTH)
            break;
    }
    if (depth > 0)
        scanner->fault = "a comment has no end";
    return depth == 0;
}

/* Appends the word at the scanner (atom, quoted string or domain literal) to word. FALSE: there is
 * none, or it is broken (then there is a fault). */
static gboolean read_word(Scanner *scanner, GString *word)
{
    const char *start = scanner->at;
    char c = *start, end = c == '"' ? '"' : ']';
    if (c == '"' || c == '[') {
        const char *p = start + 1;
        while (*p && *p != end)
            p += *p == '\\' && p[1] ? 2 : 1;
        if (!*p)
            scanner->fault = c == '"' ? "a quoted string has no end" : "a \"[\" has no \"]\"";
        else
            scanner->at = p + 1;
    } else {
        while (is_atext(*scanner->at) || (guchar)*scanner->at >= 0x80)
            scanner->at++;
    }
    g_string_append_len(word, start, scanner->at - start);
    return scanner->at > start;
}

/* Reads words, "." and "@" up to the next other special. The result is an address when no two words
 * stand side by side; a phrase otherwise, which is told by *is_phrase. */
static gboolean read_words(Scanner *scanner, GString *words, gboolean *is_phrase)
{
    gboolean after_word = FALSE;
    while (skip_blanks(scanner)) {
        if (*scanner->at == '.' || *scanner->at == '@') {
            g_string_append_c(words, *scanner->at++);
            after_word = FALSE;
            continue;
        }
        gsize len_before = words->len;
        if (!read_word(scanner, words))
            return scanner->fault == NULL;
        if (after_word) {
            g_string_insert_c(words, (gssize)len_before, ' ');
            *is_phrase = TRUE;
        }
        after_word = TRUE;
    }
    return FALSE;
}

/* In a quoted string an "@" is a letter like any other. */
static gboolean has_domain(const char *address)
{
    return strchr(address + quoted_len(address), '@') != NULL;
}

static gboolean address_equal_pointers(gconstpointer a, gconstpointer b)
{
    return address_equal(a, b);
}

/* Those that are there already, borrowed from the array: thousands of recipients are compared. */
static GHashTable *known_of(const GPtrArray *addresses)
{
    GHashTable *known = g_hash_table_new(address_hash, address_equal_pointers);
    for (guint i = 0; i < addresses->len; i++)
        g_hash_table_add(known, g_ptr_array_index(addresses, i));
    return known;
}

static gboolean add_address(const char *address, GPtrArray *addresses, GHashTable *known,
                            GError **error)
{
    if (*address == '\0')
        return TRUE;
    g_autofree char *ascii = has_domain(address)
                                 ? address_to_ascii(address)
                                 : g_strconcat(address, "@" ADDRESS_LOCAL_DOMAIN, NULL);
    if (!address_check(ascii, error))
        return FALSE;
    if (g_hash_table_contains(known, ascii))
        return TRUE;
    if (addresses->len == ADDRESS_LIST_MAX) {
        error_set(error, POSTKEY_ERROR_REFUSED, "so many cannot be meant for one mail",
                  "send it in several parts, or through a mailing list",
                  "the message has more than %u recipients", ADDRESS_LIST_MAX);
        return FALSE;
    }
    g_hash_table_add(known, ascii);
    g_ptr_array_add(addresses, g_steal_pointer(&ascii));
    return TRUE;
}

/* Drops the source route "@a,@b:" in front of an angle address (RFC 5322 section 4.4). */
static gboolean skip_route(Scanner *scanner)
{
    if (!skip_blanks(scanner))
        return FALSE;
    if (*scanner->at != '@')
        return TRUE;
    scanner->at += strcspn(scanner->at, ":>");
    if (*scanner->at != ':') {
        scanner->fault = "a source route has no \":\"";
        return FALSE;
    }
    scanner->at++;
    return TRUE;
}

/* After "<": the address and its ">". */
static gboolean read_angle(Scanner *scanner, GString *address)
{
    gboolean is_phrase = FALSE;
    g_string_truncate(address, 0);
    if (!skip_route(scanner) || !read_words(scanner, address, &is_phrase))
        return FALSE;
    if (*scanner->at != '>')
        scanner->fault = "a \"<\" has no \">\"";
    else if (is_phrase)
        scanner->fault = "there is a blank in an address";
    else if (address->len == 0)
        scanner->fault = "there is nothing between \"<\" and \">\"";
    if (scanner->fault)
        return FALSE;
    scanner->at++;
    return skip_blanks(scanner);
}

/* Reads one member of the list, up to the comma, the semicolon of a group, or the end. */
static gboolean read_member(Scanner *scanner, gboolean *in_group, GString *words)
{
    gboolean is_phrase = FALSE;
    if (!read_words(scanner, words, &is_phrase))
        return FALSE;
    if (*scanner->at == ':' && !*in_group) {
        *in_group = TRUE;
        scanner->at++;
        g_string_truncate(words, 0);
        return read_member(scanner, in_group, words);
    }
    if (*scanner->at == '<') {
        scanner->at++;
        return read_angle(scanner, words);
    }
    if (is_phrase)
        scanner->fault = "there is a blank, or a comma is missing";
    return scanner->fault == NULL;
}

static gboolean end_member(Scanner *scanner, gboolean *in_group)
{
    gboolean closed = *in_group && *scanner->at == ';';
    if (closed) {
        *in_group = FALSE;
        scanner->at++;
        if (!skip_blanks(scanner))
            return FALSE;
    }
    if (*scanner->at == ',')
        scanner->at++;
    else if (*scanner->at && !closed) /* behind a group the comma is often forgotten */
        scanner->fault = "there is a character where none may be";
    return scanner->fault == NULL;
}

gboolean address_list_parse(const char *text, GPtrArray *addresses, GError **error)
{
    Scanner scanner = {.at = text};
    gboolean in_group = FALSE;
    g_autoptr(GString) words = g_string_new(NULL);
    g_autoptr(GHashTable) known = known_of(addresses);
    while (*scanner.at) {
        g_string_truncate(words, 0);
        if (!read_member(&scanner, &in_group, words))
            break;
        if (!add_address(words->str, addresses, known, error))
            return FALSE;
        if (!end_member(&scanner, &in_group))
            break;
    }
    return scanner.fault ? refuse(error, text, scanner.fault) : TRUE;
}

gboolean address_argument_parse(const char *text, GPtrArray *addresses, GError **error)
{
    for (const char *p = text; *p; p++)
        if (g_ascii_iscntrl(*p))
            return refuse(error, text, "it holds a line break or another control character");
    return address_list_parse(text, addresses, error);
}

char *address_parse_one(const char *text, GError **error)
{
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    if (!address_argument_parse(text, addresses, error))
        return NULL;
    if (addresses->len != 1) {
        refuse(error, text, addresses->len ? "there is more than one" : "it is empty");
        return NULL;
    }
    return g_strdup(g_ptr_array_index(addresses, 0));
}

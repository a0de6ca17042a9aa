#include "config_scan.h"

#include "errors.h"
#include "log.h"
#include "secret.h"

#include <string.h>

#define NAME_SHOWN_MAX 60

typedef struct {
    const char *file;
    guint line;
    const char *section; /* NULL before the first one; borrowed from lines */
    GHashTable *seen;    /* "[section]" and "[section]key" -> line */
    GPtrArray *lines;
} Scanner;

static void free_line(gpointer data)
{
    ConfigLine *line = data;
    g_free(line->section);
    g_free(line->key);
    g_free(line);
}

static gboolean refuse(const Scanner *scanner, GError **error, const char *remedy, const char *what)
{
    error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL, remedy, "%s:%u: %s", scanner->file,
              scanner->line, what);
    return FALSE;
}

/* Notes a section or key; FALSE when the file has it already. */
static gboolean note(Scanner *scanner, const char *section, const char *key, GError **error)
{
    g_autofree char *place = g_strdup_printf("[%s]%s", section, key ? key : "");
    guint before = GPOINTER_TO_UINT(g_hash_table_lookup(scanner->seen, place));
    if (before) {
        g_autofree char *shown = log_printable(key ? key : section, NAME_SHOWN_MAX);
        g_autofree char *what = g_strdup_printf("%s%s%s is given twice, first in line %u",
                                                key ? "" : "[", shown, key ? "" : "]", before);
        return refuse(scanner, error, "keep one of them; join what the sections hold", what);
    }
    g_hash_table_insert(scanner->seen, g_steal_pointer(&place), GUINT_TO_POINTER(scanner->line));
    ConfigLine *line = g_new0(ConfigLine, 1);
    line->section = g_strdup(section);
    line->key = g_strdup(key);
    line->line = scanner->line;
    g_ptr_array_add(scanner->lines, line);
    scanner->section = line->section;
    return TRUE;
}

/* What GKeyFile takes for a key, and without a language in brackets. */
static gboolean is_key(const char *text)
{
    for (; *text; text++)
        if (!g_ascii_isalnum(*text) && *text != '_' && *text != '-')
            return FALSE;
    return TRUE;
}

static gboolean is_section(const char *text, gsize len)
{
    for (gsize i = 1; i + 1 < len; i++)
        if (!g_ascii_isprint(text[i]) || text[i] == '[' || text[i] == ']')
            return FALSE;
    return len > 2 && text[len - 1] == ']';
}

/* One line, stripped. */
static gboolean scan_line(Scanner *scanner, const char *text, GError **error)
{
    gsize len = strlen(text);
    if (len == 0 || *text == '#')
        return TRUE;
    if (*text == '[') {
        if (!is_section(text, len))
            return refuse(scanner, error,
                          "write [SECTION] or [SECTION NAME]; a comment needs a line of its own",
                          "this is no section's head");
        g_autofree char *section = g_strndup(text + 1, len - 2);
        return note(scanner, section, NULL, error);
    }
    const char *equals = strchr(text, '=');
    g_autofree char *key = equals ? g_strndup(text, (gsize)(equals - text)) : g_strdup("");
    if (!*key || !is_key(g_strchomp(key)))
        return refuse(scanner, error, "write KEY=VALUE, or start a comment with #",
                      "this is neither a section nor a key nor a comment");
    if (!scanner->section)
        return refuse(scanner, error, "put it under a head as [broker]",
                      "a key stands before the first section");
    return note(scanner, scanner->section, key, error);
}

/* Without the text of the line: it may be a secret. */
static gboolean scan_lines(Scanner *scanner, const char *text, gsize len, GError **error)
{
    const char *end = text + len;
    for (const char *next; text < end; text = next) {
        const char *newline = memchr(text, '\n', (gsize)(end - text));
        gsize line_len = (gsize)((newline ? newline : end) - text);
        next = text + line_len + (newline != NULL);
        scanner->line++;
        if (!g_utf8_validate_len(text, line_len, NULL))
            return refuse(scanner, error, "save the file as UTF-8 text", "this is no UTF-8 text");
        char *line = g_strndup(text, line_len);
        gboolean good = scan_line(scanner, g_strstrip(line), error);
        secret_wipe_bytes(line, line_len + 1);
        if (!good)
            return FALSE;
    }
    return TRUE;
}

ConfigScan *config_scan(const char *file, const char *text, gsize len, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(ConfigScan) scan = g_new0(ConfigScan, 1);
    scan->lines = g_ptr_array_new_with_free_func(free_line);
    scan->values = g_key_file_new();
    Scanner scanner = {.file = file, .seen = seen, .lines = scan->lines};
    if (!scan_lines(&scanner, text, len, error))
        return NULL;
    g_autoptr(GError) unread = NULL;
    /* Of an empty text GLib makes an error. */
    if (len > 0 && !g_key_file_load_from_data(scan->values, text, len, G_KEY_FILE_NONE, &unread)) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL,
                  "names of sections and keys hold letters, digits and . _ - + @ only",
                  "%s: this is no key file: %s", file, unread->message);
        return NULL;
    }
    return g_steal_pointer(&scan);
}

void config_scan_free(ConfigScan *scan)
{
    if (!scan)
        return;
    g_ptr_array_unref(scan->lines);
    g_key_file_unref(scan->values);
    g_free(scan);
}

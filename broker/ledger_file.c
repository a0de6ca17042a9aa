#include "ledger_file.h"

#include "errors.h"
#include "fileio.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "postkey-ledger 1 "
#define FILE_MAX_LEN ((gsize)4 * 1024 * 1024)
#define NUMBER_MAX G_GINT64_CONSTANT(1000000000000)

static gboolean set_io_error(GError **error, const char *what, const char *path)
{
    const char *remedy = errno == ENOSPC || errno == EDQUOT
                             ? "make room on the disk"
                             : "look at the file system and its permissions";
    error_set(error, POSTKEY_ERROR_IO, NULL, remedy, "cannot %s %s: %s", what, path,
              g_strerror(errno));
    return FALSE;
}

/* ---- reading ---- */

typedef struct {
    const LedgerMoment *now;
    gboolean same_boot;
    Window *window;
} Reader;

/* What happened can only have happened before now; moments are rounded up by a second. */
static gint64 moment_of(const Reader *reader, gint64 wall_s, gint64 boot_s)
{
    gint64 age_s = reader->same_boot ? reader->now->boot_s - boot_s : reader->now->wall_s - wall_s;
    return reader->now->boot_s - MAX(age_s, -1);
}

static gboolean read_number(const char *word, gint64 least, gint64 *number)
{
    return g_ascii_string_to_signed(word, 10, least, NUMBER_MAX, number, NULL);
}

static gboolean read_line(const Reader *reader, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 5);
    gint64 wall_s, boot_s, messages, recipients;
    if (g_strv_length(words) != 4 || !read_number(words[0], 0, &wall_s) ||
        !read_number(words[1], 0, &boot_s) || !read_number(words[2], -NUMBER_MAX, &messages) ||
        !read_number(words[3], -NUMBER_MAX, &recipients))
        return FALSE;
    gint64 at_s = moment_of(reader, wall_s, boot_s);
    window_add(reader->window, at_s, MAX(messages, 0), MAX(recipients, 0));
    window_take_back(reader->window, at_s, MAX(-messages, 0), MAX(-recipients, 0));
    return TRUE;
}

/* A crash of the machine may cost the end of the file; what stands before it counts. */
static gboolean read_text(Reader *reader, const char *path, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint count = g_strv_length(lines), damaged = 0;
    reader->same_boot =
        g_str_has_prefix(text, HEAD) && strcmp(lines[0] + strlen(HEAD), reader->now->boot_id) == 0;
    for (guint i = 1; i + 1 < count; i++)
        if (!read_line(reader, lines[i]))
            damaged++;
    gboolean cut = count == 0 || *lines[count - 1];
    if (damaged || cut)
        log_warning("%s: %u damaged lines are not counted%s", path, damaged,
                    cut ? ", nor is its end, which was cut off" : "");
    return reader->same_boot && !damaged && !cut;
}

gboolean ledger_file_read(const char *path, const LedgerMoment *now, Window *window,
                          gboolean *whole, GError **error)
{
    g_autoptr(GError) unread = NULL;
    gboolean missing;
    gsize len;
    Reader reader = {.now = now, .window = window};
    *whole = FALSE;
    g_autofree char *text = fileio_read(path, FILE_MAX_LEN, &len, &missing, &unread);
    if (text)
        *whole = read_text(&reader, path, text);
    else if (!missing)
        g_propagate_error(error, g_steal_pointer(&unread));
    return text || missing;
}

/* ---- writing ---- */

static void format_line(GString *text, const LedgerMoment *now, const LedgerLine *line)
{
    g_string_append_printf(text,
                           "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
                           " %" G_GINT64_FORMAT "\n",
                           MAX(now->wall_s - (now->boot_s - line->at_s), 0), line->at_s,
                           line->messages, line->recipients);
}

static gboolean close_after(int fd, gboolean ok, const char *path, GError **error)
{
    if (close(fd) != 0 && ok)
        return set_io_error(error, "write", path);
    return ok;
}

gboolean ledger_file_append(const char *path, const LedgerMoment *now, const LedgerLine *lines,
                            gsize n, gint64 *len, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (gsize i = 0; i < n; i++)
        format_line(text, now, &lines[i]);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return set_io_error(error, "open", path);
    struct stat st;
    gboolean ok = fileio_write_all(fd, text->str, text->len, error);
    if (ok && len && fstat(fd, &st) == 0)
        *len = st.st_size;
    return close_after(fd, ok, path, error);
}

gboolean ledger_file_sync(const char *path, GError **error)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return set_io_error(error, "open", path);
    gboolean ok = fdatasync(fd) == 0 || set_io_error(error, "sync", path);
    return close_after(fd, ok, path, error);
}

gboolean ledger_file_write(const char *path, const LedgerMoment *now, const Window *window,
                           GError **error)
{
    g_autoptr(GString) text = g_string_new(HEAD);
    g_string_append_printf(text, "%s\n", now->boot_id);
    for (guint i = 0; i < window->entries->len; i++)
        format_line(text, now, &g_array_index(window->entries, LedgerLine, i));
    return fileio_replace(path, text->str, text->len, 0600, error);
}

#include "log.h"

#include "secret.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_LEN 2000

static const char *log_program = "postkey";
static LogLevel log_threshold = LOG_LEVEL_INFO;
static gboolean log_to_journal;

static const struct {
    const char *name;
    LogLevel level;
} level_names[] = {
    {"error", LOG_LEVEL_ERROR}, {"warning", LOG_LEVEL_WARNING}, {"notice", LOG_LEVEL_NOTICE},
    {"info", LOG_LEVEL_INFO},   {"debug", LOG_LEVEL_DEBUG},
};

static const char *level_name(LogLevel level)
{
    for (gsize i = 0; i < G_N_ELEMENTS(level_names); i++)
        if (level_names[i].level == level)
            return level_names[i].name;
    return "info";
}

gboolean log_level_parse(const char *name, LogLevel *level)
{
    for (gsize i = 0; i < G_N_ELEMENTS(level_names); i++) {
        if (g_strcmp0(level_names[i].name, name) == 0) {
            *level = level_names[i].level;
            return TRUE;
        }
    }
    return FALSE;
}

/* $JOURNAL_STREAM is "device:inode" of the stream that systemd connected; a redirected stderr is
 * another. */
static gboolean stderr_is_journal(void)
{
    const char *named = g_getenv("JOURNAL_STREAM");
    struct stat st;
    if (!named || fstat(STDERR_FILENO, &st) != 0)
        return FALSE;
    g_autofree char *ours = g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                                            (guint64)st.st_dev, (guint64)st.st_ino);
    return strcmp(named, ours) == 0;
}

/* What a terminal obeys instead of showing: C0 and C1 controls, and the marks that turn the
 * direction of text. */
static gboolean is_shown(gunichar c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return FALSE;
    return !(c == 0x061c || (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
             (c >= 0x2066 && c <= 0x2069) || (c >= 0x2028 && c <= 0x2029));
}

char *log_printable(const char *text, gsize max_len)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)strnlen(text, max_len));
    GString *out = g_string_new(NULL);
    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (is_shown(c))
            g_string_append_unichar(out, c);
        else if (c < 0x100)
            g_string_append_printf(out, "\\x%02x", c);
        else
            g_string_append_printf(out, "\\u%04x", c);
    }
    return g_string_free(out, FALSE);
}

static void write_line(LogLevel level, const char *text)
{
    if (level > log_threshold)
        return;
    g_autofree char *redacted = secret_redact(text);
    g_autofree char *printable = log_printable(redacted, LINE_MAX_LEN);
    if (log_to_journal) {
        fprintf(stderr, "<%d>%s\n", (int)level, printable);
        return;
    }
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    fprintf(stderr, "%s %s[%d] %s: %s\n", stamp, log_program, (int)getpid(), level_name(level),
            printable);
}

static void write_format(LogLevel level, const char *format, va_list args) G_GNUC_PRINTF(2, 0);

static void write_format(LogLevel level, const char *format, va_list args)
{
    if (level > log_threshold)
        return;
    char *text = g_strdup_vprintf(format, args);
    write_line(level, text);
    secret_wipe_string(text); /* it may have held what write_line() redacts */
}

#define DEFINE_LOG_FUNCTION(name, level)                                                           \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        write_format(level, format, args);                                                         \
        va_end(args);                                                                              \
    }

DEFINE_LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
DEFINE_LOG_FUNCTION(log_notice, LOG_LEVEL_NOTICE)
DEFINE_LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
DEFINE_LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

static void write_glib_message(const char *domain, GLogLevelFlags flags, const char *message,
                               G_GNUC_UNUSED gpointer data)
{
    LogLevel level = LOG_LEVEL_DEBUG;
    if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        level = LOG_LEVEL_ERROR;
    else if (flags & G_LOG_LEVEL_WARNING)
        level = LOG_LEVEL_WARNING;
    g_autofree char *text = g_strdup_printf("%s: %s", domain ? domain : "?", message);
    write_line(level, text);
}

void log_open(const char *program, LogLevel level)
{
    log_program = program;
    log_threshold = level;
    log_to_journal = stderr_is_journal();
    g_log_set_default_handler(write_glib_message, NULL);
}

/* The log: one line for each event, to stderr.
 *
 * Under journald ($JOURNAL_STREAM names our stderr) a line starts with its priority as "<N>";
 * elsewhere with the UTC time and the level. Control characters of what peers sent are escaped, and
 * every living secret is replaced by "<secret>" at this one place, whatever the level.
 */
#pragma once

#include <glib.h>

/* The numbers are syslog's. */
typedef enum {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
} LogLevel;

/* Names the program in each line (borrowed, static) and sets the level; also takes over GLib's own
 * messages. */
void log_open(const char *program, LogLevel level);

/* "error", "warning", "notice", "info", "debug" -> level. FALSE when it is none of them. */
gboolean log_level_parse(const char *name, LogLevel *level);

void log_error(const char *format, ...) G_GNUC_PRINTF(1, 2);
void log_warning(const char *format, ...) G_GNUC_PRINTF(1, 2);
void log_notice(const char *format, ...) G_GNUC_PRINTF(1, 2);
void log_info(const char *format, ...) G_GNUC_PRINTF(1, 2);
void log_debug(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Text from outside made fit for one line: control characters as \xNN, invalid UTF-8 replaced, and
 * cut after max_len bytes. Returns owned. */
char *log_printable(const char *text, gsize max_len);

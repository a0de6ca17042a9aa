#include "record.h"

#include "guard.h"
#include "json.h"

#include <errno.h>
#include <stdio.h>

static GMutex mutex;
static FILE *file;

gboolean record_init(const char *dir, GError **error)
{
    g_autofree char *path = g_build_filename(dir, "log.txt", NULL);
    file = fopen(path, "ae");
    if (file == NULL)
        g_set_error(error, SIM_ERROR, 0, "%s: %s", path, g_strerror(errno));
    return file != NULL;
}

void record_clear(void)
{
    if (file != NULL)
        (void)fclose(file); /* a log that is cut short harms nobody */
    file = NULL;
}

void record(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = '?';
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%H:%M:%S.%f");
    GUARD(&mutex);
    if (file == NULL)
        return;
    fprintf(file, "%s %s\n", stamp, text);
    (void)fflush(file); /* likewise */
}

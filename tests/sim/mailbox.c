#include "mailbox.h"

#include "record.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

static GMutex mutex;
static char *folder;
static guint last_number;

gboolean mailbox_init(const char *dir, GError **error)
{
    folder = g_build_filename(dir, "mail", NULL);
    if (g_mkdir_with_parents(folder, 0700) < 0) {
        g_set_error(error, SIM_ERROR, 0, "%s: %s", folder, g_strerror(errno));
        return FALSE;
    }
    g_autoptr(GDir) files = g_dir_open(folder, 0, error);
    if (files == NULL)
        return FALSE;
    for (const char *name = g_dir_read_name(files); name != NULL; name = g_dir_read_name(files))
        last_number = MAX(last_number, (guint)g_ascii_strtoull(name, NULL, 10));
    return TRUE;
}

void mailbox_clear(void)
{
    g_clear_pointer(&folder, g_free);
}

static gboolean store_file(guint number, const char *suffix, const char *data, gsize len)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("%04u.%s", number, suffix);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (g_file_set_contents(path, data, (gssize)len, &error))
        return TRUE;
    record("mailbox: %s", error->message);
    return FALSE;
}

gboolean mailbox_store(const GString *content, const cJSON *envelope)
{
    g_mutex_lock(&mutex);
    guint number = ++last_number;
    g_mutex_unlock(&mutex);
    char *text = cJSON_Print(envelope);
    gboolean stored = store_file(number, "eml", content->str, content->len) &&
                      store_file(number, "json", text, strlen(text));
    cJSON_free(text);
    return stored;
}

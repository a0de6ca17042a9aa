#include "scratch.h"

#include <glib/gstdio.h>
#include <stdlib.h>

static char *folder;

/* Folders of ours are not deep. What cannot be removed lies in /dev/shm until the next boot. */
static void remove_folder(const char *path)
{
    g_autoptr(GDir) names = g_dir_open(path, 0, NULL);
    for (const char *name; names && (name = g_dir_read_name(names));) {
        g_autofree char *member = g_build_filename(path, name, NULL);
        if (g_file_test(member, G_FILE_TEST_IS_DIR))
            remove_folder(member);
        else
            (void)g_remove(member);
    }
    (void)g_rmdir(path);
}

static void remove_scratch(void)
{
    remove_folder(folder);
    g_free(folder);
}

const char *scratch_folder(void)
{
    if (folder)
        return folder;
    /* In memory an fsync costs nothing. */
    const char *base = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();
    folder = g_build_filename(base, "postkey-fuzz.XXXXXX", NULL);
    if (!g_mkdtemp(folder) || atexit(remove_scratch) != 0)
        g_error("no scratch folder in %s", base);
    return folder;
}

char *scratch_file(const char *name, const void *bytes, gsize len)
{
    char *path = g_build_filename(scratch_folder(), name, NULL);
    g_autoptr(GError) error = NULL;
    (void)g_remove(path); /* GLib does not shorten what is there */
    if (!g_file_set_contents_full(path, bytes, (gssize)len, G_FILE_SET_CONTENTS_NONE, 0600, &error))
        g_error("%s", error->message);
    return path;
}

char *scratch_vacant_folder(const char *name)
{
    char *path = g_build_filename(scratch_folder(), name, NULL);
    remove_folder(path);
    return path;
}

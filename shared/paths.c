#include "paths.h"

#include "errors.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean is_own_dir(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

char *paths_runtime_dir(GError **error)
{
    const char *named = g_getenv("XDG_RUNTIME_DIR");
    if (named && g_path_is_absolute(named))
        return g_strdup(named);
    g_autofree char *usual = g_strdup_printf("/run/user/%u", (guint)geteuid());
    if (is_own_dir(usual))
        return g_steal_pointer(&usual);
    error_set(
        error, POSTKEY_ERROR_CONFIGURATION,
        "the broker's socket lives in the runtime folder that a login session provides, and "
        "this caller has none",
        "set XDG_RUNTIME_DIR to a folder of mode 0700 that is yours, or POSTKEY_SOCKET to the "
        "broker's socket",
        "no runtime folder: XDG_RUNTIME_DIR is not set and %s is not there", usual);
    return NULL;
}

char *paths_user_socket(GError **error)
{
    g_autofree char *runtime = paths_runtime_dir(error);
    return runtime ? g_build_filename(runtime, "postkey", "broker.sock", NULL) : NULL;
}

char *paths_state_dir(void)
{
    return g_build_filename(g_get_user_state_dir(), "postkey", NULL);
}

char *paths_queue_dir(PathsScope scope)
{
    const char *named = g_getenv("POSTKEY_QUEUE");
    if (scope == PATHS_SYSTEM)
        return g_strdup(PATHS_SYSTEM_QUEUE);
    if (scope == PATHS_ANY && named && g_path_is_absolute(named))
        return g_strdup(named);
    g_autofree char *state = paths_state_dir();
    return g_build_filename(state, "queue", NULL);
}

gboolean paths_check_queue(PathsScope scope, GError **error)
{
    const char *named = g_getenv("POSTKEY_QUEUE");
    if (scope != PATHS_ANY || !named || !*named || g_path_is_absolute(named))
        return TRUE;
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "it would mean another folder in each folder",
              "write the whole path, from /", "POSTKEY_QUEUE is not an absolute path: %s", named);
    return FALSE;
}

char *paths_user_config(void)
{
    return g_build_filename(g_get_user_config_dir(), "postkey", "postkey.conf", NULL);
}

static gboolean check_owner(const char *dir, const struct stat *st, GError **error)
{
    if (st->st_uid == geteuid())
        return TRUE;
    g_autofree char *mend =
        g_strdup_printf("run this as uid %u; a folder that should be yours: chown it to yourself",
                        (guint)st->st_uid);
    error_set(error, POSTKEY_ERROR_IO,
              "what postkey keeps in a folder is for its owner alone, and you are another user",
              mend, "the folder %s belongs to uid %u, and this runs as uid %u", dir,
              (guint)st->st_uid, (guint)geteuid());
    return FALSE;
}

static gboolean check_mode(const char *dir, const struct stat *st, GError **error)
{
    if (!(st->st_mode & 077))
        return TRUE;
    g_autofree char *mend = g_strdup_printf("chmod 700 '%s'", dir);
    error_set(error, POSTKEY_ERROR_IO, "others could read or replace what postkey keeps there",
              mend, "the folder %s is open to others (mode %03o)", dir,
              (guint)(st->st_mode & 0777));
    return FALSE;
}

gboolean paths_private_dir(const char *dir, GError **error)
{
    struct stat st;
    if (g_mkdir_with_parents(dir, 0700) != 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL,
                  "create it with mode 0700, or make its parent writable",
                  "cannot create the folder %s: %s", dir, g_strerror(errno));
        return FALSE;
    }
    if (lstat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        error_set(error, POSTKEY_ERROR_IO, "it may lead somewhere that others control",
                  "put a real folder in its place", "%s is not a folder", dir);
        return FALSE;
    }
    return check_owner(dir, &st, error) && check_mode(dir, &st, error);
}

char *paths_sibling_program(const char *name)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    if (!self)
        return NULL;
    g_autofree char *dir = g_path_get_dirname(self);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    return g_file_test(path, G_FILE_TEST_IS_EXECUTABLE) ? g_steal_pointer(&path) : NULL;
}

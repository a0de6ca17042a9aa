#include "sandbox.h"

#include "errors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of version 3, which is younger than the headers of Debian 12. */
#define RIGHT_TRUNCATE (1ULL << 14)

/* Folders that SANDBOX_WRITE was given for, by what they are, not by their names. */
typedef struct {
    dev_t dev;
    ino_t ino;
} Folder;

/* A sandbox is the whole process's; set once, before there are threads. */
static GArray *writable; /* of Folder; NULL: not confined */

/* ---- what the kernel knows ---- */

#define RIGHTS_WRITE                                                                               \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)

static guint64 all_rights(long version)
{
    guint64 rights = RIGHTS_WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    if (version >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER; /* version 1 always refuses it */
    if (version >= 3)
        rights |= RIGHT_TRUNCATE;
    return rights;
}

static guint64 rights_of(const SandboxPlace *place)
{
    guint64 rights = 0;
    if (place->rights & SANDBOX_REMOVE)
        rights |= LANDLOCK_ACCESS_FS_REMOVE_FILE;
    if (place->rights & SANDBOX_WRITE)
        rights |= RIGHTS_WRITE | RIGHT_TRUNCATE;
    if (place->rights & SANDBOX_FOLDERS)
        rights |= LANDLOCK_ACCESS_FS_MAKE_DIR;
    return rights;
}

/* 0: there is none. */
static long landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return MAX(version, 0);
}

/* ---- the rules ---- */

static gboolean set_failure(GError **error, const char *what)
{
    error_set(error, POSTKEY_ERROR_IO,
              "Landlock is there, but the broker could not shut itself in with it", NULL,
              "cannot %s: %s", what, g_strerror(errno));
    return FALSE;
}

static void note_writable(GArray *folders, int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0) {
        Folder folder = {.dev = st.st_dev, .ino = st.st_ino};
        g_array_append_val(folders, folder);
    }
}

static gboolean allow(int ruleset, guint64 handled, const SandboxPlace *place, GArray *folders,
                      GError **error)
{
    int fd = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return TRUE; /* where there is nothing nothing can be written */
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights_of(place) & handled,
                                                    .parent_fd = fd};
    gboolean ok =
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    if (!ok)
        (void)set_failure(error, "add a rule of Landlock");
    else if (place->rights & SANDBOX_WRITE)
        note_writable(folders, fd);
    (void)close(fd); /* nothing was written */
    return ok;
}

static gboolean apply(int ruleset, guint64 handled, const SandboxPlace *places, gsize n,
                      GError **error)
{
    g_autoptr(GArray) folders = g_array_new(FALSE, FALSE, sizeof(Folder));
    for (gsize i = 0; i < n; i++)
        if (!allow(ruleset, handled, &places[i], folders, error))
            return FALSE;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return set_failure(error, "apply the rules of Landlock");
    writable = g_steal_pointer(&folders);
    return TRUE;
}

/* A thread that is there already would stay outside. Without /proc nobody knows of any. */
static gboolean is_alone(GError **error)
{
    struct stat st;
    if (stat("/proc/self/task", &st) != 0 || st.st_nlink <= 2 + 1) /* a link for each thread */
        return TRUE;
    error_set(error, POSTKEY_ERROR_IO, "a sandbox would not hold for all of it",
              "report it: this is a fault of postkey", "the broker has threads already");
    return FALSE;
}

gboolean sandbox_confine(const SandboxPlace *places, gsize n, gboolean *confined, GError **error)
{
    *confined = FALSE;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return set_failure(error, "give up new privileges");
    long version = landlock_version();
    if (version == 0)
        return TRUE;
    if (!is_alone(error))
        return FALSE;
    const struct landlock_ruleset_attr attr = {.handled_access_fs = all_rights(version)};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return set_failure(error, "make rules of Landlock");
    *confined = apply(ruleset, attr.handled_access_fs, places, n, error);
    (void)close(ruleset); /* nothing was written */
    return *confined;
}

/* ---- what it means for a path ---- */

static gboolean is_writable(const struct stat *st)
{
    for (guint i = 0; i < writable->len; i++) {
        const Folder *folder = &g_array_index(writable, Folder, i);
        if (folder->dev == st->st_dev && folder->ino == st->st_ino)
            return TRUE;
    }
    return FALSE;
}

/* Whether the folder or one above it is writable; path has no links in it, and is cut on the way
 * up. */
static gboolean is_below_writable(char *path)
{
    for (;;) {
        struct stat st;
        if (stat(*path ? path : "/", &st) == 0 && is_writable(&st))
            return TRUE;
        if (!*path)
            return FALSE;
        *strrchr(path, '/') = '\0';
    }
}

gboolean sandbox_check(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    char *real = writable ? realpath(folder, NULL) : NULL;
    gboolean allowed = !real || is_below_writable(real);
    free(real);
    if (allowed)
        return TRUE;
    g_autofree char *mend = g_strdup_printf(
        "restart the broker (process %d): it asks the configuration then", (int)getpid());
    error_set(error, POSTKEY_ERROR_CONFIGURATION,
              "for safety the broker writes only below the folders that it knew when it started",
              mend, "the broker may not write in %s", folder);
    return FALSE;
}

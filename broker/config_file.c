#include "config_file.h"

#include "errors.h"
#include "fileio.h"
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean check_writers(const char *path, const struct stat *st, GError **error)
{
    gboolean owned = st->st_uid == geteuid() || st->st_uid == 0;
    if (owned && !(st->st_mode & 022))
        return TRUE;
    g_autofree char *mend = owned ? g_strdup_printf("chmod go-w '%s'", path)
                                  : g_strdup_printf("chown it to yourself or root: '%s'", path);
    error_set(error, POSTKEY_ERROR_CONFIGURATION,
              "whoever writes it decides where tokens and mail go", mend,
              "%s: others can write this file (mode %03o, uid %u)", path,
              (guint)(st->st_mode & 0777), (guint)st->st_uid);
    return FALSE;
}

/* A service reads root's file by its group. */
static gboolean is_private(const struct stat *st)
{
    gboolean group_is_ours = st->st_uid == 0 && st->st_gid == getegid();
    return !(st->st_mode & (group_is_ours ? 007 : 077));
}

static gboolean read_descriptor(int fd, ConfigFile *file, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL, "name a file there",
                  "%s: this is no regular file", file->path);
        return FALSE;
    }
    if (!check_writers(file->path, &st, error))
        return FALSE;
    file->is_private = is_private(&st);
    g_autoptr(GError) unread = NULL;
    file->text = fileio_read_fd(fd, CONFIG_FILE_MAX_LEN, &file->len, &unread);
    if (!file->text)
        error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL, "name a configuration file there",
                  "%s: cannot read the configuration: %s", file->path, unread->message);
    return file->text != NULL;
}

/* The modes are those of what is read, not of what had the name a moment before. */
gboolean config_file_read(const char *path, ConfigFile *file, gboolean *missing, GError **error)
{
    *file = (ConfigFile){.path = g_strdup(path)};
    *missing = FALSE;
    /* O_NONBLOCK: a FIFO is refused, not waited for */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        *missing = errno == ENOENT || errno == ENOTDIR;
        error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL,
                  *missing ? "create it, or name another" : "make it readable for the broker",
                  "%s: cannot open the configuration: %s", path, g_strerror(errno));
        return FALSE;
    }
    gboolean good = read_descriptor(fd, file, error);
    (void)close(fd); /* nothing was written */
    return good;
}

void config_file_clear(ConfigFile *file)
{
    g_free(file->path);
    secret_wipe_bytes(file->text, file->len);
    *file = (ConfigFile){0};
}

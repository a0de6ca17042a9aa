#include "sealed_folder.h"

#include "errors.h"
#include "fileio.h"
#include "log.h"
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".sealed"
#define LOCK_FILE ".lock"
/* So that the suffix and that of a temporary file fit into NAME_MAX. */
#define ESCAPED_MAX_LEN ((gsize)200)

/* ---- names ---- */

static char *file_name(const char *name)
{
    g_autoptr(GString) escaped = g_string_new(NULL);
    for (const char *p = name; *p; p++) {
        if (g_ascii_isalnum(*p) || strchr(p == name ? "_@" : "_@+-.", *p))
            g_string_append_c(escaped, *p);
        else
            g_string_append_printf(escaped, "%%%02X", (guchar)*p);
    }
    if (escaped->len <= ESCAPED_MAX_LEN)
        return g_strconcat(escaped->str, SUFFIX, NULL);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
    return g_strconcat("%%", digest, SUFFIX, NULL);
}

static char *path_of_file(const SealedFolder *folder, const char *file)
{
    return g_build_filename(folder->path, file, NULL);
}

static char *path_of(const SealedFolder *folder, const char *name)
{
    g_autofree char *file = file_name(name);
    return path_of_file(folder, file);
}

/* ---- the folder ---- */

void sealed_folder_init(SealedFolder *folder, const char *path)
{
    *folder = (SealedFolder){.path = g_strdup(path), .lock_fd = -1};
}

void sealed_folder_clear(SealedFolder *folder)
{
    if (folder->lock_fd >= 0)
        (void)close(folder->lock_fd); /* nothing was written */
    folder->lock_fd = -1;
    g_clear_pointer(&folder->path, g_free);
}

static GPtrArray *list_folder(const SealedFolder *folder, gboolean (*wanted)(const char *),
                              GError **error)
{
    g_autoptr(GError) unread = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder->path, 0, &unread);
    if (!dir) {
        error_set(error, POSTKEY_ERROR_IO, "nothing is known of the credentials in it",
                  "look at the file system and its permissions",
                  "cannot read the folder of credentials %s: %s", folder->path, unread->message);
        return NULL;
    }
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; (name = g_dir_read_name(dir));)
        if (wanted(name))
            g_ptr_array_add(files, g_strdup(name));
    return g_steal_pointer(&files);
}

static gboolean is_credential(const char *file)
{
    return *file != '.' && g_str_has_suffix(file, SUFFIX);
}

/* As fileio_replace() names them: a credential's file and ".XXXXXX". The account "x.sealed" has a
 * file of that form, too; it is told by its end. */
static gboolean is_temporary(const char *file)
{
    gsize len = strlen(file), added = strlen(".XXXXXX");
    g_autofree char *replaced = len > added ? g_strndup(file, len - added) : NULL;
    return replaced && file[len - added] == '.' && is_credential(replaced) && !is_credential(file);
}

static gboolean sweep(const SealedFolder *folder, GError **error)
{
    g_autoptr(GPtrArray) leftovers = list_folder(folder, is_temporary, error);
    for (guint i = 0; leftovers && i < leftovers->len; i++) {
        g_autofree char *path = path_of_file(folder, leftovers->pdata[i]);
        if (!fileio_remove(path, error))
            return FALSE;
        log_notice("removed %s, left behind by a crash", path);
    }
    return leftovers != NULL;
}

static gboolean take(SealedFolder *folder, GError **error)
{
    g_autofree char *path = path_of_file(folder, LOCK_FILE);
    gboolean busy = FALSE;
    int fd = fileio_lock(path, FALSE, &busy, error);
    if (busy)
        error_set(error, POSTKEY_ERROR_KEYRING_UNAVAILABLE, "another postkey-broker runs with it",
                  "end the other one, or give each its own state folder (XDG_STATE_HOME)",
                  "the folder of credentials %s is in use", folder->path);
    if (fd < 0)
        return FALSE;
    folder->lock_fd = fd;
    if (sweep(folder, error))
        return TRUE;
    (void)close(fd); /* nothing was written */
    folder->lock_fd = -1;
    return FALSE;
}

gboolean sealed_folder_open(SealedFolder *folder, GError **error)
{
    return paths_private_dir(folder->path, error) && (folder->lock_fd >= 0 || take(folder, error));
}

GPtrArray *sealed_folder_files(const SealedFolder *folder, GError **error)
{
    return list_folder(folder, is_credential, error);
}

/* ---- one file ---- */

static gboolean check_modes(int fd, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077))
        return TRUE;
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "postkey makes them so: something else was here",
              "find out who changed it; then chown it to the broker's user, and chmod 600",
              "this is no file of mode 0600 of our own");
    return FALSE;
}

/* NULL without an error: there is none. */
static char *read_box(const char *path, gsize *len, GError **error)
{
    g_autoptr(GError) fault = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return NULL;
    char *box = NULL;
    if (fd < 0)
        error_set(&fault, POSTKEY_ERROR_IO, "something else was here, or the disk is failing",
                  "look at the file system and its permissions", "cannot open this credential: %s",
                  g_strerror(errno));
    else if (check_modes(fd, &fault))
        box = fileio_read_fd(fd, SEALED_BOX_MAX_LEN, len, &fault);
    if (fd >= 0)
        (void)close(fd); /* nothing was written */
    if (fault)
        g_propagate_prefixed_error(error, g_steal_pointer(&fault), "%s: ", path);
    return box;
}

static Secret *open_path(const char *path, const char *name, const SealedKeys *keys, GError **error)
{
    gsize len = 0;
    g_autofree char *box = read_box(path, &len, error);
    if (!box)
        return NULL;
    Secret *secret = sealed_box_open(box, len, name, keys, error);
    if (!secret)
        g_prefix_error(error, "%s: ", path);
    return secret;
}

Secret *sealed_folder_read(const SealedFolder *folder, const char *name, const SealedKeys *keys,
                           GError **error)
{
    g_autofree char *path = path_of(folder, name);
    return open_path(path, name, keys, error);
}

gboolean sealed_folder_write(const SealedFolder *folder, const char *name, const Secret *secret,
                             const SealedKeys *keys, GError **error)
{
    if (strlen(name) > SEALED_BOX_NAME_MAX_LEN) {
        error_set(error, POSTKEY_ERROR_REFUSED, "its file could not hold it",
                  "give the account a shorter name", "the name of a credential is too long");
        return FALSE;
    }
    gsize len = 0;
    g_autofree char *path = path_of(folder, name);
    g_autofree char *box = sealed_box_seal(sealed_keys_sealing(keys), name, secret, &len, error);
    return box && fileio_replace(path, box, len, 0600, error);
}

gboolean sealed_folder_remove(const SealedFolder *folder, const char *name, GError **error)
{
    g_autofree char *path = path_of(folder, name);
    return fileio_remove(path, error);
}

char *sealed_folder_name_of(const SealedFolder *folder, const char *file, GError **error)
{
    gsize len = 0;
    g_autofree char *path = path_of_file(folder, file);
    g_autofree char *box = read_box(path, &len, error);
    if (!box)
        return NULL;
    g_autofree char *name = sealed_box_name(box, len, error);
    if (!name) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    g_autofree char *right = file_name(name);
    if (strcmp(right, file) == 0)
        return g_steal_pointer(&name);
    g_autofree char *shown = log_printable(name, SEALED_BOX_NAME_MAX_LEN);
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "somebody renamed or exchanged files",
              "give it its name back, or remove it",
              "%s: this is the credential of %s, whose file is %s", path, shown, right);
    return NULL;
}

gboolean sealed_folder_reseal(const SealedFolder *folder, const char *file, const SealedKeys *keys,
                              gboolean *changed, GError **error)
{
    g_autoptr(GError) fault = NULL;
    gsize len = 0;
    *changed = FALSE;
    g_autofree char *path = path_of_file(folder, file);
    g_autofree char *name = sealed_folder_name_of(folder, file, &fault);
    g_autofree char *box = name ? read_box(path, &len, &fault) : NULL;
    g_autoptr(Secret) secret = NULL;
    if (box)
        secret = open_path(path, name, keys, &fault);
    if (secret && !sealed_box_has_key(box, len, sealed_keys_sealing(keys))) {
        *changed = sealed_folder_write(folder, name, secret, keys, &fault);
        g_autoptr(Secret) written = *changed ? open_path(path, name, keys, &fault) : NULL;
        if (*changed && !fault && !secret_equal(written, secret))
            error_set(&fault, POSTKEY_ERROR_IO, "the disk may be failing", NULL,
                      "%s: what was written is not what is there", path);
    }
    if (!fault)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&fault));
    return FALSE;
}

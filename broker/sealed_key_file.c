#include "sealed_key_file.h"

#include "errors.h"
#include "fileio.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than any form of a key. */
#define KEY_FILE_MAX_LEN ((gsize)4096)

void sealed_key_file_find(const char *key_file, SealedKeyFile *file)
{
    const char *folder = g_getenv("CREDENTIALS_DIRECTORY");
    *file = (SealedKeyFile){0};
    if (folder && g_path_is_absolute(folder)) {
        file->path = g_build_filename(folder, SEALED_KEY_CREDENTIAL, NULL);
        file->of_systemd = g_file_test(file->path, G_FILE_TEST_EXISTS);
    }
    if (!file->of_systemd) {
        g_free(file->path);
        file->path = g_strdup(key_file);
    }
    file->next_path = g_strconcat(file->path, ".new", NULL);
}

void sealed_key_file_clear(SealedKeyFile *file)
{
    g_clear_pointer(&file->path, g_free);
    g_clear_pointer(&file->next_path, g_free);
}

/* A link that leads nowhere is there, too. */
static gboolean is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || errno != ENOENT;
}

gboolean sealed_key_file_exists(const SealedKeyFile *file)
{
    return is_there(file->path) || is_there(file->next_path);
}

/* ---- reading ---- */

/* systemd lets the service's user in by an ACL, whose mask looks like a group's right. */
static gboolean check_modes(int fd, const char *path, gboolean of_systemd, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, "the key has to be a file of its own",
                  "name another: key_file= in postkey.conf", "%s is no regular file", path);
        return FALSE;
    }
    gboolean owned = st.st_uid == geteuid() || st.st_uid == 0;
    if (of_systemd || (owned && !(st.st_mode & 077)))
        return TRUE;
    g_autofree char *mend = g_strdup_printf(
        "chown it to yourself, and: chmod 600 '%s'; if somebody may have seen it: postkey store "
        "rekey",
        path);
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "whoever has the key can open the credentials",
              mend, "the key of the store, %s, is open to others (mode %03o, uid %u)", path,
              (guint)(st.st_mode & 0777), (guint)st.st_uid);
    return FALSE;
}

static SealedKey *read_descriptor(int fd, const char *path, gboolean of_systemd, GError **error)
{
    if (!check_modes(fd, path, of_systemd, error))
        return NULL;
    gsize len = 0;
    char *text = fileio_read_fd(fd, KEY_FILE_MAX_LEN, &len, NULL); /* told as no key, below */
    SealedKey *key = text ? sealed_key_parse(text, len) : NULL;
    secret_wipe_bytes(text, len);
    if (!key)
        error_set(error, POSTKEY_ERROR_CONFIGURATION,
                  "a key is 64 hexadecimal digits, or 32 bytes as they are",
                  "put the right key back from its copy",
                  "%s holds no key of a store, or a part of one", path);
    return key;
}

/* TRUE without a key: there is no such file. */
static gboolean read_key(const char *path, gboolean of_systemd, SealedKey **key, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return TRUE;
    if (fd < 0) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, "the broker has to be able to read it",
                  "look at the modes of the file and of its folders",
                  "cannot open the key of the store, %s: %s", path, g_strerror(errno));
        return FALSE;
    }
    *key = read_descriptor(fd, path, of_systemd, error);
    (void)close(fd); /* nothing was written */
    return *key != NULL;
}

gboolean sealed_key_file_read(const SealedKeyFile *file, SealedKeys *keys, GError **error)
{
    *keys = (SealedKeys){0};
    if (!read_key(file->path, file->of_systemd, &keys->current, error) ||
        !read_key(file->next_path, file->of_systemd, &keys->next, error))
        return FALSE;
    if (sealed_keys_sealing(keys))
        return TRUE;
    error_set(error, POSTKEY_ERROR_KEYRING_UNAVAILABLE,
              "no credential can be sealed or opened without it",
              "put it back from its copy; for a store that is new: postkey store init",
              "the key of the store is not there: %s", file->path);
    return FALSE;
}

/* ---- making ---- */

static gboolean write_new_key(const char *path, GError **error)
{
    if (!sandbox_check(path, error))
        return FALSE;
    g_autoptr(SealedKey) key = sealed_key_new();
    char text[SEALED_KEY_TEXT_LEN + 1];
    g_strlcpy(text, secret_reveal(key->digits), sizeof text);
    text[SEALED_KEY_TEXT_LEN - 1] = '\n';
    gboolean ok = fileio_replace(path, text, SEALED_KEY_TEXT_LEN, 0600, error);
    explicit_bzero(text, sizeof text);
    return ok;
}

gboolean sealed_key_file_create(const SealedKeyFile *file, GError **error)
{
    if (sealed_key_file_exists(file)) {
        error_set(error, POSTKEY_ERROR_REFUSED, "what it sealed could never be opened without it",
                  "keep it; to replace it with a new one: postkey store rekey",
                  "the store has a key already: %s", file->path);
        return FALSE;
    }
    return write_new_key(file->path, error);
}

gboolean sealed_key_file_begin_change(const SealedKeyFile *file, GError **error)
{
    if (is_there(file->next_path))
        return TRUE;
    if (!file->of_systemd)
        return write_new_key(file->next_path, error);
    error_set(error, POSTKEY_ERROR_REFUSED,
              "the key comes from the service's credentials, which the broker cannot write",
              "add a second credential, " SEALED_KEY_CREDENTIAL
              ".new, with a new key (openssl rand -hex 32) to the unit, restart the broker, and "
              "run this again",
              "there is no new key: %s", file->next_path);
    return FALSE;
}

gboolean sealed_key_file_end_change(const SealedKeyFile *file, GError **error)
{
    return file->of_systemd || fileio_move(file->next_path, file->path, error);
}

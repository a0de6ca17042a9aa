#include "listen.h"

#include "errors.h"
#include "fileio.h"
#include "log.h"
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_PASSED_FD 3 /* sd_listen_fds(3) */

gboolean listen_is_activated(void)
{
    const char *pid = g_getenv("LISTEN_PID");
    const char *count = g_getenv("LISTEN_FDS");
    return pid && count && g_ascii_strtoll(pid, NULL, 10) == getpid() &&
           g_ascii_strtoll(count, NULL, 10) >= 1;
}

static gboolean take_passed(Listener *listener, GError **error)
{
    int accepting = 0;
    socklen_t len = sizeof accepting;
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    if (getsockopt(FIRST_PASSED_FD, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &len) != 0 ||
        !accepting || fcntl(FIRST_PASSED_FD, F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(FIRST_PASSED_FD, F_SETFD, FD_CLOEXEC) != 0) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL, "use ListenStream= in the socket unit",
                  "the descriptor passed is no listening stream socket");
        return FALSE;
    }
    *listener = (Listener){.fd = FIRST_PASSED_FD, .lock_fd = -1};
    return TRUE;
}

static gboolean set_io_error(GError **error, const char *what, const char *path)
{
    error_set(error, POSTKEY_ERROR_IO, "nobody could reach this program there",
              "look at the file system and its permissions", "%s %s: %s", what, path,
              g_strerror(errno));
    return FALSE;
}

/* The caller holds the lock: whatever lies at the path is left over from a broker that was killed.
 */
static gboolean bind_path(int fd, const char *path, mode_t mask, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return set_io_error(error, "cannot listen at", path);
    }
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL, "name another path",
                  "%s is there and no socket", path);
        return FALSE;
    }
    if (TEMP_FAILURE_RETRY(unlink(path)) != 0 && errno != ENOENT)
        return set_io_error(error, "cannot remove the old socket", path);
    mode_t before = umask(mask);
    int rc = bind(fd, (const struct sockaddr *)&address, sizeof address);
    int bind_errno = errno;
    (void)umask(before);
    errno = bind_errno;
    if (rc != 0 || listen(fd, SOMAXCONN) != 0)
        return set_io_error(error, "cannot listen at", path);
    return TRUE;
}

/* What is there already is left as it is: who made it knows who may pass. */
static gboolean make_folder(const char *folder, gboolean for_everybody, GError **error)
{
    if (g_file_test(folder, G_FILE_TEST_IS_DIR))
        return TRUE;
    if (!for_everybody)
        return paths_private_dir(folder, error);
    mode_t before = umask(0022);
    int rc = g_mkdir_with_parents(folder, 0755);
    int mkdir_errno = errno;
    (void)umask(before);
    errno = mkdir_errno;
    return rc == 0 || set_io_error(error, "cannot create the folder", folder);
}

static gboolean open_own(const char *path, gboolean for_everybody, Listener *listener,
                         GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *lock_path = g_strconcat(path, ".lock", NULL);
    if (!make_folder(folder, for_everybody, error))
        return FALSE;
    gboolean busy;
    int lock_fd = fileio_lock(lock_path, FALSE, &busy, error);
    if (busy)
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "one program serves one socket",
                  "use the one that runs, or stop it", "another program serves %s", path);
    if (lock_fd < 0)
        return FALSE;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !bind_path(fd, path, for_everybody ? 0111 : 0177, error)) {
        if (fd < 0)
            (void)set_io_error(error, "cannot make a socket for", path);
        else
            (void)close(fd);
        (void)close(lock_fd);
        return FALSE;
    }
    *listener = (Listener){.fd = fd, .lock_fd = lock_fd, .path = g_strdup(path)};
    return TRUE;
}

gboolean listen_open(const char *path, gboolean for_everybody, Listener *listener, GError **error)
{
    return listen_is_activated() ? take_passed(listener, error)
                                 : open_own(path, for_everybody, listener, error);
}

void listen_close(Listener *listener)
{
    if (listener->path)
        (void)unlink(listener->path); /* a leftover is found and removed by the next broker */
    if (listener->lock_fd >= 0)
        (void)close(listener->lock_fd);
    g_clear_pointer(&listener->path, g_free);
}

void listen_notify_ready(void)
{
    const char *name = g_getenv("NOTIFY_SOCKET");
    static const char message[] = "READY=1";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!name || (*name != '/' && *name != '@') ||
        g_strlcpy(address.sun_path, name, sizeof address.sun_path) >= sizeof address.sun_path)
        return;
    if (*name == '@')
        address.sun_path[0] = '\0'; /* Linux's abstract names */
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, message, sizeof message - 1, MSG_NOSIGNAL,
                         (const struct sockaddr *)&address, len) < 0)
        log_warning("the service manager could not be told that we are ready: %s",
                    g_strerror(errno));
    if (fd >= 0)
        (void)close(fd);
}

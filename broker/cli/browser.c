#include "browser.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

static char **command_of(const char *entry, const char *uri)
{
    g_auto(GStrv) words = NULL;
    if (!g_shell_parse_argv(entry, NULL, &words, NULL))
        return NULL;
    GPtrArray *command = g_ptr_array_new();
    gboolean placed = FALSE;
    for (char **word = words; *word; word++) {
        g_auto(GStrv) parts = g_strsplit(*word, "%s", -1);
        placed = placed || (parts[0] && parts[1]);
        g_ptr_array_add(command, g_strjoinv(uri, parts));
    }
    if (!placed)
        g_ptr_array_add(command, g_strdup(uri));
    g_ptr_array_add(command, NULL);
    return (char **)g_ptr_array_free(command, FALSE);
}

char ***browser_commands(const char *browser, const char *uri)
{
    g_auto(GStrv) entries = g_strsplit(browser && *browser ? browser : "xdg-open", ":", -1);
    GPtrArray *commands = g_ptr_array_new();
    for (char **entry = entries; *entry; entry++) {
        char **command = command_of(*entry, uri);
        if (command)
            g_ptr_array_add(commands, command);
    }
    g_ptr_array_add(commands, NULL);
    return (char ***)g_ptr_array_free(commands, FALSE);
}

void browser_commands_free(char ***commands)
{
    for (char ***command = commands; *command; command++)
        g_strfreev(*command);
    g_free(commands);
}

static gboolean spawn(char **command)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t ignored_by_us;
    pid_t child;
    if (posix_spawn_file_actions_init(&files) != 0)
        return FALSE;
    if (posix_spawnattr_init(&attributes) != 0) {
        (void)posix_spawn_file_actions_destroy(&files); /* cannot fail with glibc */
        return FALSE;
    }
    (void)sigemptyset(&ignored_by_us); /* fails for no set of ours */
    (void)sigaddset(&ignored_by_us, SIGPIPE);
    int rc = posix_spawnattr_setsigdefault(&attributes, &ignored_by_us);
    if (rc == 0)
        rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    for (int fd = STDIN_FILENO; rc == 0 && fd <= STDERR_FILENO; fd++)
        rc = posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    if (rc == 0)
        rc = posix_spawnp(&child, command[0], &files, &attributes, command, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    return rc == 0;
}

/* What the broker sends must neither be taken for an option nor for a local file. */
static gboolean is_web_address(const char *uri)
{
    return g_str_has_prefix(uri, "https://") || g_str_has_prefix(uri, "http://");
}

static gboolean has_display(void)
{
    const char *x11 = g_getenv("DISPLAY"), *wayland = g_getenv("WAYLAND_DISPLAY");
    return (x11 && *x11) || (wayland && *wayland);
}

gboolean browser_open(const char *uri)
{
    const char *browser = g_getenv("BROWSER");
    if (!is_web_address(uri) || (!has_display() && !(browser && *browser)))
        return FALSE;
    gboolean opened = FALSE;
    char ***commands = browser_commands(browser, uri);
    for (char ***command = commands; *command && !opened; command++)
        opened = spawn(*command);
    browser_commands_free(commands);
    return opened;
}

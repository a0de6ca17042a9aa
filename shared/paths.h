/* Where things live: the XDG folders of a person, the system's folders of the service.
 *
 * All paths are returned owned. Nothing is created but by paths_private_dir().
 */
#pragma once

#include <glib.h>

#define PATHS_SYSTEM_SOCKET "/run/postkey/broker.sock"
#define PATHS_SYSTEM_CONFIG "/etc/postkey/postkey.conf"
#define PATHS_SYSTEM_STATE "/var/lib/postkey"
#define PATHS_SYSTEM_QUEUE "/var/spool/postkey"

/* Whose broker is meant. */
typedef enum { PATHS_ANY, PATHS_USER, PATHS_SYSTEM } PathsScope;

/* The person's runtime folder ($XDG_RUNTIME_DIR, else /run/user/UID where that is the caller's own:
 * cron and ssh lack the variable). NULL with POSTKEY_ERROR_CONFIGURATION where there is none. */
char *paths_runtime_dir(GError **error);

/* $XDG_RUNTIME_DIR/postkey/broker.sock. NULL as paths_runtime_dir(). */
char *paths_user_socket(GError **error);

/* $XDG_STATE_HOME/postkey (~/.local/state/postkey): what is no secret and outlives a reboot. */
char *paths_state_dir(void);

/* The queue's folder: PATHS_SYSTEM_QUEUE for PATHS_SYSTEM; else $POSTKEY_QUEUE where that is an
 * absolute path and PATHS_USER was not asked for; else "queue" in paths_state_dir(). */
char *paths_queue_dir(PathsScope scope);

/* Whether $POSTKEY_QUEUE, where the scope looks at it, can name a folder.
 * POSTKEY_ERROR_CONFIGURATION otherwise. */
gboolean paths_check_queue(PathsScope scope, GError **error);

/* $XDG_CONFIG_HOME/postkey/postkey.conf. */
char *paths_user_config(void);

/* Creates dir, and its parents, if they are missing, with mode 0700 from the first instant; then
 * checks that it is a folder (no symbolic link) that belongs to the caller and that nobody else can
 * read or write. POSTKEY_ERROR_IO with the mend otherwise. */
gboolean paths_private_dir(const char *dir, GError **error);

/* The absolute path of a program of ours: beside the running program's own file; NULL when it is
 * not there. */
char *paths_sibling_program(const char *name);

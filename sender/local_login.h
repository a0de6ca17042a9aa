/* Who may use the SMTP port of this machine: peers that are on it, and have a name and a password
 * of "postkey local".
 */
#pragma once

#include "paths.h"
#include "secret.h"

/* Whether the other end of fd is on this machine: 127.0.0.0/8, ::1, a Unix socket, or no socket at
 * all. *peer (owned): how a log calls it. */
gboolean local_login_peer_is_near(int fd, char **peer);

/* Asks the broker whether this is the password of name. *account (owned): whom it sends as; NULL:
 * the name or the password is wrong, which the broker takes its time to say. FALSE: nobody can
 * tell; errors as broker_client.h. */
gboolean local_login_check(PathsScope scope, const char *name, const Secret *password,
                           char **account, GError **error);

/* The system's users and groups: who has a name, which groups somebody is in. Asks the name
 * service, which may take its time where that is a network's. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* FALSE for a name that is not known, or that cannot be looked up now. */
gboolean users_uid(const char *name, uid_t *uid);
gboolean users_gid(const char *name, gid_t *gid);

/* All groups of a user, by the databases; of a uid without a name none. Returns owned. */
gid_t *users_groups(uid_t uid, guint *len);

/* All groups of the process at the other end of a Unix socket (SO_PEERGROUPS), and the one given,
 * its primary one, which that list may lack. Returns owned. */
gid_t *users_groups_of_peer(int fd, gid_t primary, guint *len);

#include "users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>

#define ENTRY_MAX ((gsize)1024 * 1024)
#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */

/* Calls look with a buffer that grows until the entry fits. */
static gboolean look_up(int (*look)(gconstpointer key, char *buffer, gsize len, gpointer found),
                        gconstpointer key, gpointer found)
{
    for (gsize len = 1024; len <= ENTRY_MAX; len *= 2) {
        g_autofree char *buffer = g_malloc(len);
        int code = look(key, buffer, len, found);
        if (code != ERANGE)
            return code == 0;
    }
    return FALSE;
}

static int look_uid(gconstpointer name, char *buffer, gsize len, gpointer found)
{
    struct passwd entry, *result = NULL;
    int code = getpwnam_r(name, &entry, buffer, len, &result);
    if (result)
        *(uid_t *)found = entry.pw_uid;
    return code || result ? code : ENOENT;
}

static int look_gid(gconstpointer name, char *buffer, gsize len, gpointer found)
{
    struct group entry, *result = NULL;
    int code = getgrnam_r(name, &entry, buffer, len, &result);
    if (result)
        *(gid_t *)found = entry.gr_gid;
    return code || result ? code : ENOENT;
}

typedef struct {
    char *name;
    gid_t primary;
} Person;

static int look_person(gconstpointer uid, char *buffer, gsize len, gpointer found)
{
    struct passwd entry, *result = NULL;
    int code = getpwuid_r(*(const uid_t *)uid, &entry, buffer, len, &result);
    if (result)
        *(Person *)found = (Person){.name = g_strdup(entry.pw_name), .primary = entry.pw_gid};
    return code || result ? code : ENOENT;
}

gboolean users_uid(const char *name, uid_t *uid)
{
    return look_up(look_uid, name, uid);
}

gboolean users_gid(const char *name, gid_t *gid)
{
    return look_up(look_gid, name, gid);
}

gid_t *users_groups(uid_t uid, guint *len)
{
    Person person = {0};
    int count = 64;
    *len = 0;
    if (!look_up(look_person, &uid, &person))
        return NULL;
    g_autofree char *name = person.name;
    gid_t *groups = g_new(gid_t, (gsize)count);
    gboolean whole = getgrouplist(name, person.primary, groups, &count) >= 0;
    while (!whole && count <= GROUPS_MAX) { /* it says how much it wants */
        groups = g_renew(gid_t, groups, (gsize)count);
        whole = getgrouplist(name, person.primary, groups, &count) >= 0;
    }
    *len = whole ? (guint)count : 0;
    return groups;
}

gid_t *users_groups_of_peer(int fd, gid_t primary, guint *len)
{
    socklen_t size = 0;
    g_autofree gid_t *groups = NULL;
    /* Without room it says how much it wants; nobody changes the groups of a peer afterwards. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) != 0 && errno == ERANGE) {
        groups = g_malloc0(size);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
            size = 0;
    } else {
        size = 0;
    }
    gsize count = size / sizeof(gid_t);
    gid_t *all = g_new(gid_t, count + 1);
    for (gsize i = 0; i < count; i++)
        all[i] = groups[i];
    all[count] = primary;
    *len = (guint)count + 1;
    return all;
}

/* Looking at a spool without the locks of its messages, and cleaning it. */

#include "errors.h"
#include "spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* "ID" of "ID<suffix>" where that is a name of ours; NULL otherwise. Returns owned. */
static char *id_of_name(const char *name, const char *suffix)
{
    if (!g_str_has_suffix(name, suffix))
        return NULL;
    g_autofree char *id = g_strndup(name, strlen(name) - strlen(suffix));
    return spool_id_is_valid(id) ? g_steal_pointer(&id) : NULL;
}

static gint compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *spool_list(const Spool *spool, GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) names = spool_folder_names(&spool->folder, 3 * SPOOL_ENTRIES_MAX, error);
    if (!names)
        return NULL;
    for (guint i = 0; i < names->len && ids->len < SPOOL_ENTRIES_MAX; i++) {
        char *id = id_of_name(g_ptr_array_index(names, i), SPOOL_ENVELOPE_SUFFIX);
        if (id)
            g_ptr_array_add(ids, id);
    }
    g_ptr_array_sort(ids, compare_texts);
    return g_steal_pointer(&ids);
}

Envelope *spool_peek(const Spool *spool, const char *id, SpoolAnswer *answer, GError **error)
{
    *answer = SPOOL_GONE;
    if (!spool_id_is_valid(id))
        return NULL;
    g_autoptr(Envelope) envelope = spool_read_envelope(spool, id, answer, error);
    if (!envelope)
        return NULL;
    GError *failed = NULL;
    int fd = spool_open_message(spool, id, &failed);
    if (fd >= 0) {
        (void)close(fd); /* only looked at */
        return g_steal_pointer(&envelope);
    }
    /* It may have left between the two looks: then there is nothing wrong. */
    g_autofree char *name = spool_envelope_name(id);
    if (spool_file_exists(&spool->folder, name)) {
        *answer = SPOOL_BROKEN;
        g_propagate_error(error, failed);
    } else {
        *answer = SPOOL_GONE;
        g_error_free(failed);
    }
    return NULL;
}

int spool_open_message(const Spool *spool, const char *id, GError **error)
{
    gboolean missing = !spool_id_is_valid(id);
    g_autofree char *name = spool_message_name(id);
    int fd = missing ? -1 : spool_file_open(&spool->folder, name, O_RDONLY, &missing, error);
    if (missing)
        error_set(error, POSTKEY_ERROR_REFUSED,
                  "its envelope may be there, but there is nothing to send",
                  "put the file back from a backup, or forget the message: postkey-queue remove",
                  "the message %s is missing in %s", name, spool->path);
    return fd;
}

int spool_watch(const Spool *spool, GError **error)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd >= 0 && inotify_add_watch(fd, spool->path,
                                     IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) >= 0)
        return fd;
    error_set(error, POSTKEY_ERROR_IO, "new messages would not be seen at once",
              "raise fs.inotify.max_user_instances or max_user_watches (sysctl)",
              "cannot watch %s: %s", spool->path, g_strerror(errno));
    if (fd >= 0)
        (void)close(fd); /* never used */
    return -1;
}

/* The id of ".ID.sent" and the like, and *fate; NULL: it is another name. Returns owned. */
static char *id_of_last(const char *name, SpoolFate *fate)
{
    char *id = NULL;
    for (guint i = 0; *name == '.' && !id && i < SPOOL_FATES; i++) {
        g_autofree char *suffix = g_strconcat(".", spool_fate_name((SpoolFate)i), NULL);
        id = id_of_name(name + 1, suffix);
        *fate = (SpoolFate)i;
    }
    return id;
}

static void tell_of(const struct inotify_event *event, SpoolNews news, gpointer data)
{
    SpoolFate fate = SPOOL_SENT;
    g_autofree char *changed = id_of_name(event->name, SPOOL_ENVELOPE_SUFFIX);
    g_autofree char *left =
        event->mask & IN_MOVED_TO && !changed ? id_of_last(event->name, &fate) : NULL;
    if (changed)
        news(changed, NULL, data);
    else if (left)
        news(left, &fate, data);
}

gboolean spool_watch_read(int fd, SpoolNews news, gpointer data)
{
    char bytes[16384] __attribute__((aligned(8)));
    gboolean all = TRUE;
    gssize got;
    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
        const struct inotify_event *event;
        for (gssize at = 0; at < got; at += (gssize)(sizeof *event + event->len)) {
            event =
                (const struct inotify_event *)(const void *)(bytes + at); /* the kernel aligns */
            all = all && !(event->mask & IN_Q_OVERFLOW);
            if (event->len > 0)
                tell_of(event, news, data);
        }
    }
    return all;
}

/* ---- cleaning ---- */

static gboolean sweep_message(const Spool *spool, const char *id)
{
    g_autofree char *envelope = spool_envelope_name(id);
    /* Nobody's lock is taken, be it for an instant, where there is nothing to do. */
    return !spool_file_exists(&spool->folder, envelope) && spool_remove_orphan(spool, id);
}

/* An envelope on its way in or out: its writer holds the message's lock while it is at work. */
static gboolean sweep_temporary(const Spool *spool, const char *id, const char *name)
{
    SpoolAnswer answer;
    int fd = spool_lock_message(spool, id, &answer, NULL);
    gboolean removed =
        (fd >= 0 || answer == SPOOL_GONE) && spool_file_unlink(&spool->folder, name, NULL);
    if (fd >= 0)
        (void)close(fd); /* not written */
    return removed;
}

static gboolean sweep_draft(const Spool *spool, const char *name)
{
    gboolean busy = FALSE;
    int fd = spool_file_open(&spool->folder, name, O_RDWR, NULL, NULL);
    gboolean removed = fd >= 0 && spool_file_lock(&spool->folder, fd, name, &busy, NULL) &&
                       spool_file_unlink(&spool->folder, name, NULL);
    if (fd >= 0)
        (void)close(fd); /* not written */
    return removed;
}

guint spool_sweep(const Spool *spool)
{
    guint removed = 0;
    g_autoptr(GPtrArray) names = spool_folder_names(&spool->folder, 3 * SPOOL_ENTRIES_MAX, NULL);
    for (guint i = 0; names && i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *message = id_of_name(name, SPOOL_MESSAGE_SUFFIX);
        SpoolFate fate;
        g_autofree char *temporary =
            *name == '.' ? id_of_name(name + 1, SPOOL_TEMPORARY_SUFFIX) : NULL;
        if (!temporary)
            temporary = id_of_last(name, &fate);
        if (message)
            removed += sweep_message(spool, message) ? 1 : 0;
        else if (temporary)
            removed += sweep_temporary(spool, temporary, name) ? 1 : 0;
        else if (g_str_has_prefix(name, SPOOL_DRAFT_PREFIX))
            removed += sweep_draft(spool, name) ? 1 : 0;
    }
    return removed;
}

SpoolAnswer spool_discard(const Spool *spool, const char *id, GError **error)
{
    SpoolAnswer answer;
    if (!spool_id_is_valid(id))
        return SPOOL_GONE;
    g_autofree char *envelope = spool_envelope_name(id);
    g_autofree char *message = spool_message_name(id);
    gboolean there = spool_file_exists(&spool->folder, envelope);
    int fd = spool_lock_message(spool, id, &answer, error);
    if (answer == SPOOL_BUSY || answer == SPOOL_BROKEN || (answer == SPOOL_GONE && !there))
        return answer;
    gboolean ok = spool_remove_envelope(spool, id, SPOOL_REMOVED, error) &&
                  spool_file_unlink(&spool->folder, message, error);
    if (fd >= 0)
        (void)close(fd); /* not written */
    return ok ? SPOOL_OK : SPOOL_BROKEN;
}

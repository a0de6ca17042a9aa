#include "spool.h"

#include "errors.h"
#include "log.h"
#include "paths.h"
#include "spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Base 32 without letters that look like others: as digits sort, so do the ids. */
static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
#define TIME_DIGITS 11 /* microseconds until the year 3111 */
#define CHANCE_DIGITS 6
#define PLAIN_ID_LEN ((gsize)(TIME_DIGITS + 1 + CHANCE_DIGITS))
#define REPORT_DIGITS_MAX 4

/* Ids that are taken, and files that change under the eye, are tried again so often. */
#define TRIES 20

/* ---- names ---- */

static char *new_id(void)
{
    char id[PLAIN_ID_LEN + 1];
    guint64 time = (guint64)MAX(g_get_real_time(), 0);
    for (int i = TIME_DIGITS - 1; i >= 0; i--, time >>= 5)
        id[i] = digits[time & 31];
    id[TIME_DIGITS] = '-';
    guint32 chance = g_random_int();
    for (gsize i = TIME_DIGITS + 1; i < PLAIN_ID_LEN; i++, chance >>= 5)
        id[i] = digits[chance & 31];
    id[PLAIN_ID_LEN] = '\0';
    return g_strdup(id);
}

static gboolean are_digits(const char *text, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if (text[i] == '\0' || !strchr(digits, text[i]))
            return FALSE;
    return TRUE;
}

static gboolean is_report_suffix(const char *text)
{
    gsize len = strlen(text);
    if (len < 3 || len > 2 + REPORT_DIGITS_MAX || text[0] != '-' || !strchr("bw", text[1]))
        return FALSE;
    for (gsize i = 2; i < len; i++)
        if (!g_ascii_isdigit(text[i]))
            return FALSE;
    return text[2] != '0';
}

gboolean spool_id_is_valid(const char *text)
{
    if (strnlen(text, SPOOL_ID_MAX_LEN + 1) < PLAIN_ID_LEN || !are_digits(text, TIME_DIGITS) ||
        text[TIME_DIGITS] != '-' || !are_digits(text + TIME_DIGITS + 1, CHANCE_DIGITS))
        return FALSE;
    return text[PLAIN_ID_LEN] == '\0' || is_report_suffix(text + PLAIN_ID_LEN);
}

char *spool_report_id(const char *id, char kind, gint64 number)
{
    return g_strdup_printf("%.*s-%c%d", (int)PLAIN_ID_LEN, id, kind, (int)CLAMP(number, 1, 9999));
}

char *spool_message_name(const char *id)
{
    return g_strconcat(id, SPOOL_MESSAGE_SUFFIX, NULL);
}

char *spool_envelope_name(const char *id)
{
    return g_strconcat(id, SPOOL_ENVELOPE_SUFFIX, NULL);
}

char *spool_temporary_name(const char *id)
{
    return g_strconcat(".", id, SPOOL_TEMPORARY_SUFFIX, NULL);
}

static const char *const fates[SPOOL_FATES] = {[SPOOL_SENT] = "sent",
                                               [SPOOL_BOUNCED] = "bounced",
                                               [SPOOL_RETURNED] = "returned",
                                               [SPOOL_REMOVED] = "removed"};

const char *spool_fate_name(SpoolFate fate)
{
    return fates[fate];
}

/* ---- the folder ---- */

static gboolean is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* The folders above a new one, up to one that was there, hold after a crash: what is kept in a
 * folder that is gone is gone, too. */
static gboolean sync_above(const char *folder, const char *there, GError **error)
{
    g_autofree char *above = g_strdup(folder);
    while (strcmp(above, there) != 0) {
        char *parent = g_path_get_dirname(above);
        g_free(above);
        above = parent;
        int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        SpoolFolder synced = {.fd = fd, .path = above};
        /* One that may be written but not read cannot be synced: there is no more to do. */
        gboolean ok = fd < 0 || spool_folder_sync(&synced, error);
        if (fd >= 0)
            (void)close(fd); /* nothing is written by it */
        if (!ok)
            return FALSE;
    }
    return TRUE;
}

/* The lowest of the folder and those above that is there. Returns owned. */
static char *lowest_there(const char *folder)
{
    char *path = g_strdup(folder);
    while (!is_there(path) && strcmp(path, "/") != 0 && strcmp(path, ".") != 0) {
        char *parent = g_path_get_dirname(path);
        g_free(path);
        path = parent;
    }
    return path;
}

Spool *spool_open(const char *folder, gboolean *missing, GError **error)
{
    g_autofree char *there = lowest_there(folder);
    if (missing) {
        *missing = strcmp(there, folder) != 0;
        if (*missing)
            return NULL;
    }
    if (!paths_private_dir(folder, error) || !sync_above(folder, there, error))
        return NULL;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, "look at its permissions",
                  "cannot open the queue's folder %s: %s", folder, g_strerror(errno));
        return NULL;
    }
    Spool *spool = g_new0(Spool, 1);
    spool->path = g_strdup(folder);
    spool->folder = (SpoolFolder){.fd = fd, .path = spool->path};
    return spool;
}

void spool_close(Spool *spool)
{
    if (!spool)
        return;
    (void)close(spool->folder.fd); /* nothing is written by it */
    g_free(spool->path);
    g_free(spool);
}

const char *spool_folder(const Spool *spool)
{
    return spool->path;
}

int spool_fd(const Spool *spool)
{
    return spool->folder.fd;
}

/* ---- the lock ---- */

int spool_lock_message(const Spool *spool, const char *id, SpoolAnswer *answer, GError **error)
{
    g_autofree char *name = spool_message_name(id);
    for (guint i = 0; i < TRIES; i++) {
        gboolean missing = FALSE, busy = FALSE;
        int fd = spool_file_open(&spool->folder, name, O_RDWR, &missing, error);
        if (fd < 0) {
            *answer = missing ? SPOOL_GONE : SPOOL_BROKEN;
            return -1;
        }
        gboolean got = spool_file_lock(&spool->folder, fd, name, &busy, error);
        /* Between open and lock the one who held it may have removed it, and the same report may
         * have been added again: then the lock is one on a file that nobody sees. */
        if (got && spool_file_is(&spool->folder, name, fd)) {
            *answer = SPOOL_OK;
            return fd;
        }
        (void)close(fd); /* not written */
        if (!got) {
            *answer = busy ? SPOOL_BUSY : SPOOL_BROKEN;
            return -1;
        }
    }
    *answer = SPOOL_BUSY;
    return -1;
}

/* ---- taking a message ---- */

int spool_draft(const Spool *spool, GError **error)
{
    for (guint i = 0; i < TRIES; i++) {
        gboolean busy = FALSE;
        struct stat st;
        int fd = spool_file_draft(&spool->folder, error);
        if (fd < 0)
            return -1;
        gboolean nameless = fstat(fd, &st) == 0 && st.st_nlink == 0;
        gboolean got = spool_file_lock(&spool->folder, fd, SPOOL_DRAFT_PREFIX, &busy, error);
        /* A draft that has a name may be swept before it has its lock. */
        if (got && (nameless || (fstat(fd, &st) == 0 && st.st_nlink > 0)))
            return fd;
        (void)close(fd); /* empty */
        if (!got && !busy)
            return -1;
    }
    error_set(error, POSTKEY_ERROR_IO, NULL, "try again", "cannot keep a new file in %s",
              spool->path);
    return -1;
}

static gboolean write_envelope(const SpoolEntry *entry, GError **error)
{
    g_autofree char *text = envelope_format(entry->envelope, error);
    g_autofree char *temporary = spool_temporary_name(entry->id);
    g_autofree char *name = spool_envelope_name(entry->id);
    return text && spool_file_replace(&entry->spool->folder, temporary, name, text, error);
}

gboolean spool_remove_orphan(const Spool *spool, const char *id)
{
    SpoolAnswer answer;
    g_autofree char *message = spool_message_name(id);
    g_autofree char *envelope = spool_envelope_name(id);
    int fd = spool_lock_message(spool, id, &answer, NULL);
    gboolean removed = fd >= 0 && !spool_file_exists(&spool->folder, envelope) &&
                       spool_file_unlink(&spool->folder, message, NULL);
    if (fd >= 0)
        (void)close(fd); /* not written */
    return removed || answer == SPOOL_GONE;
}

/* Gives the message its name, and with it the entry its id. */
static gboolean link_message(SpoolEntry *entry, gboolean *exists, GError **error)
{
    const Spool *spool = entry->spool;
    gboolean named = entry->envelope->id != NULL;
    for (guint i = 0; i < TRIES; i++) {
        gboolean taken = FALSE;
        g_free(entry->id);
        entry->id = named ? g_strdup(entry->envelope->id) : new_id();
        g_autofree char *message = spool_message_name(entry->id);
        g_autofree char *envelope = spool_envelope_name(entry->id);
        /* A report's envelope alone is the same report, damaged: nothing is put beside it. */
        if (spool_file_exists(&spool->folder, envelope))
            taken = TRUE;
        else if (spool_file_link(&spool->folder, entry->eml_fd, message, &taken, error))
            return TRUE;
        if (!taken)
            return FALSE;
        if (named && (spool_file_exists(&spool->folder, envelope) ||
                      !spool_remove_orphan(spool, entry->id))) {
            *exists = TRUE;
            return FALSE;
        }
    }
    error_set(error, POSTKEY_ERROR_IO, NULL, "try again", "no name is free in %s", spool->path);
    return FALSE;
}

static gboolean prepare(SpoolEntry *entry, GError **error)
{
    struct stat st;
    gboolean busy = FALSE;
    Envelope *envelope = entry->envelope;
    if (envelope->id && !spool_id_is_valid(envelope->id)) {
        error_set(error, POSTKEY_ERROR_REFUSED, NULL, NULL, "not the id of a kept message");
        return FALSE;
    }
    if (fstat(entry->eml_fd, &st) != 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot look at the message: %s",
                  g_strerror(errno));
        return FALSE;
    }
    envelope->size = st.st_size;
    if (envelope->created_at == 0)
        envelope->created_at = g_get_real_time() / G_USEC_PER_SEC;
    const SpoolFolder *folder = &entry->spool->folder;
    if (spool_file_lock(folder, entry->eml_fd, "the message", &busy, error))
        return spool_file_sync(folder, entry->eml_fd, "the message", error);
    if (busy)
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "the message is locked by somebody else");
    return FALSE;
}

/* As if it had never been: the caller is told that nothing is kept. FALSE: it cannot be undone. */
static gboolean undo(const SpoolEntry *entry)
{
    const SpoolFolder *folder = &entry->spool->folder;
    g_autofree char *envelope = spool_envelope_name(entry->id);
    g_autofree char *message = spool_message_name(entry->id);
    if (spool_file_exists(folder, envelope) && !spool_file_unlink(folder, envelope, NULL))
        return FALSE;
    (void)spool_file_unlink(folder, message, NULL); /* alone it is an orphan, and swept */
    return TRUE;
}

SpoolEntry *spool_add(const Spool *spool, int eml_fd, Envelope *envelope, gboolean *exists,
                      GError **error)
{
    gboolean there = FALSE;
    g_autoptr(SpoolEntry) entry = g_new0(SpoolEntry, 1);
    entry->spool = spool;
    entry->eml_fd = eml_fd;
    entry->envelope = envelope;
    gboolean linked = prepare(entry, error) && link_message(entry, &there, error);
    if (exists)
        *exists = there;
    if (!linked)
        return NULL;
    g_free(envelope->id);
    envelope->id = g_strdup(entry->id);
    GError *failed = NULL;
    if (write_envelope(entry, &failed) && spool_folder_sync(&spool->folder, &failed))
        return g_steal_pointer(&entry);
    if (undo(entry)) {
        g_propagate_error(error, failed);
        return NULL;
    }
    /* A disk that stopped taking anything. The message is there for everybody who looks, so it is
     * kept: to say the opposite would make its caller send it twice. */
    log_error("%s is in the queue, but a power cut may lose it: %s", entry->id, failed->message);
    g_error_free(failed);
    return g_steal_pointer(&entry);
}

/* ---- working on it ---- */

static void set_of_another(GError **error, const char *id)
{
    error_set(error, POSTKEY_ERROR_REFUSED,
              "the message is kept, but it is not sent: somebody renamed or copied its files",
              "give the files the name that is in the envelope's \"id\"",
              "the envelope %s.json is of another message", id);
}

Envelope *spool_read_envelope(const Spool *spool, const char *id, SpoolAnswer *answer,
                              GError **error)
{
    gsize len = 0;
    gboolean missing = FALSE;
    g_autofree char *name = spool_envelope_name(id);
    g_autofree char *text =
        spool_file_read(&spool->folder, name, ENVELOPE_MAX_LEN, &len, &missing, error);
    *answer = missing ? SPOOL_GONE : SPOOL_BROKEN;
    if (!text)
        return NULL;
    g_autoptr(Envelope) envelope = envelope_parse(text, len, NULL, error);
    if (!envelope)
        return NULL;
    if (strcmp(envelope->id, id) != 0) {
        set_of_another(error, id);
        return NULL;
    }
    *answer = SPOOL_OK;
    return g_steal_pointer(&envelope);
}

static void set_message_missing(GError **error, const Spool *spool, const char *id)
{
    error_set(error, POSTKEY_ERROR_REFUSED, "its envelope is there, but there is nothing to send",
              "put the file back from a backup, or forget the message: postkey-queue remove",
              "the message %s/%s.eml is missing", spool->path, id);
}

/* Without ID.eml: damage, unless nothing is there at all. */
static SpoolAnswer without_message(const Spool *spool, const char *id, GError **error)
{
    g_autofree char *name = spool_envelope_name(id);
    if (!spool_file_exists(&spool->folder, name))
        return SPOOL_GONE;
    set_message_missing(error, spool, id);
    return SPOOL_BROKEN;
}

SpoolEntry *spool_claim(const Spool *spool, const char *id, SpoolAnswer *answer, GError **error)
{
    *answer = SPOOL_GONE;
    if (!spool_id_is_valid(id))
        return NULL;
    int fd = spool_lock_message(spool, id, answer, error);
    if (fd < 0) {
        if (*answer == SPOOL_GONE)
            *answer = without_message(spool, id, error);
        return NULL;
    }
    g_autoptr(SpoolEntry) entry = g_new0(SpoolEntry, 1);
    entry->spool = spool;
    entry->id = g_strdup(id);
    entry->eml_fd = fd;
    entry->envelope = spool_read_envelope(spool, id, answer, error);
    if (entry->envelope)
        return g_steal_pointer(&entry);
    if (*answer == SPOOL_GONE) {
        g_autofree char *name = spool_message_name(id);
        (void)spool_file_unlink(&spool->folder, name, NULL); /* stays an orphan, and is swept */
    }
    return NULL;
}

gboolean spool_entry_save(SpoolEntry *entry, GError **error)
{
    entry->marked = FALSE;
    return write_envelope(entry, error) && spool_folder_sync(&entry->spool->folder, error);
}

gboolean spool_remove_envelope(const Spool *spool, const char *id, SpoolFate fate, GError **error)
{
    const SpoolFolder *folder = &spool->folder;
    g_autofree char *envelope = spool_envelope_name(id);
    g_autofree char *last = g_strdup_printf(".%s.%s", id, fates[fate]);
    gboolean renamed = spool_file_rename(folder, envelope, last);
    /* A full disk may refuse the other name; then nobody learns the fate, which is only a pity. */
    if ((!renamed && !spool_file_unlink(folder, envelope, error)) ||
        !spool_folder_sync(folder, error))
        return FALSE;
    if (renamed)
        (void)spool_file_unlink(folder, last, NULL); /* no program takes it for one: swept */
    return TRUE;
}

gboolean spool_entry_remove(SpoolEntry *entry, SpoolFate fate, GError **error)
{
    const SpoolFolder *folder = &entry->spool->folder;
    g_autofree char *message = spool_message_name(entry->id);
    if (!spool_remove_envelope(entry->spool, entry->id, fate, error))
        return FALSE;
    (void)spool_file_unlink(folder, message, NULL); /* without its envelope it is done: swept */
    return TRUE;
}

void spool_entry_release(SpoolEntry *entry)
{
    if (!entry)
        return;
    if (entry->eml_fd >= 0)
        (void)close(entry->eml_fd); /* read only since it was synced */
    envelope_free(entry->envelope);
    g_free(entry->id);
    g_free(entry);
}

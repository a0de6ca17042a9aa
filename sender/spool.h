/* The queue on disk: a folder of mode 0700 with two files for each message.
 *
 *   ID.eml   the bytes as they came from the caller, never rewritten (0600)
 *   ID.json  the envelope (envelope.h), replaced as a whole (0600)
 *   .ID.tmp  the next ID.json before it gets that name; .ID.sent, .ID.bounced ... for an instant
 *            the last one, whose name tells who watches how it left; .draft-* an intake, where the
 *            file system has no O_TMPFILE. Leftovers of the killed: spool_sweep()
 *
 * ID is ours alone (spool_id_is_valid()): time and randomness, sorts by time, nothing of it comes
 * from a message. No symbolic link is ever followed; files that are not ours, that others may
 * write, or of another kind are refused with words.
 *
 * The lock of a message is flock(2) on its ID.eml. Who gets it looks whether ID.json is still
 * there, and reads it again: spool_claim() does both. Commit (spool_add()): ID.eml synced, linked;
 * envelope written, synced, renamed; folder synced. Removal: ID.json, folder synced, then ID.eml.
 * So at any instant of a crash
 *   - ID.json with ID.eml: kept, to be sent;
 *   - ID.eml alone: never committed, or done; whoever can lock it may remove it.
 * ID.json alone is damage from outside: listed, never sent, never removed but by spool_discard().
 *
 * Threads: a Spool is immutable and may be shared; a SpoolEntry has one owner at a time. Two claims
 * in one process exclude each other as those of two processes do. A child that inherits the
 * descriptor of an entry shares its lock: they are all closed on exec.
 *
 * Errors are POSTKEY_ERROR_IO (disk, permissions; a full disk is said), unless said otherwise.
 */
#pragma once

#include "envelope.h"

/* 11 digits of time, "-", 6 of chance; a report of ours has "-b1" or "-w1" behind its original's.
 */
#define SPOOL_ID_MAX_LEN ((gsize)24)

/* More entries are not listed: a folder that somebody fills must not fill the memory. */
#define SPOOL_ENTRIES_MAX 1000000U

typedef struct Spool Spool;

/* A locked message. Borrow the members; change *envelope and spool_entry_save() it. */
typedef struct {
    const Spool *spool; /* outlives the entry */
    char *id;
    Envelope *envelope;
    gboolean marked; /* the envelope on disk says, ahead of this one, that all who wait are in
                        doubt: attempt_mark(). spool_entry_save() ends it */
    int eml_fd; /* read it with pread(); closing it gives the lock back: spool_entry_release() */
} SpoolEntry;

/* What became of asking for an entry. */
typedef enum {
    SPOOL_OK,
    SPOOL_BUSY,   /* somebody else holds the lock; no error is set */
    SPOOL_GONE,   /* there is no such message (any more); no error is set */
    SPOOL_BROKEN, /* *error says what is wrong: POSTKEY_ERROR_REFUSED for an envelope that is
                     damaged or of another version, or a message that is missing;
                     POSTKEY_ERROR_IO where the disk refuses to tell */
} SpoolAnswer;

/* How a message left. */
typedef enum {
    SPOOL_SENT,     /* a server has it for everybody */
    SPOOL_BOUNCED,  /* not for everybody: there is a report, unless none was wanted */
    SPOOL_RETURNED, /* nobody got it, and its caller was told */
    SPOOL_REMOVED,  /* on somebody's word */
} SpoolFate;
#define SPOOL_FATES 4

/* "sent". Borrowed, static. */
const char *spool_fate_name(SpoolFate fate);

/* Opens the spool in folder. missing NULL: it is created (0700), synced with the folders above that
 * were made for it. Else a folder that is not there is
 * no error: NULL and *missing. Refuses a folder that is a symbolic link, belongs to somebody else,
 * or that others can enter. Returns owned. */
Spool *spool_open(const char *folder, gboolean *missing, GError **error);
void spool_close(Spool *spool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spool, spool_close)

/* Its folder, as it was named. Borrowed. */
const char *spool_folder(const Spool *spool);

/* Its folder, for openat() and fstatvfs(). Borrowed. */
int spool_fd(const Spool *spool);

/* ---- taking a message ---- */

/* A new file of the spool that has no name yet, mode 0600, locked, for reading and writing: the
 * message goes into it as it comes. Closing it forgets the message. Returns -1 with *error. */
int spool_draft(const Spool *spool, GError **error);

/* Keeps a message: after it returns an entry, no crash loses it. Takes eml_fd (of spool_draft(),
 * complete) and envelope, also when it fails; size is filled in, and id, unless the caller gave one
 * (spool_report_id()). An id that is there already is no error: NULL, *exists (may be NULL only
 * when the envelope has no id), nothing changed. On failure nothing is kept. Where the folder
 * cannot be synced and the envelope not be taken away either, the message is kept, and that a power
 * cut may lose it is logged. Returns the entry, locked, owned. */
SpoolEntry *spool_add(const Spool *spool, int eml_fd, Envelope *envelope, gboolean *exists,
                      GError **error);

/* The id of the number-th (from 1) report of this kind ('b' bounce, 'w' warning) about the message
 * id: the same for each repeat after a crash. Returns owned. */
char *spool_report_id(const char *id, char kind, gint64 number);

/* ---- working on a kept message ---- */

/* Locks the message id (never waits) and reads its envelope. An ID.eml whose envelope is gone is
 * removed on the way: SPOOL_GONE. Returns the entry for SPOOL_OK alone, owned. */
SpoolEntry *spool_claim(const Spool *spool, const char *id, SpoolAnswer *answer, GError **error);

/* Replaces the envelope on disk by entry->envelope; it is the new one after a crash when this
 * returned TRUE, the old or the new one otherwise. */
gboolean spool_entry_save(SpoolEntry *entry, GError **error);

/* Removes the message for good, after it was sent, or its bounce added. The entry stays to be
 * released. FALSE: it may still be there after a crash. */
gboolean spool_entry_remove(SpoolEntry *entry, SpoolFate fate, GError **error);

/* Gives the lock back and frees. NULL is fine. */
void spool_entry_release(SpoolEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SpoolEntry, spool_entry_release)

/* ---- looking ---- */

/* The ids of all that have an envelope, whatever its state, in their order. Returns owned, with
 * owned strings. */
GPtrArray *spool_list(const Spool *spool, GError **error);

/* The envelope without a lock: as it was at one instant. SPOOL_BROKEN also when only ID.eml is
 * missing. Never SPOOL_BUSY. Returns owned. */
Envelope *spool_peek(const Spool *spool, const char *id, SpoolAnswer *answer, GError **error);

/* ID.eml for reading, without a lock; also beside a damaged envelope. -1 with *error;
 * POSTKEY_ERROR_REFUSED where it is missing. The caller closes it. */
int spool_open_message(const Spool *spool, const char *id, GError **error);

/* A descriptor of inotify(7), non-blocking, closed on exec, that becomes readable when an envelope
 * comes, changes or goes. Read it by spool_watch_read(); or read it empty, and look at
 * spool_list().
 */
int spool_watch(const Spool *spool, GError **error);

/* Reads the descriptor empty, and tells of each envelope that came, changed or went, maybe more
 * than once; fate (borrowed) is how it left, where that is known, else NULL. FALSE: there was too
 * much, and not all was told. */
typedef void (*SpoolNews)(const char *id, const SpoolFate *fate, gpointer data);
gboolean spool_watch_read(int fd, SpoolNews news, gpointer data);

/* Whether text can be an id: the one gate between what people type and file names. */
gboolean spool_id_is_valid(const char *text);

/* ---- cleaning ---- */

/* Removes what the killed left: every ID.eml without envelope, .ID.tmp, .ID.sent and the like, and
 * .draft-* that can be locked. Returns how many. What cannot be removed stays for the next time. */
guint spool_sweep(const Spool *spool);

/* Removes a message without reading its envelope: for what is damaged, on a person's word.
 * SPOOL_BUSY, SPOOL_GONE as in spool_claim(); SPOOL_BROKEN with *error: not removed. */
SpoolAnswer spool_discard(const Spool *spool, const char *id, GError **error);

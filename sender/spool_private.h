/* What spool.c and spool_look.c share.
 */
#pragma once

#include "spool.h"
#include "spool_files.h"

struct Spool {
    SpoolFolder folder;
    char *path;
};

#define SPOOL_MESSAGE_SUFFIX ".eml"
#define SPOOL_ENVELOPE_SUFFIX ".json"
#define SPOOL_TEMPORARY_SUFFIX ".tmp"

/* ID.eml, ID.json, .ID.tmp. Return owned. */
char *spool_message_name(const char *id);
char *spool_envelope_name(const char *id);
char *spool_temporary_name(const char *id);

/* Takes the envelope away for good: what follows finds no message. Who watches learns its fate. */
gboolean spool_remove_envelope(const Spool *spool, const char *id, SpoolFate fate, GError **error);

/* ID.eml opened and locked, and it is the one that has the name. -1 unless SPOOL_OK. SPOOL_GONE:
 * there is no such file. */
int spool_lock_message(const Spool *spool, const char *id, SpoolAnswer *answer, GError **error);

/* Frees the name of what was never committed, or is done. FALSE: it is in use, or somebody's. */
gboolean spool_remove_orphan(const Spool *spool, const char *id);

/* The envelope as it is on disk: SPOOL_OK, SPOOL_GONE (none is there), SPOOL_BROKEN. Returns owned.
 */
Envelope *spool_read_envelope(const Spool *spool, const char *id, SpoolAnswer *answer,
                              GError **error);

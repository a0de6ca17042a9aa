/* One account's window on the disk: a line for each change, appended; written whole, and replaced
 * atomically, when it has grown long.
 *
 *     postkey-ledger 1 BOOT-ID
 *     WALL BOOT MESSAGES RECIPIENTS
 *
 * Moments twice: a clock that was set wrong must not make what was sent forgotten, so within one
 * boot CLOCK_BOOTTIME counts. Across boots it is the wall clock, and what seems to come from the
 * future is taken as sent just now.
 */
#pragma once

#include "window.h"

typedef struct {
    gint64 boot_s; /* CLOCK_BOOTTIME */
    gint64 wall_s; /* since 1970 */
    const char *boot_id;
} LedgerMoment;

/* A change at a moment of CLOCK_BOOTTIME; negative numbers take back. */
typedef WindowEntry LedgerLine;

/* Reads the file into window, which is empty. A missing file is an empty window. *whole: the file
 * can be appended to; else it has to be replaced first (it is missing, of another boot, or was cut
 * off by a crash). FALSE with POSTKEY_ERROR_IO: it cannot be read; what could be is in the window.
 */
gboolean ledger_file_read(const char *path, const LedgerMoment *now, Window *window,
                          gboolean *whole, GError **error);

/* Appends the lines: they survive the end of this process, and a crash of the machine after
 * ledger_file_sync(). *len (may be NULL): how long the file is now. POSTKEY_ERROR_IO. */
gboolean ledger_file_append(const char *path, const LedgerMoment *now, const LedgerLine *lines,
                            gsize n, gint64 *len, GError **error);
gboolean ledger_file_sync(const char *path, GError **error);

/* Replaces the file by what is in the window; on the disk when this returns. POSTKEY_ERROR_IO. */
gboolean ledger_file_write(const char *path, const LedgerMoment *now, const Window *window,
                           GError **error);

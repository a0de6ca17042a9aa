/* Takes a message from a descriptor to its end, before anything else can fail: into a temporary
 * file that has no name any more, so that memory does not grow with the message and nothing is left
 * behind.
 */
#pragma once

#include <glib.h>

/* Larger than any server takes (Microsoft's 157286400 is the largest known); stops what never ends.
 */
#define INTAKE_MAX_LEN ((gint64)512 * 1024 * 1024)

/* An empty file for a message, as intake_read() makes it. -1 with POSTKEY_ERROR_IO. */
int intake_temporary(GError **error);

/* intake_read() into file, which is empty and stays the caller's. */
gboolean intake_copy(int fd, gboolean dot_ends, int file, GError **error);

/* Reads fd to its end, or, when dot_ends, to a line that holds a lone dot (sendmail without -i),
 * which is left out; what follows the dot is not read. Returns a descriptor of the file with the
 * bytes as they came (mode 0600, closed on exec), to be closed by the caller; -1 with
 * POSTKEY_ERROR_IO (cannot read, no room) or POSTKEY_ERROR_REFUSED (longer than INTAKE_MAX_LEN).
 * The file lies in $TMPDIR, else /var/tmp, else /tmp. */
int intake_read(int fd, gboolean dot_ends, GError **error);

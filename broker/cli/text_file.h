/* The files that a provider's console offers for download, given by a person: read once, and then
 * better deleted. "-" is stdin.
 */
#pragma once

#include <glib.h>

/* The text of the file, of at most max_len bytes. Returns owned: a secret, to be freed by
 * secret_wipe_string(). NULL with POSTKEY_ERROR_IO, or POSTKEY_ERROR_REFUSED and the remedy where
 * it is no text. */
char *text_file_read(const char *path, gsize max_len, const char *remedy, GError **error);

/* Says on stderr that the file may be deleted, because what ("the key") is kept; and that others
 * can read secret in it, where they can. */
void text_file_remark(const char *path, const char *what, const char *secret);

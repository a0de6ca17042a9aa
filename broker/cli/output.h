/* What `postkey` says: answers on stdout, everything else on stderr.
 *
 * Answers go out with write(2) at once, so that no copy of a token stays in a buffer of stdio, and
 * so that a full disk or a closed pipe is an error like any other.
 */
#pragma once

#include "json.h"
#include "secret.h"

/* Writes the answer. POSTKEY_ERROR_IO. */
gboolean output_answer(const char *text, GError **error);

/* output_answer(), folded to the terminal on stdout (fold.h). */
gboolean output_prose(const char *text, GError **error);

/* output_answer() from a format. */
gboolean output_format(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The value as one line of JSON. Every buffer that held its text is wiped: it may hold a token. */
gboolean output_json(const cJSON *value, GError **error);

/* The secret and a newline. */
gboolean output_secret(const Secret *secret, GError **error);

/* Text from outside made fit for a terminal: log_printable(), bounded. Returns owned. */
char *output_printable(const char *text);

/* One remark to the person, on stderr; it may hold several lines. What a format's %s brings from
 * outside has to have passed output_printable(). A failure to write it is nobody's loss. */
void output_remark(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Explains the error on stderr, with exit_remedy_of() where it has no remedy of its own. */
void output_error(GError *error);

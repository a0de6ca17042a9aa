/* Secrets from a person: through a descriptor, or typed at the terminal without echo. Never from an
 * argument or the environment, which others can read.
 */
#pragma once

#include "secret.h"

/* The longest that is taken. */
#define SECRET_INPUT_MAX ((gsize)16 * 1024)

/* The highest descriptor that an option may name. */
#define SECRET_INPUT_DESCRIPTOR_MAX 1048576

/* One line of text from descriptor fd, read to its end, without the newline that echo and most
 * editors leave behind it. option ("--fd") is for the error. Returns owned; NULL with
 * POSTKEY_ERROR_REFUSED or POSTKEY_ERROR_IO. */
Secret *secret_input_from_fd(int fd, const char *option, GError **error);

/* Asks on stderr and reads one line from the terminal at stdin, which does not show it meanwhile;
 * Ctrl-C leaves the terminal as it was. Returns owned; NULL with POSTKEY_ERROR_USAGE (no terminal;
 * remedy says what else), POSTKEY_ERROR_REFUSED (an empty line), POSTKEY_ERROR_CANCELLED. */
Secret *secret_input_ask(const char *question, const char *remedy, GError **error);

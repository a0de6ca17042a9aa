/* What every way into the program needs: a message on standard input, and SMTP (-bs).
 */
#pragma once

#include "dispatch.h"

/* Reads the message in fd, which stays the owner's, by a descriptor of its own. As message_scan().
 */
Message *caller_scan(int fd, GError **error);

/* Replaces names of this machine among addresses by what their aliases name: those of ALIASES_FILE,
 * or of the file that $POSTKEY_ALIASES names. As aliases_expand(); the file is not looked at where
 * there is no such name. */
gboolean caller_expand(GPtrArray *addresses, GError **error);

/* What the options say of a message from sender (borrowed; NULL: the account's address). */
DeliveryRequest caller_request(const Options *options, const char *sender, Message *message);

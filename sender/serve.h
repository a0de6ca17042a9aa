/* postkey-send -bs: SMTP on standard input and output, each message on the way that one on standard
 * input would go. With --local the peer has to be on this machine, to log in with a name of
 * "postkey local", and sends as that name's account alone.
 */
#pragma once

#include "options.h"

/* Serves until the peer ends. options: its account, sender's name, --deliver and --timeout count
 * for each message; changed on the way. Returns the exit code. */
int serve_smtp(Options *options);

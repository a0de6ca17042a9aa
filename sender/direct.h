/* A message straight to the server, while its caller waits: nothing is kept. And what every way of
 * dispatch.h tells in the same way.
 */
#pragma once

#include "delivery.h"
#include "options.h"
#include "progress.h"

/* What callers read. */
#define DIRECT_PROGRAM "postkey-send"

/* Delivers request to the addresses (of char *, borrowed), for no longer than --timeout, and prints
 * what the caller has to know. The process is to end soon: what is under way then is left to a
 * thread, which takes request->message with it (NULL afterwards). Returns the exit code. */
int direct_send(const Options *options, DeliveryRequest *request, const GPtrArray *addresses);

/* Prints error in its three parts. Returns its exit code. */
int direct_fail(const GError *error);

/* NULL: nobody watches. Returns owned. */
Progress *direct_watch_progress(const Options *options);

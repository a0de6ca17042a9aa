/* The way of one message from its caller: into the queue and to the runner, or sent from here; to
 * the queue service; or straight to the server. And what the caller is told.
 */
#pragma once

#include "delivery.h"
#include "options.h"

typedef struct Dispatch Dispatch;

/* Finds the way, before the message is taken. Says on stderr what stands in the way of keeping.
 * NULL with *error where there is none: POSTKEY_ERROR_UNAVAILABLE for a queue service that does not
 * answer; for DELIVER_QUEUE that the queue cannot be written. Returns owned. */
Dispatch *dispatch_open(const Options *options, GError **error);

/* The exit code of an error of dispatch_open(). */
int dispatch_open_status(const Options *options, const GError *error);

void dispatch_free(Dispatch *dispatch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dispatch, dispatch_free)

/* Takes the message from fd, to where this way needs it. The descriptor is borrowed from dispatch,
 * until dispatch_send(). -1 with *error: as intake_read(). */
int dispatch_take(Dispatch *dispatch, int fd, GError **error);

/* Sends, keeps or hands over what was taken. request: its message is the one taken (and is freed
 * here); its sender, account, full_name, trace count. Prints on stderr what the caller has to know.
 * Returns the exit code (sysexits.h). */
int dispatch_send(Dispatch *dispatch, DeliveryRequest *request, GPtrArray *recipients);

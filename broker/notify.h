/* Tells a person what happened, by the command of [notify], through the helper (notify_helper.h).
 *
 * The command gets the event's name and the account as its last two arguments, and never a secret.
 * One runs at a time, the others wait; at most NOTIFY_QUEUE_MAX of them, none twice. Refreshes that
 * work are nobody's business, and of the same trouble in a row the first one is told.
 */
#pragma once

#include "context.h"

#define NOTIFY_QUEUE_MAX 64

typedef struct Notify Notify;

/* Watches the context's events. fd: of notify_helper_start(), taken. Returns owned. */
Notify *notify_new(Context *context, int fd);

/* What waits is dropped; the command under way goes on. NULL is fine. */
void notify_free(Notify *notify);

/* What is in the queue, as it is shown: each message with its envelope, or with what is wrong.
 */
#pragma once

#include "json.h"
#include "spool.h"

typedef struct {
    char *id;
    Envelope *envelope; /* NULL: it cannot be read, see error */
    GError *error;
} Item;

/* All of the spool, in order. Returns owned, of Item *; NULL with POSTKEY_ERROR_IO. */
GPtrArray *items_load(const Spool *spool, GError **error);

/* The account that a message goes through, as far as it is known; NULL: not yet. Borrowed. */
const char *item_account(const Envelope *envelope);

/* A word for programs: "waiting", "held", "account-hold", "quota-hold", "unclear", "unreadable". */
const char *item_state(const Item *item);

/* A report of ours that nobody has looked at. */
gboolean item_is_unseen_report(const Item *item);

/* The envelope's own fields, with "status" (item_state()), "age_s" and, where there is
 * one, "due_at" (Unix seconds);
 * for one that cannot be read "id", "status", "happened", "meaning", "remedy". Returns owned. */
cJSON *item_json(const Item *item, gint64 now);

/* DIR/mail: each message as NNNN.eml, its exact bytes, and NNNN.json, its envelope. Both appear
 * whole, the .json last: who sees it has both. For any thread. */
#ifndef SIM_MAILBOX_H
#define SIM_MAILBOX_H

#include "json.h"

/* Makes the folder; numbers go on after what it holds. FALSE with error. */
gboolean mailbox_init(const char *dir, GError **error);
void mailbox_clear(void);

/* Borrows both. FALSE when the disk does not take it. */
gboolean mailbox_store(const GString *content, const cJSON *envelope);

#endif

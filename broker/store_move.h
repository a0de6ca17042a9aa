/* Moves every credential from the store in use to the other one.
 *
 * Each is copied and read back; what is written meanwhile goes to the old store as ever and is
 * copied again. When all are there, one write of the state says so, and from then on the new store
 * is in use. Only then the old ones are removed. A kill at any instruction before that write leaves
 * the old store in use and whole; one after it, the new store; and the state says in which other
 * store copies are left, which the next move removes. A store belongs to one broker: whatever
 * credentials of postkey the other one holds are taken for such copies.
 */
#pragma once

#include "context.h"

/* moved counts the credentials. An error before the change leaves all as it was; one after it
 * (error_meaning() says so) leaves old ones behind, which another move to the same store removes.
 */
typedef void (*StoreMoved)(guint moved, const GError *error, gpointer data);

/* Goes on to its end whoever waits for it; moved runs once, later. To the store in use: removes
 * what an interrupted move left behind in the other one. POSTKEY_ERROR_REFUSED while another move
 * is under way. */
void store_move_start(Context *context, StoreKind to, StoreMoved moved, gpointer data);

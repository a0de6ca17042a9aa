/* Which store is in use: where the credentials are.
 *
 * store= of the configuration says where they should be; the state remembers where they are, from
 * the first account on. Where the two differ the broker stays with the credentials and says so:
 * only "postkey store move" moves them, and nobody falls from one store to the other by accident.
 */
#pragma once

#include "context.h"

/* Makes the stores of context, by its configuration and state. state_dir holds the sealed files,
 * and their key unless key_file= names another place. POSTKEY_ERROR_CONFIGURATION when the state
 * names a store that this version does not know. */
gboolean store_choice_open(Context *context, const char *state_dir, GError **error);

/* Goes over to what another configuration says of stores: key_file= in any case; store= where there
 * are no credentials yet, or where it names the store in use. Else POSTKEY_ERROR_CONFIGURATION, and
 * nothing is changed. */
gboolean store_choice_reload(Context *context, const Config *next, GError **error);

/* What store= of the configuration should say and does not, in words; NULL when all is well.
 * Returns owned. */
char *store_choice_disagreement(const Context *context);

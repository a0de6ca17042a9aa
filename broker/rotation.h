/* Long-lived credentials that grow old: rotate_after= of an account's section says when a key, a
 * password, a secret or an authorization should have been replaced. The broker cannot do so; it
 * warns (EVENT_ROTATION_DUE, hence the log and Monitor), and GetAccounts shows the date. */
#pragma once

#include "context.h"

typedef struct Rotation Rotation;

/* Looks at all accounts soon, and from then on every ROTATION_LOOK_S, so that a warning comes once
 * in that time for as long as it is true. */
#define ROTATION_LOOK_S ((gint64)24 * 3600)
Rotation *rotation_new(const Context *context);
/* Looks again soon: another configuration may wish for something else. NULL is fine. */
void rotation_look(Rotation *rotation);
void rotation_free(Rotation *rotation);

/* When the credential of this account should be replaced: wall clock, seconds; -1: no wish is
 * known, or it has no credential. */
gint64 rotation_due_at(const Context *context, const char *account_name);

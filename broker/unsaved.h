/* Rotated refresh tokens that the store would not take: kept in memory and offered again until it
 * does.
 *
 * The provider has ended the old token by then, so this is the only copy there is. */
#pragma once

#include "store.h"

typedef struct Unsaved Unsaved;

/* saved(account_name, data) runs when the store has taken a token after all. */
Unsaved *unsaved_new(Store *store, void (*saved)(const char *account_name, gpointer data),
                     gpointer data);

/* What is still kept dies here, and the log says whose. */
void unsaved_free(Unsaved *unsaved);

/* Keeps token (taken) for the secret of that account and offers it to the store with growing
 * pauses, until it is there or dropped. It replaces what was kept for the account before. */
void unsaved_keep(Unsaved *unsaved, const char *account_name, Secret *token);

/* The token kept for this account, or NULL. Borrowed. */
const Secret *unsaved_peek(const Unsaved *unsaved, const char *account_name);

/* Forgets it: the account was authorized anew, revoked or forgotten. */
void unsaved_drop(Unsaved *unsaved, const char *account_name);

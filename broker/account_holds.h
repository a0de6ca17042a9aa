/* Those who want an account to hold still, and wait until no refresh of it is in flight. */
#pragma once

#include <glib.h>

/* gone is POSTKEY_ERROR_ACCOUNT_NOT_FOUND where the account was removed meanwhile, else NULL. */
typedef void (*AccountHeld)(const GError *gone, gpointer data);

typedef struct {
    guint count;   /* holds that were not released */
    GQueue unsaid; /* those who were not told yet; owned */
} AccountHolds;

void account_holds_init(AccountHolds *holds);

/* One more; held runs once, after account_holds_tell(), or from account_holds_refuse_all(). */
void account_holds_add(AccountHolds *holds, AccountHeld held, gpointer data);

/* No refresh is in flight: everybody who waits is told, from the main loop. */
void account_holds_tell(AccountHolds *holds);

/* One less. Whether it was the last one. */
gboolean account_holds_release(AccountHolds *holds);

/* The account is gone: everybody who waits is told so at once. */
void account_holds_refuse_all(AccountHolds *holds, const GError *gone);

/* The end of every way to an account: its credential goes into the store, then its record into the
 * state, then the account takes the token that came with it.
 *
 * An account that lives keeps its old credential until the new one is in the store.
 */
#pragma once

#include "accounts.h"

/* All borrowed until done runs. */
typedef struct {
    const char *name; /* of the account */
    const char *address, *provider;
    const char *login, *client_id, *tenant; /* as in StateAccount; may be NULL */
    StateKind kind;
    StateRotation rotation;
    const char *const *scopes;      /* where the provider did not say */
    const Secret *credential;       /* for the store */
    gboolean replaces;              /* the provider gave it for one that has ended by it */
    const OauthTokenReply *granted; /* what came with it; of an app password nothing is in it */
} Enrolment;

/* error: nothing was changed (POSTKEY_ERROR_IO, POSTKEY_ERROR_KEYRING_*). unsaved: the account is
 * enrolled, but the store did not take its credential, which replaces one that has ended: it is
 * kept in memory and offered again (unsaved.h). */
typedef void (*EnrolmentDone)(const GError *error, const GError *unsaved, gpointer data);

/* done runs once, later or from inside this call. It cannot be cancelled. */
void enrolment_start(Context *context, Accounts *accounts, const Enrolment *enrolment,
                     EnrolmentDone done, gpointer data);

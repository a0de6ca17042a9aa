/* All accounts: those of the configuration and those that were authorized, found by name, address
 * or sender. */
#pragma once

#include "account.h"

typedef struct Accounts Accounts;

/* Makes the accounts of context's configuration and state. */
Accounts *accounts_new(Context *context);
void accounts_free(Accounts *accounts);

/* The account of that name, else the only one with that address (without case); with NULL the
 * default account, else the only one there is. POSTKEY_ERROR_ACCOUNT_NOT_FOUND,
 * POSTKEY_ERROR_ACCOUNT_AMBIGUOUS. Borrowed. */
Account *accounts_find(const Accounts *accounts, const char *name, GError **error);

/* The account for a From or reverse-path address: whose from= pattern fits, else whose address it
 * is (of several the default one, or POSTKEY_ERROR_ACCOUNT_AMBIGUOUS), else as accounts_find(NULL).
 * Borrowed. */
Account *accounts_find_for_sender(const Accounts *accounts, const char *from, GError **error);

/* Which accounts there are for somebody; NULL: all. For whom there are not all, a default account
 * that is not among them is none. */
typedef struct {
    gboolean (*fits)(const Account *account, gconstpointer data);
    gconstpointer data;
} AccountsFilter;

/* The same two among the accounts that fit: the others might as well not be there. */
Account *accounts_find_among(const Accounts *accounts, const AccountsFilter *filter,
                             const char *name, GError **error);
Account *accounts_find_for_sender_among(const Accounts *accounts, const AccountsFilter *filter,
                                        const char *from, GError **error);

/* By number, for lists; NULL behind the last one. Borrowed. */
Account *accounts_nth(const Accounts *accounts, guint n);

/* Whether text looks like the address of an account or a login: one that lines of a protocol, files
 * and keyrings can take. */
gboolean accounts_is_address(const char *text);

/* The name for an account that is authorized by its address alone: of the one account that has this
 * address, else the address itself. Returns owned. */
char *accounts_name_for(const Accounts *accounts, const char *address);

/* After Reload: new accounts appear, those that are gone disappear, the others keep their tokens
 * unless their identity changed. */
void accounts_reload(Accounts *accounts);

/* The account whose record was just written to the state; made when it is new or its identity
 * changed. Borrowed. */
Account *accounts_refresh_identity(Accounts *accounts, const char *name);

/* A client or the configuration was changed: account_retry_now() for all. */
void accounts_retry_now(Accounts *accounts);

/* The account of exactly that name; NULL when there is none. Borrowed. */
Account *accounts_named(const Accounts *accounts, const char *name);

/* Removes an account and its record: it was revoked or forgotten. POSTKEY_ERROR_IO when the state
 * is not saved. */
gboolean accounts_remove(Accounts *accounts, const char *name, GError **error);

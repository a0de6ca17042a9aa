/* The app password of an account, out of the store for one login. It is not kept in memory
 * afterwards. */
#pragma once

#include "context.h"

typedef struct PasswordCall PasswordCall;

/* password is borrowed; or NULL and the error: POSTKEY_ERROR_AUTHORIZATION (it is not there any
 * more), _KEYRING_*. */
typedef void (*PasswordDone)(const Secret *password, const GError *error, gpointer data);

/* done runs once, later, never from inside this call; the handle is valid until then. */
PasswordCall *password_get(const Context *context, const char *account_name, PasswordDone done,
                           gpointer data);

/* done will not run. NULL is fine. */
void password_cancel(PasswordCall *call);

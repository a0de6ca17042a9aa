/* What is so of the credentials in the store: for whoever shows accounts, and must not say that one
 * is ready whose credential is gone or cannot be read. No secret is read and no prompt raised.
 */
#pragma once

#include "context.h"

/* A store that has not answered by then hangs: nothing is known. */
#define STORE_SURVEY_MS 2000

/* names: the secrets that there are; NULL with error: POSTKEY_ERROR_KEYRING_LOCKED, or why none of
 * them can be read; both NULL: nothing is known. Borrowed for the callback. */
typedef void (*StoreSurveyed)(const char *const *names, const GError *error, gpointer data);

/* surveyed runs once, later, never from inside this call. */
void store_survey(const Context *context, StoreSurveyed surveyed, gpointer data);

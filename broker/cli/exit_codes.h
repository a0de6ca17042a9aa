/* What an error means to the caller of `postkey`: its exit code, and the meaning and the remedy
 * that fit where nobody closer to the cause named one. One table.
 *
 *   0 success                          5 keyring locked or unavailable
 *   1 anything else                    6 denied
 *   2 usage                            7 no such account, or several and none named
 *   3 authorization required           8 configuration, a missing OAuth client among it
 *   4 try again later
 */
#pragma once

#include <glib.h>

/* 0 for NULL. */
int exit_code_of(const GError *error);

/* Borrowed, static; NULL where there is nothing to add. */
const char *exit_meaning_of(const GError *error);

/* Borrowed, static; NULL where there is nothing to advise. */
const char *exit_remedy_of(const GError *error);

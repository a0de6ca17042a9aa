/* Which collections of a keyring are locked, and unlocking them.
 */
#pragma once

#include "keyring.h"

/* What is locked among the collections that may hold our items: the default one, and "login", where
 * the default points until somebody moves it; without a default all of them. A search that finds
 * nothing proves something only when none of these is locked. */
typedef struct {
    char *default_collection; /* object path; NULL when there is none */
    char **locked;            /* object paths; never NULL */
} KeyringSurvey;

void keyring_survey(SecretService *line, GCancellable *cancellable, GAsyncReadyCallback surveyed,
                    gpointer data);

/* Returns owned; NULL with an error as it came. */
KeyringSurvey *keyring_survey_finish(GAsyncResult *result, GError **error);
void keyring_survey_free(KeyringSurvey *survey);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeyringSurvey, keyring_survey_free)

/* Unlocks what a survey finds locked, and makes a default collection where there is none: each asks
 * the person, so the line has to be one that may prompt. POSTKEY_ERROR_CANCELLED when a prompt is
 * dismissed, other errors as they came. */
void keyring_unlock(SecretService *line, GCancellable *cancellable, GAsyncReadyCallback unlocked,
                    gpointer data);
gboolean keyring_unlock_finish(GAsyncResult *result, GError **error);

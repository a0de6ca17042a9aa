/* An OAuth client as the broker describes it, in words.
 */
#pragma once

#include "json.h"

/* "the keyring", "sealed files", "the configuration": where the client is. Static. */
const char *client_place(const cJSON *client);

/* "google: 123.apps.googleusercontent.com, with a secret, in the keyring"; client is a Client of
 * the broker's interface. Printable. Returns owned. */
char *client_in_words(const cJSON *client);

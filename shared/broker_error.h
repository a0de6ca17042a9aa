/* What the broker refuses, as an error of this program.
 *
 * One table: the name of a varlink error -> the code that says what the caller can do, and the
 * words for it. The errors are those of org.postkey.Broker.varlink and of org.varlink.service.
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>

/* Sets error from the name of a reply's error and its parameters (borrowed; NULL: none): their
 * reason is the meaning, their hint the remedy, whom it is about the subject, and retry_after is
 * kept. is_system: the broker of the machine said it, so commands that the remedy names get
 * --system. A name that is not known is POSTKEY_ERROR_PROTOCOL. */
void broker_error_set(GError **error, const char *name, const cJSON *parameters,
                      gboolean is_system);

/* What is to be typed has to reach the broker that it is about: remedy, with --system in the
 * commands of postkey that ask a broker and have none yet. Returns owned. */
char *broker_error_name_system(const char *remedy);

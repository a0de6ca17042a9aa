/* What libcurl's errors mean, in words for people.
 */
#pragma once

#include <curl/curl.h>
#include <glib.h>

/* Sets *error to POSTKEY_ERROR_UNAVAILABLE, or _CONFIGURATION where the CA file cannot be used.
 * words: what curl said, may be empty; verify_result: CURLINFO_SSL_VERIFYRESULT of the GnuTLS
 * flavour. */
void http_failure_set(GError **error, CURLcode code, const char *host, const char *words,
                      guint verify_result);

/* The person's browser, started by us and never by the broker.
 */
#pragma once

#include <glib.h>

/* The commands that $BROWSER (a list separated by colons, "%s" in each for the address; NULL: none)
 * names, or xdg-open where it is NULL or empty, each as an argument vector that ends with uri. No
 * shell reads them. Commands that cannot be read are left out. Returns owned: a NULL-ended vector
 * of vectors, browser_commands_free(). */
char ***browser_commands(const char *browser, const char *uri);
void browser_commands_free(char ***commands);

/* Opens uri, if it is an http(s) address and there is a display or $BROWSER. The browser has none
 * of our descriptors and lives on without us. Whether one was started. */
gboolean browser_open(const char *uri);

/* The HTML that a person sees. Everything that comes from outside is escaped. All return owned. */
#ifndef SIM_PAGE_H
#define SIM_PAGE_H

#include <glib.h>

char *page_message(const char *title, const char *text);
/* "Access blocked", as Google shows it. */
char *page_blocked(guint status, const char *error, const char *text);
/* user_code and problem may be NULL. */
char *page_device(const char *user_code, const char *problem);
/* scope: words separated by a space, a box for each. The form is sent to the page's own address, so
 * the query goes along there. */
char *page_consent(const char *client_id, const char *account, const char *scope);

#endif

/* What a browser gets from the loopback receiver: whole HTTP answers.
 *
 * Self-contained pages, light and dark, without a script; nothing may be loaded, framed or cached
 * (Content-Security-Policy, Cache-Control), and no address is passed on (Referrer-Policy).
 */
#pragma once

#include <glib.h>

/* The page at the end of an authorization; both texts are plain and escaped here. Returns owned. */
GString *redirect_page_outcome(gboolean success, const char *heading, const char *text);

/* 404. Returns owned. */
GString *redirect_page_not_found(void);

/* 431, for a request beyond the maximum. Returns owned. */
GString *redirect_page_too_large(void);

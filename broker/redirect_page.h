/* What a browser gets from the loopback receiver: whole HTTP answers.
 *
 * Self-contained pages, light and dark, without a script; nothing may be loaded, framed or cached
 * (Content-Security-Policy, Cache-Control), and no address is passed on (Referrer-Policy).
 */
#pragma once

#include <glib.h>

/* The end of an authorization, for the person who looks at the browser. Plain texts, escaped here;
 * each a sentence that is made to begin and to end like one. */
typedef struct {
    gboolean success;
    const char *heading;
    const char *what;    /* happened */
    const char *meaning; /* NULL where there is nothing to add */
    const char *remedy;  /* NULL where there is nothing to do */
} RedirectOutcome;

/* The page that tells it. Returns owned. */
GString *redirect_page_outcome(const RedirectOutcome *outcome);

/* 404. Returns owned. */
GString *redirect_page_not_found(void);

/* 431, for a request beyond the maximum. Returns owned. */
GString *redirect_page_too_large(void);

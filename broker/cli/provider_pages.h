/* What the error pages of providers mean: what a person sees in the browser and no program gets to
 * know.
 */
#pragma once

#include <glib.h>

/* Some lines for a person about the sign-in pages of provider, in the device flow or the browser
 * flow; NULL where nothing is known. Borrowed, static. */
const char *provider_pages(const char *provider, gboolean device);

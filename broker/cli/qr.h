/* A QR code (ISO/IEC 18004) as text: two modules to a character, in half blocks.
 */
#pragma once

#include <glib.h>

/* The light frame that readers want is four modules; two do on a screen that is too small for four.
 */
#define QR_QUIET_ZONE 4
#define QR_QUIET_ZONE_NARROW 2

/* The lines that show text: UTF-8, all equally many columns wide, where a block is a dark module
 * and a blank a light one. To be printed black on white, whatever the colours of the terminal: a
 * code that is light on dark is unreadable for many cameras. NULL when text is too long for a QR
 * code. Returns owned. */
char **qr_draw(const char *text, guint quiet_zone);

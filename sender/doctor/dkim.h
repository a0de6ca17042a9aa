/* A key record of DKIM (RFC 6376 section 3.6.1). Pure. */
#pragma once

#include <glib.h>

/* RFC 8301 section 3.2: shorter RSA keys are not looked at; 2048 is what one should have. */
#define DKIM_BITS_MIN 1024U
#define DKIM_BITS_GOOD 2048U

typedef enum {
    DKIM_GOOD,
    DKIM_REVOKED, /* an empty key */
    DKIM_TESTING, /* "t=y": whoever checks treats the mail as not signed */
    DKIM_WEAK,    /* shorter than DKIM_BITS_MIN */
    DKIM_BROKEN,  /* no such record, or no key in it */
} DkimResult;

/* What record says; *bits is the key's length where there is one (0: unknown), *algorithm its kind
 * ("rsa", "ed25519"), static. */
DkimResult dkim_read(const char *record, guint *bits, const char **algorithm);

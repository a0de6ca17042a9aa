/* The text of DATA as the server's side reads it: where it ends, and which dots are not its own
 * (RFC 5321 section 4.5.2). Pure.
 */
#pragma once

#include <glib.h>

typedef enum {
    SMTPD_DATA_LINE_START, /* after CRLF, and at the very start */
    SMTPD_DATA_DOT,        /* a dot there, which is held back */
    SMTPD_DATA_DOT_CR,     /* and a CR behind it, which is held back, too */
    SMTPD_DATA_IN_LINE,
    SMTPD_DATA_CR,
    SMTPD_DATA_END,
} SmtpdDataState;

/* All zero at the start. */
typedef struct {
    SmtpdDataState state;
} SmtpdData;

/* How much smtpd_data_feed() may write for len bytes: what was held back comes on top. */
#define SMTPD_DATA_OUT_LEN(len) ((len) + 2)

/* Reads bytes up to the end of the text; writes the text to out and its length to *out_len. Returns
 * how many bytes were read: all, unless the end is among them. */
gsize smtpd_data_feed(SmtpdData *data, const char *bytes, gsize len, char *out, gsize *out_len);

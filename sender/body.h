/* The body of a message: what SMTP can and cannot carry of it, and the body as it goes out. In
 * bounded memory.
 */
#pragma once

#include "encode.h"

/* RFC 5321 section 4.5.3.1.6, without the CRLF. */
#define BODY_LINE_MAX_LEN 998

/* What SMTP cannot carry as it is. */
typedef enum { BODY_FINE, BODY_HAS_NUL, BODY_HAS_BARE_CR, BODY_HAS_LONG_LINE } BodyFault;

typedef struct {
    guint64 len;        /* as it is, each line ended by CRLF, without dot-stuffing */
    BodyFault fault;    /* the first one, */
    guint64 fault_line; /* in this line of the body, from 1 */
    gboolean eight_bit; /* needs 8BITMIME (RFC 6152) */
    gboolean utf8;      /* all of it is valid UTF-8 */
} BodyFacts;

/* Reads the body that starts at offset start of fd. POSTKEY_ERROR_IO. */
gboolean body_scan(int fd, gint64 start, BodyFacts *facts, GError **error);

/* Streams it into sink; what goes out ends with CRLF. ENCODING_NONE is for a body without a fault:
 * each line is ended by CRLF, and dot_stuffed is as DATA wants it (RFC 5321 section 4.5.2). An
 * encoded body needs no dot-stuffing. */
gboolean body_stream(int fd, gint64 start, Encoding encoding, gboolean dot_stuffed, Sink sink,
                     gpointer data, GError **error);

/* How many octets body_stream() makes without dot-stuffing. POSTKEY_ERROR_IO. */
gboolean body_encoded_len(int fd, gint64 start, Encoding encoding, guint64 *len, GError **error);

/* "holds a NUL byte". Borrowed, static. */
const char *body_fault_words(BodyFault fault);

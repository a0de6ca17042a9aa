/* The original as the last part of a report (RFC 6522 section 3): whole, or its header.
 */
#pragma once

#include <glib.h>

typedef struct {
    gboolean whole;     /* message/rfc822; else text/rfc822-headers */
    gboolean eight_bit; /* whole, and not of 7 bits */
    gboolean quoted;    /* the header is not fit for 7 bits as it is: quoted-printable */
    char *boundary;     /* begins no line of it behind "--" */
    GString *header;    /* its fields, each line ended by LF */
    gint64 body_at;     /* offset in the file */
} BounceOriginal;

/* Reads the message in fd (size octets), to say how it can be returned: whole where it is no longer
 * than whole_max and lines and bytes are fit for SMTP (8-bit ones where eight_bit allows). name
 * goes into the boundary. NULL with POSTKEY_ERROR_IO, or POSTKEY_ERROR_REFUSED for a
 * header that is too long (header_read()). Returns owned. */
BounceOriginal *bounce_original_scan(int fd, gint64 size, gint64 whole_max, gboolean eight_bit,
                                     const char *name, GError **error);

void bounce_original_free(BounceOriginal *original);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BounceOriginal, bounce_original_free)

/* Writes the part, with its own header, to to_fd: without an mbox "From " line, Bcc and Resent-Bcc,
 * as they did not go out; message_id (may be
 * NULL) is put first, as it was added on the way out. POSTKEY_ERROR_IO. */
gboolean bounce_original_write(const BounceOriginal *original, int fd, const char *message_id,
                               int to_fd, GError **error);

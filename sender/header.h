/* The header section of a message: its fields, in order, in memory (bounded); and where the body
 * starts.
 */
#pragma once

#include "lines.h"

/* The longest header section. */
#define HEADER_MAX_LEN ((gsize)1024 * 1024)

/* The fields that a sender has to know. */
typedef enum {
    HEADER_OTHER,
    HEADER_FROM,
    HEADER_SENDER,
    HEADER_REPLY_TO,
    HEADER_TO,
    HEADER_CC,
    HEADER_BCC,
    HEADER_RESENT_FROM,
    HEADER_RESENT_TO,
    HEADER_RESENT_CC,
    HEADER_RESENT_BCC,
    HEADER_DATE,
    HEADER_MESSAGE_ID,
    HEADER_MIME_VERSION,
    HEADER_CONTENT_TYPE,
    HEADER_CONTENT_TRANSFER_ENCODING,
    HEADER_KINDS, /* how many there are */
} HeaderKind;

/* One field: "Name: value", folded lines joined by CRLF, without the last line's end. */
typedef struct {
    HeaderKind kind;
    GString *raw;   /* may hold any byte */
    gsize value_at; /* behind the colon */
    guint64 line;   /* of the message, where it starts, from 1 */
} HeaderEntry;

typedef struct {
    GPtrArray *entries; /* of HeaderEntry *, owned */
    gint64 body_at;     /* offset of the body in the file */
    guint64 body_line;  /* its first line, from 1 */
} Header;

/* Reads the header section at the start of fd. An mbox "From " line before it is left out; it is
 * one where a field follows: a text may begin with the same word. A line that is no field ends the
 * section: it is the first line of the body. POSTKEY_ERROR_IO, POSTKEY_ERROR_REFUSED for one that
 * is too long. Returns owned. */
Header *header_read(int fd, GError **error);

void header_free(Header *header);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Header, header_free)

/* The first field of this kind; NULL where there is none. Borrowed. */
const HeaderEntry *header_find(const Header *header, HeaderKind kind);

/* The value of a field with its folds; it ends at a NUL. Borrowed. */
const char *header_value(const HeaderEntry *entry);

/* Whether a field holds addresses (RFC 5322 sections 3.6.2, 3.6.3, 3.6.6). */
gboolean header_is_address_list(HeaderKind kind);

/* Whether a field is not sent on: Bcc and Resent-Bcc. */
gboolean header_is_dropped(HeaderKind kind);

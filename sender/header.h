/* The header section of a message, line by line: which field a line belongs to, and where the body
 * starts. Pure.
 */
#pragma once

#include "lines.h"

/* The fields that a sender has to know. */
typedef enum {
    HEADER_OTHER,
    HEADER_FROM,
    HEADER_SENDER,
    HEADER_TO,
    HEADER_CC,
    HEADER_BCC,
    HEADER_RESENT_TO,
    HEADER_RESENT_CC,
    HEADER_RESENT_BCC,
    HEADER_DATE,
    HEADER_MESSAGE_ID,
    HEADER_FIELDS, /* how many there are */
} HeaderField;

/* What a line is. */
typedef enum {
    HEADER_LINE_FIELD,             /* starts a field */
    HEADER_LINE_CONTINUATION,      /* goes on with it (folded) */
    HEADER_LINE_SEPARATOR,         /* the blank line before the body */
    HEADER_LINE_BODY,              /* of the body */
    HEADER_LINE_MISSING_SEPARATOR, /* of the body, whose blank line is missing */
} HeaderLine;

/* Where a walk through a message is; start with {0}. */
typedef struct {
    gboolean in_body;
    gboolean in_field;
    HeaderField field; /* of the line just read */
    gsize value_at;    /* HEADER_LINE_FIELD: where the value starts in the line */
    HeaderLine last;
} HeaderWalk;

/* Tells what the next line (or piece of one) is. A line that is no field ends the header section:
 * it is the first line of the body. */
HeaderLine header_walk(HeaderWalk *walk, const Line *line);

/* Whether a field is not sent on: Bcc and Resent-Bcc. */
gboolean header_is_dropped(HeaderField field);

/* Whether bytes (len of them) are the "From " line of an mbox, or one that an mbox has escaped as
 * ">From ". */
gboolean header_is_mbox_line(const char *bytes, gsize len);

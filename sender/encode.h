/* The content transfer encodings of RFC 2045, as a stream of bytes becomes a stream of lines. Pure.
 */
#pragma once

#include "sink.h"

typedef enum {
    ENCODING_NONE,             /* 7bit or 8bit: as it is */
    ENCODING_QUOTED_PRINTABLE, /* section 6.7: for text; line ends stay line ends */
    ENCODING_BASE64,           /* section 6.8: for everything else; every byte is kept */
} Encoding;

/* The name as Content-Transfer-Encoding has it. Borrowed, static. */
const char *encoding_name(Encoding encoding);

/* A stream under way. Set encoding, sink and data; the rest is zero. */
typedef struct {
    Encoding encoding;
    Sink sink;
    gpointer data;
    guint column;    /* of the line that goes out */
    char blank;      /* quoted-printable: a blank that may be the last of its line; 0: none */
    guchar line[57]; /* base64: a line's bytes */
    guint held;      /* how many of them are there */
    char out[1024];  /* goes to the sink when it is full */
    gsize out_len;
} Encoder;

/* The next bytes, without line ends for quoted-printable and with them for base64. */
gboolean encoder_feed(Encoder *encoder, const char *bytes, gsize len, GError **error);

/* Quoted-printable: the line ends here. */
gboolean encoder_end_line(Encoder *encoder, GError **error);

/* Nothing more comes. What went out ends with CRLF, but for nothing at all. */
gboolean encoder_finish(Encoder *encoder, GError **error);

/* SMTP replies (RFC 5321 section 4.2), read incrementally. Pure: no I/O.
 *
 * A reply is one or more lines "CODE-text" and a last one "CODE text", all with the same code.
 * Bytes are fed as they arrive, in pieces of any size; what follows the reply is left to the next
 * one. A peer cannot make the parser hold more than REPLY_MAX_LEN bytes.
 */
#pragma once

#include <glib.h>

/* RFC 5321 wants 512 octets for a line; servers exceed it. */
#define REPLY_LINE_MAX_LEN 2000
#define REPLY_MAX_LINES 200
#define REPLY_MAX_LEN ((gsize)64 * 1024)

typedef struct {
    guint code; /* 200..599 */
    char *
        enhanced; /* of the first line that has one (RFC 2034), "5.7.8"; NULL where there is none */
    GPtrArray *lines; /* of char *: the texts without code and separator, at least one */
} Reply;

typedef struct ReplyParser ReplyParser;

typedef enum {
    REPLY_NEEDS_MORE,
    REPLY_COMPLETE, /* take it with reply_parser_take() */
    REPLY_BROKEN,   /* no SMTP reply: the connection is of no use any more */
} ReplyStatus;

ReplyParser *reply_parser_new(void);
void reply_parser_free(ReplyParser *parser);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplyParser, reply_parser_free)

/* Reads up to len bytes; *consumed says how many. Stops behind the end of a reply. After
 * REPLY_BROKEN *error (POSTKEY_ERROR_PROTOCOL) says why and the parser stays broken. */
ReplyStatus reply_parser_feed(ReplyParser *parser, const char *bytes, gsize len, gsize *consumed,
                              GError **error);

/* The reply that was completed; the parser is ready for the next one. Returns owned; NULL when
 * there is none. */
Reply *reply_parser_take(ReplyParser *parser);

/* Whether a part of a reply was read and its end was not. */
gboolean reply_parser_is_midway(const ReplyParser *parser);

void reply_free(Reply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reply, reply_free)

/* The texts of all lines, joined with blanks, without their enhanced codes; fit to be printed.
 * Returns owned. */
char *reply_text(const Reply *reply);

/* "535 5.7.8 text", for errors and logs. Returns owned. */
char *reply_describe(const Reply *reply);

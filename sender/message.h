/* One message: what its header says, and the message as it goes out.
 *
 * The body stays in its file; memory does not grow with it. It is read once to be scanned, and once
 * for each time it is streamed. On the way out the message is repaired as RFC 6409 section 8
 * allows: line ends are CRLF, an mbox "From " line, Bcc and Resent-Bcc are left out, Date,
 * Message-ID and From are added where they are missing, the blank line between header and body too;
 * header lines are encoded or folded where SMTP cannot carry them (header_encode.h). What the body
 * says is never changed: where SMTP cannot carry it as it is (NUL, bare CR, lines over 998 octets,
 * 8-bit without 8BITMIME), a single part without a transfer encoding gets one.
 */
#pragma once

#include "sink.h"

typedef struct Message Message;

/* Reads the message in the file fd from its start. Takes fd, also when it fails. NULL with
 * POSTKEY_ERROR_IO, or POSTKEY_ERROR_REFUSED for a header section that is too long. Returns owned.
 */
Message *message_scan(int fd, GError **error);

void message_free(Message *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Message, message_free)

/* The first address of the From field; NULL where there is none, or where it is no address.
 * Borrowed. */
const char *message_from(const Message *message);

/* The Message-ID as it goes out, with its angle brackets, for logs: on one line, "?" for what is
 * not visible ASCII. NULL where there is none before message_complete(). Borrowed. */
const char *message_id(const Message *message);

/* Adds the addresses of To, Cc and Bcc, or, when there is one address in Resent-To, Resent-Cc or
 * Resent-Bcc, of these alone. As address_list_parse(). */
gboolean message_recipients(const Message *message, GPtrArray *addresses, GError **error);

/* Date and Message-ID for message_complete() where they are missing: for a message that is tried
 * more than once. NULL: made anew. Copied. */
void message_stamp(Message *message, const char *date, const char *id);

/* What takes the place of From, which is then kept as X-Original-From: a mailbox as it stands in
 * the field, folds and all; other control characters in it become blanks. Copied. To be called
 * before message_complete(). */
void message_replace_from(Message *message, const char *mailbox);

/* Makes the fields that are missing or empty; once, so that every try sends the same Message-ID.
 * address: for From, and the domain of the Message-ID; full_name: for From, NULL for none; now:
 * Unix seconds for Date. */
void message_complete(Message *message, const char *address, const char *full_name, gint64 now);

/* What a server takes. */
typedef struct {
    gboolean eight_bit_mime; /* RFC 6152 */
    gboolean smtp_utf8;      /* RFC 6531 */
} MessageOffer;

/* Decides how the message goes to a server that takes this; may be called anew for another one.
 * Before the first time message_size() is that of the body alone, and nothing can be streamed.
 * POSTKEY_ERROR_REFUSED: SMTP cannot carry it, with the line and the reason; POSTKEY_ERROR_IO. */
gboolean message_prepare(Message *message, const MessageOffer *offer, GError **error);

/* As it was prepared: whether MAIL has to say BODY=8BITMIME, and SMTPUTF8 for the header's sake. */
gboolean message_is_eight_bit(const Message *message);
gboolean message_needs_smtp_utf8(const Message *message);

/* The octets of the message as it was prepared, without dot-stuffing (RFC 1870 section 3). */
guint64 message_size(const Message *message);

/* Streams the message as it was prepared into sink, each line ended by CRLF. dot_stuffed: as DATA
 * wants it (RFC 5321 section 4.5.2), without the final dot. */
gboolean message_stream(const Message *message, gboolean dot_stuffed, Sink sink, gpointer data,
                        GError **error);

/* What differs between the message as it came and as it goes out, a line for each, for people:
 * "Date is added". Empty where nothing does. Returns owned. */
char *message_explain(const Message *message);

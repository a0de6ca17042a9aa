/* One message: what its header says, whether SMTP can carry it, and the message as it goes out.
 *
 * The message stays in its file; memory does not grow with it. It is read twice: once to be
 * scanned, and once for each time it is streamed. On the way out it is repaired as RFC 6409 section
 * 8 allows: line ends are CRLF, an mbox "From " line, Bcc and Resent-Bcc are left out (with their
 * folded lines), Date, Message-ID and From are added where they are missing, the blank line between
 * header and body too. What the body says is never changed.
 */
#pragma once

#include <glib.h>

/* The longest header section. */
#define MESSAGE_HEADER_MAX_LEN ((gsize)1024 * 1024)

/* RFC 5321 section 4.5.3.1.6, without the CRLF. */
#define MESSAGE_LINE_MAX_LEN 998

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

/* Its own Message-ID field as it is; NULL where there is none. Borrowed. */
const char *message_id(const Message *message);

/* Adds the addresses of To, Cc and Bcc, or, when there is one address in Resent-To, Resent-Cc or
 * Resent-Bcc, of these alone. As address_list_parse(). */
gboolean message_recipients(const Message *message, GPtrArray *addresses, GError **error);

/* Whether SMTP can carry the message as it is: no NUL, no bare CR, no line over
 * MESSAGE_LINE_MAX_LEN; and no 8-bit byte unless eight_bit_mime (RFC 6152). POSTKEY_ERROR_REFUSED
 * with the first line that it cannot. */
gboolean message_check_sendable(const Message *message, gboolean eight_bit_mime, GError **error);

gboolean message_is_eight_bit(const Message *message);

/* Date and Message-ID for message_complete() where they are missing: for a message that is tried
 * more than once. NULL: made anew. Copied. */
void message_stamp(Message *message, const char *date, const char *id);

/* Makes the fields that are missing; once, so that every try sends the same Message-ID. address:
 * for From, and the domain of the Message-ID; full_name: for From, NULL for none; now: Unix seconds
 * for Date. */
void message_complete(Message *message, const char *address, const char *full_name, gint64 now);

/* The octets of the message as it goes out, without dot-stuffing (RFC 1870 section 3). */
guint64 message_size(const Message *message);

/* Takes the next bytes. FALSE with *error stops the stream. */
typedef gboolean (*MessageSink)(const char *bytes, gsize len, gpointer data, GError **error);

/* Streams the message into sink, each line ended by CRLF. dot_stuffed: as DATA wants it (RFC 5321
 * section 4.5.2), without the final dot. Only for messages that message_check_sendable() let pass.
 */
gboolean message_stream(const Message *message, gboolean dot_stuffed, MessageSink sink,
                        gpointer data, GError **error);

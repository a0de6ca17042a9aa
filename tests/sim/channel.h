/* One accepted connection: buffered reading and writing, in plain text or (later) in TLS. It
 * belongs to the one thread that serves it. Every wait of a channel ends when the peer goes or when
 * the program stops, so no thread is ever stuck for good. */
#ifndef SIM_CHANNEL_H
#define SIM_CHANNEL_H

#include <glib.h>
#include <gnutls/gnutls.h>

typedef struct Channel Channel;

typedef enum { WAIT_TIME_IS_UP, WAIT_GATE_OPENED, WAIT_GONE } WaitEnd;

/* Takes fd; borrows stop_fd, which becomes readable when the program stops. */
Channel *channel_new(int fd, int stop_fd);
/* Closes without a word, in the middle of whatever was going on. */
void channel_free(Channel *channel);
/* Flushes, says goodbye in TLS too, and lets the peer close first where it is quick. */
void channel_finish(Channel *channel);

/* The server's side of a handshake. What was read before it is still in the buffer: see
 * channel_discard_input. FALSE when it fails; the channel is of no use then. */
gboolean channel_start_tls(Channel *channel, gnutls_certificate_credentials_t credentials);
/* "TLS1.3" and the like, static; NULL in plain text. */
const char *channel_tls_version(const Channel *channel);

/* Reads through the next LF, which is kept. Of a longer line only the first max bytes are kept, so
 * it does not end in LF. FALSE at the end of the stream. */
gboolean channel_read_line(Channel *channel, GString *line, gsize max);
/* Reads exactly len bytes and appends them to into, which may be NULL to throw them away. */
gboolean channel_read_exact(Channel *channel, gsize len, GString *into);
/* Bytes that have arrived and were not asked for yet. */
gsize channel_pending(const Channel *channel);
/* Forgets them. */
void channel_discard_input(Channel *channel);

/* Bytes that were written and have not left yet. */
gsize channel_unsent(const Channel *channel);
/* How often something had left when the next input was waited for: the peer's round trips. */
guint channel_turns(const Channel *channel);
/* After so many more bytes of ours the connection ends as if it were cut; negative: never. */
void channel_cut_after(Channel *channel, gint64 len);

/* Collects; what is collected leaves in one piece before the next read that has to wait. */
void channel_write(Channel *channel, const char *data, gsize len);
/* FALSE when the peer is gone. */
gboolean channel_flush(Channel *channel);
/* Byte by byte, delay_ms apart. */
gboolean channel_write_slowly(Channel *channel, const char *data, gsize len, gint64 delay_ms);

/* Waits for timeout_ms (-1: for ever), for gate_fd (-1: none) to become readable, or for the end.
 * Flushes first. */
WaitEnd channel_wait(Channel *channel, gint64 timeout_ms, int gate_fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Channel, channel_free)

#endif

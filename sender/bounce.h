/* Reports about a message to its sender: delivery status notifications (RFC 3461, 3464, 6522).
 *
 * A report is a message of its own: multipart/report with words for people, the fields for programs
 * and the original, or its header alone. It is made of US-ASCII alone, but for an original that is
 * returned whole as 8-bit where that is allowed. It is written the same for the same request, so
 * that a repeat after a crash is the same message.
 *
 *   fd = spool_draft(); bounce_compose(&request, fd); spool_add(spool, fd,
 * bounce_envelope(&request)) mark the recipients ENVELOPE_BOUNCED, original->bounces++,
 * spool_entry_save(original)
 *
 * A repeat makes the same id (spool_report_id()), which spool_add() finds there already. So that it
 * is about the same recipients, too, their refusal is saved before the report is made, and a
 * message with a recipient that is ENVELOPE_REFUSED gets its report before anything is tried again.
 */
#pragma once

#include "envelope.h"

/* Originals up to here are returned whole when nobody asked for more or less (RET); with RET=FULL
 * up to the second. Longer ones: their header. */
#define BOUNCE_WHOLE_MAX_LEN ((gint64)256 * 1024)
#define BOUNCE_FULL_MAX_LEN ((gint64)10 * 1024 * 1024)

typedef enum {
    BOUNCE_FAILED,  /* all recipients that are ENVELOPE_REFUSED: Action failed */
    BOUNCE_EXPIRED, /* the same, and those still waiting, whose time is over */
    BOUNCE_DELAYED, /* those that wait: Action delayed; nothing is given up */
    BOUNCE_RELAYED, /* those that are ENVELOPE_SENT, to a server that makes no such reports itself
                     */
} BounceKind;

/* All borrowed. */
typedef struct {
    BounceKind kind;
    const Envelope *original;
    int eml_fd;           /* the original message */
    const char *to;       /* the mailbox of the sender; passed address_check() */
    const char *from;     /* of the From field: the account's address; passed address_check() */
    const char *reporter; /* the name of this machine, for Reporting-MTA */
    gint64 now;           /* Unix seconds, for Date */
    gint64 lifetime_s;    /* said in words */
    gboolean eight_bit;   /* the server that takes the report has 8BITMIME */
} BounceRequest;

/* How many recipients a report of this kind would be about; those who want none (NOTIFY, envelope_
 * wants()) do not count. 0: make none. */
guint bounce_count(BounceKind kind, const Envelope *original);

/* After the report was added to the spool, or none was wanted: what it was about is
 * ENVELOPE_BOUNCED (not for BOUNCE_DELAYED, which makes the original warned, nor for
 * BOUNCE_RELAYED), and the next report gets another id. To be saved by the caller. */
void bounce_mark(BounceKind kind, Envelope *original);

/* Writes the report to fd from its start. POSTKEY_ERROR_IO; POSTKEY_ERROR_REFUSED for an original
 * whose header is beyond all bounds (HEADER_MAX_LEN), which no message in the queue has. */
gboolean bounce_compose(const BounceRequest *request, int fd, GError **error);

/* The envelope of the report: id, kind (warning for BOUNCE_DELAYED), reverse-path "", the recipient
 * to, account and uid of the original. Returns owned. */
Envelope *bounce_envelope(const BounceRequest *request);

/* The lines and bytes of the server's side of SMTP on two descriptors: what the peer says, with
 * deadlines and limits, and the replies to it, those of a pipelined group together.
 */
#pragma once

#include "deadline.h"

/* With its CRLF; RFC 5321 section 4.5.3.1.4 asks for 512, extensions for more. */
#define SMTPD_COMMAND_MAX_LEN ((gsize)4096)

/* What the peer gets wrong before it is hung up on. */
#define SMTPD_ERRORS_MAX 20U

#define SMTPD_WIRE_CHUNK_LEN ((gsize)16 * 1024)

/* Made by smtpd_wire_open(). */
typedef struct {
    int in, out;                      /* borrowed */
    gint64 timeout_ms;                /* without a byte from the peer */
    Deadline until;                   /* nobody is waited for after it; 0: no such end */
    char chunk[SMTPD_WIRE_CHUNK_LEN]; /* what was read */
    gsize at, len;                    /* of it: the next byte, the end */
    GString *replies;                 /* not yet written */
    guint errors;
    gboolean over; /* nothing more is read */
    int status;    /* 0, or EX_TEMPFAIL: the peer was cut off */
} SmtpdWire;

void smtpd_wire_open(SmtpdWire *wire, int in, int out, gint64 timeout_ms);

/* Writes what is left of the replies; wipes and frees what the wire has. */
void smtpd_wire_close(SmtpdWire *wire);

/* Ends it, once the replies are written. */
void smtpd_wire_cut_off(SmtpdWire *wire);

void smtpd_wire_reply(SmtpdWire *wire, const char *text);

/* The same for a mistake of the peer; after many of them it is no client of SMTP, and cut off. */
void smtpd_wire_reply_error(SmtpdWire *wire, const char *text);

/* Reads the next chunk, when the last one is used up. The peer gets its replies before it is waited
 * for. FALSE: nothing comes any more. */
gboolean smtpd_wire_fill(SmtpdWire *wire);

/* Room for the longest line: a password in it leaves no copy behind. Returns owned. */
GString *smtpd_wire_line_new(void);

/* The next line without its end. FALSE: there is none, or it is too long, which was told. */
gboolean smtpd_wire_read_line(SmtpdWire *wire, GString *line);

/* Wipes what was read up to here, with a password in it; what comes next stays. */
void smtpd_wire_wipe(SmtpdWire *wire);

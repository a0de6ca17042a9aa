/* Puts a message into the queue: from what a caller said to a committed entry. */
#pragma once

#include "smtp.h"
#include "spool.h"

/* How long the runner leaves a new message to whoever put it there: to hand it over, or to send it
 * itself. */
#define ENQUEUE_GRACE_S 10

/* What the caller said; all borrowed. */
typedef struct {
    gint64 uid;
    PathsScope scope;      /* whose broker the caller asked for */
    const char *account;   /* NULL: the broker chooses */
    const char *from;      /* reverse-path; "": none; NULL: the account's address */
    const char *full_name; /* NULL: none */
    GPtrArray *recipients; /* of char *; passed address_check() */
    SmtpDsn dsn;
    gboolean at_once; /* for the runner: there is nobody else */
} EnqueueRequest;

/* Commits the message in fd (of spool_draft(), whole; taken). What it lacks of Date and Message-ID
 * is made now, so that each try sends the same. POSTKEY_ERROR_IO: it is not kept;
 * POSTKEY_ERROR_REFUSED: no message (message_scan()), or notices that there are not. Returns the
 * entry, locked, owned. */
SpoolEntry *enqueue(const Spool *spool, int fd, const EnqueueRequest *request, GError **error);

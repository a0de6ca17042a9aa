/* One message from the caller to the submission server: asks the broker for route and credential,
 * connects while the broker may still be refreshing, logs in, sends, and tells the broker what
 * became of it.
 */
#pragma once

#include "paths.h"
#include "smtp.h"

/* What to deliver; all borrowed. */
typedef struct {
    PathsScope scope;      /* whose broker */
    const char *account;   /* NULL: the broker chooses by the sender's address */
    const char *sender;    /* reverse-path; "": none; NULL: the account's address */
    const char *full_name; /* for a From that is missing; NULL: none */
    Message *message;      /* completed on the way */
    TransportTrace trace;  /* NULL: none */
    gpointer trace_data;
    void (*progress)(guint64 done, guint64 total, gpointer data); /* as in SmtpMail; NULL: none */
    gpointer progress_data;
} DeliveryRequest;

/* Delivers to n recipients and fills in their outcomes. Returns an exit code of sysexits.h; *error
 * is set where one reason holds for the whole message, and verdict_explain() tells the rest. A
 * token that the server refuses is reported to the broker; where that gives another one, it is
 * tried once. */
int delivery_run(const DeliveryRequest *request, SmtpRecipient *recipients, guint n,
                 GError **error);

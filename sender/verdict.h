/* From what became of a message to what its caller learns: an exit code of sysexits.h, and words.
 * Pure.
 */
#pragma once

#include "smtp.h"

/* The exit code for an error that holds for the whole message. refusal: the diagnosis of the
 * server's reply behind it, NULL where there is none. USAGE 64; REFUSED 65; UNAVAILABLE, THROTTLED
 * and both KEYRING codes 75 (nothing is lost, the caller may try again), but 69 where the server
 * refuses its service for good; IO 74; PROTOCOL 76; AUTHORIZATION, PERMISSION 77; CONFIGURATION and
 * the ACCOUNT and CLIENT codes 78. */
int verdict_of_error(const GError *error, const Diagnosis *refusal);

/* The exit code for n recipients with outcomes of their own: 0 when all are served; else that of
 * the first one that is refused for good, else that of the first one that is not served. */
int verdict_of_recipients(const SmtpRecipient *recipients, guint n);

/* status, but EX_UNAVAILABLE for 74 to 78 where somebody has the message or may have it: these ask
 * the caller to mend something, or to wait, and to send it again, to all of them. */
int verdict_no_second_copy(int status, const SmtpRecipient *recipients, guint n);

/* Who got the message and who did not, for people: those whose reply is the same stand together,
 * each group with its meaning and remedy. Recipients that were not served for a reason that no
 * server gave are left out: the error tells it. Empty when all are served. Returns owned. */
char *verdict_explain(const char *program, const SmtpRecipient *recipients, guint n);

/* The same of those who are refused for good alone, where others got it or are kept. */
char *verdict_explain_refused(const char *program, const SmtpRecipient *recipients, guint n);

/* error with all three parts: where nobody said what it means or what to do, what holds for its
 * code. Returns owned. */
GError *verdict_complete(const GError *error);

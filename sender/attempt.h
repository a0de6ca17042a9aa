/* One try of one kept message: by a courier, and then everything that follows from the outcomes:
 * what the envelope says, when it is tried again, holds, bounces, the log, and what its caller
 * learns. The message leaves the queue here alone: by a 250 for each recipient, or by a bounce.
 */
#pragma once

#include "courier.h"
#include "spool.h"

/* For whom and how; all borrowed. */
typedef struct {
    const char *program;   /* for what the caller reads */
    PathsScope scope;      /* whose broker */
    const char *otherwise; /* as AccountRequest */
    gboolean service;      /* the queue service: asks on behalf of the envelope's uid */
    gboolean waits;        /* a caller waits for the verdict */
    gboolean keeps;        /* FALSE: never kept (deliver=now) */
    Deadline give_up_at;   /* 0: never */
    TransportTrace trace;
    gpointer trace_data;
    void (*progress)(guint64 done, guint64 total, gpointer data); /* as in SmtpMail; NULL: none */
    gpointer progress_data;
    void (*meanwhile)(gpointer data); /* as in SmtpMail; NULL: none */
    gpointer meanwhile_data;
} AttemptTerms;

typedef enum {
    ATTEMPT_DONE,  /* everybody is served, or has a bounce: it is removed */
    ATTEMPT_KEPT,  /* some or all wait */
    ATTEMPT_FINAL, /* nobody got it, and it is not kept: the caller learns it from status and text,
                      and then attempt_drop() is due; where no caller could be told,
                      attempt_bounce()
                    */
} AttemptFate;

typedef struct {
    AttemptFate fate;
    int status;    /* of sysexits.h, for the caller */
    char *text;    /* lines for the caller's stderr; may be empty */
    char *account; /* that the broker chose; NULL: it chose none */
    char *address; /* of that account; NULL: unknown */
    gint64 lifetime_s;
    gboolean unsaved; /* the disk did not take what came of it: not to be tried again at once */
    gboolean bounced; /* a report was put into the queue: somebody has to send it */
    /* What holds for the account, until when (Unix seconds); ENVELOPE_NO_HOLD: nothing */
    EnvelopeHold hold;
    gint64 hold_until;
    gboolean hold_is_local;            /* no server decided it: to look again costs nothing */
    gboolean unauthorized;             /* it may not log in: its reports go another way */
    char *happened, *meaning, *remedy; /* why; NULL: unknown */
} AttemptResult;

/* Frees its texts; what it says is nothing then. */
void attempt_result_clear(AttemptResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AttemptResult, attempt_result_clear)

/* Tries the entry (locked, borrowed). *courier is of the entry's account, or NULL: then it is made,
 * and given back for the next message; one that is of no use any more is closed. */
void attempt_run(const AttemptTerms *terms, SpoolEntry *entry, Courier **courier,
                 AttemptResult *result);

/* Writes down ahead of its try that the entry may be on its way, so that the try need not wait for
 * the disk; what was in doubt before is left as it is. Then attempt_run() is due, or
 * attempt_unmark().
 */
void attempt_mark(SpoolEntry *entry);

/* In the place of the try: it was not on its way. FALSE: as unsaved. */
gboolean attempt_unmark(SpoolEntry *entry);

/* In the place of a try while the account is on hold for what hold says: the message waits with it.
 * A report does not, where the account is unauthorized and [notify] names another one. */
void attempt_hold(const AttemptTerms *terms, SpoolEntry *entry, const AttemptResult *hold,
                  AttemptResult *result);

/* Tells a person that it has waited long, by the broker, where that is due. FALSE: as unsaved, or
 * there is no broker that could. */
gboolean attempt_warn(const AttemptTerms *terms, SpoolEntry *entry);

/* After ATTEMPT_FINAL: the caller knows. */
void attempt_drop(SpoolEntry *entry);

/* After ATTEMPT_FINAL: nobody knows, so the sender gets a bounce. address: the account's own; NULL:
 * unknown, then it is tried again later. FALSE: as unsaved. */
gboolean attempt_bounce(SpoolEntry *entry, const char *address, gint64 lifetime_s);

/* The envelope of a kept message: who gets it, what became of each, and when it is tried next.
 * Pure: struct to JSON text and back; no I/O, no clock.
 *
 * The text is for people, too: one field on a line, times as RFC 3339 in UTC. It is read strictly
 * (json.h): a field that is unknown, of another type, out of its bounds or missing makes the whole
 * envelope unreadable, so that a damaged one is never acted upon. docs/queue.md shows one.
 *
 * Threads: an Envelope has one owner at a time; no function keeps state.
 */
#pragma once

#include "paths.h"

/* Raised whenever the meaning of a field changes; others are not read. */
#define ENVELOPE_VERSION 1

/* ENVELOPE_RECIPIENTS_MAX recipients with the longest texts, each character escaped, stay below the
 * whole's limit. */
#define ENVELOPE_MAX_LEN ((gsize)128 * 1024 * 1024)
#define ENVELOPE_RECIPIENTS_MAX 10000U
#define ENVELOPE_ADDRESS_MAX_LEN ((gsize)254)
/* Of what a server, a diagnosis or a caller said; envelope_set_text() cuts it. */
#define ENVELOPE_TEXT_MAX_LEN ((gsize)1024)
#define ENVELOPE_ATTEMPTS_MAX 1000000

typedef enum {
    ENVELOPE_MESSAGE, /* somebody's */
    ENVELOPE_BOUNCE,  /* a report of ours: never bounces itself */
    ENVELOPE_WARNING, /* a report of ours that something waits: never bounces either */
} EnvelopeKind;

/* Where a recipient is. */
typedef enum {
    ENVELOPE_WAITING, /* to be tried */
    ENVELOPE_SENT,    /* a server has it */
    ENVELOPE_REFUSED, /* for good; the report is still to be made */
    ENVELOPE_BOUNCED, /* for good; the report is in the queue, or nobody wants one */
} EnvelopeState;

/* Why the whole message is not tried. Its life (waited_s) stands still on every hold. */
typedef enum {
    ENVELOPE_NO_HOLD,
    ENVELOPE_HOLD_PERSON,  /* until `release`: never due */
    ENVELOPE_HOLD_ACCOUNT, /* authorization lost, too many logins ...: due at next_at */
    ENVELOPE_HOLD_QUOTA,   /* no room in the account's quota: due at next_at */
} EnvelopeHold;

/* RFC 3461 section 4.1; 0: nothing was asked for (then: FAILURE, and DELAY as we like). */
typedef enum {
    ENVELOPE_NOTIFY_NEVER = 1 << 0, /* alone */
    ENVELOPE_NOTIFY_SUCCESS = 1 << 1,
    ENVELOPE_NOTIFY_FAILURE = 1 << 2,
    ENVELOPE_NOTIFY_DELAY = 1 << 3,
} EnvelopeNotify;

/* RFC 3461 section 4.3. */
typedef enum { ENVELOPE_RET_ANY, ENVELOPE_RET_FULL, ENVELOPE_RET_HDRS } EnvelopeRet;

typedef struct {
    char *address; /* passed address_check() */
    EnvelopeState state;
    guint notify;  /* EnvelopeNotify of this one alone; 0: the message's */
    char *orcpt;   /* "rfc822;you@example.com" as decoded from ORCPT; NULL: none */
    char *reply;   /* what decided, or happened last: "550 5.1.1 No such user"; NULL: nothing yet */
    char *meaning; /* NULL: unknown */
    char *remedy;  /* NULL: unknown */
    char *relay;   /* the server that said so; NULL: none */
    gint64 tried_at;   /* 0: never */
    gint64 attempts;   /* those in which a server was asked for this recipient */
    gboolean in_doubt; /* the duplicate window is open for it: see in_doubt_since */
} EnvelopeRecipient;

typedef struct {
    char *id; /* of the spool; NULL until spool_add() gives one */
    EnvelopeKind kind;
    gint64 created_at;  /* Unix seconds, as all times here; 0: none */
    gint64 uid;         /* whose message it is */
    PathsScope scope;   /* whose broker the caller asked for; PATHS_ANY: whichever is there */
    char *account;      /* as the caller named it; NULL: the broker chooses */
    char *used_account; /* which one the broker chose last; NULL: not known yet */
    char *from;         /* reverse-path; "": none; NULL: the account's address */
    char *full_name;    /* for a From that is missing; NULL: none */
    char *original;     /* a bounce or warning: the id of the message it is about; else NULL */

    /* What message_complete() adds where the header lacks it, the same at each try. */
    char *stamp_date;       /* NULL: not made yet */
    char *stamp_message_id; /* NULL: not made yet */
    char *message_id; /* the header's own, else the stamp's; for lists and logs; NULL: unknown */
    gint64 size;      /* octets of the .eml; spool_add() fills it in */

    EnvelopeRet ret;
    guint notify;
    char *envid; /* decoded; NULL: none */

    GPtrArray *recipients; /* of EnvelopeRecipient *, owned; never NULL, at least one in a file */

    gint64 attempts;   /* tries of the message that reached a verdict; holds do not count */
    gint64 next_at;    /* 0: at once */
    gint64 counted_at; /* when the next three were brought up to date: schedule_count() */
    gint64 waited_s;   /* its life: seconds in the queue without holds */
    gint64 held_s;     /* seconds on hold */
    EnvelopeHold hold;
    gint64 hold_since; /* 0 without a hold */

    char *happened, *meaning, *remedy; /* why it waits, as a whole; NULL: no reason of its own */

    gint64 in_doubt_since; /* the window in which a crash may make a duplicate is open; 0: closed */
    gint64 bounces;        /* reports made so far: the next one's id is made of it */
    gboolean warned;       /* that it has waited was told */
    gboolean seen;         /* a person has looked at it: `postkey-queue show` */
} Envelope;

/* An empty one: kind MESSAGE, no recipients. Returns owned. */
Envelope *envelope_new(void);
void envelope_free(Envelope *envelope);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Envelope, envelope_free)

/* Adds one who waits; address is copied. Returns it, borrowed. */
EnvelopeRecipient *envelope_add_recipient(Envelope *envelope, const char *address);

/* The i-th. Borrowed. */
EnvelopeRecipient *envelope_recipient(const Envelope *envelope, guint i);

/* How many are in that state. */
guint envelope_count(const Envelope *envelope, EnvelopeState state);

/* Replaces *field by a copy of text made fit for a file and a terminal: valid UTF-8, control
 * characters as blanks, at most ENVELOPE_TEXT_MAX_LEN bytes, cut at a character. NULL clears it. */
void envelope_set_text(char **field, const char *text);

/* Replaces the three parts by those of error (NULL clears them). */
void envelope_set_reason(Envelope *envelope, const GError *error);

/* Whether a report of this kind (one EnvelopeNotify) is wanted for recipient (RFC 3461 section
 * 4.1); FAILURE alone when nobody said anything. Never for a bounce or a warning, and never for
 * a message without a reverse-path (RFC 5321 section 4.5.5). */
gboolean envelope_wants(const Envelope *envelope, const EnvelopeRecipient *recipient,
                        EnvelopeNotify kind);

/* The text of the file, ended by a newline. Texts beyond their bounds are a mistake of the caller:
 * what envelope_parse() would not read fails here, with POSTKEY_ERROR_REFUSED. Returns owned. */
char *envelope_format(const Envelope *envelope, GError **error);

/* Reads text (len bytes, borrowed). NULL with POSTKEY_ERROR_REFUSED: not JSON, damaged, or of
 * another version (*version says which, 0 where there is none; may be NULL). Returns owned. */
Envelope *envelope_parse(const char *text, gsize len, gint64 *version, GError **error);

/* Words of the file: "message", "waiting", "person". Borrowed, static. */
const char *envelope_kind_name(EnvelopeKind kind);
const char *envelope_state_name(EnvelopeState state);
const char *envelope_hold_name(EnvelopeHold hold); /* NULL for ENVELOPE_NO_HOLD */

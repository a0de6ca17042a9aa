/* The ledger: what each account sent in the last 24 hours, which of its connections are open, and
 * whether there is room for more.
 *
 * All that send through the broker share it. It is a lower bound of what is left: a message counts
 * from its reservation on, and again from its end for a whole day; one whose fate nobody told
 * counts as sent. What was sent past the broker it cannot know. It is kept over restarts (see
 * ledger_file.h), one file for an account, and no clock that is set forward or back empties it.
 *
 * A disk that does not take a change does not stop the mail: it is logged, the change counts in
 * memory, and the next one tries to write all.
 */
#pragma once

#include "sending_limits.h"
#include "window.h"

typedef struct Ledger Ledger;
typedef struct LedgerReservation LedgerReservation;

/* Where the ledger takes its time from; NULL for the system's clocks. */
typedef struct {
    gint64 (*boot_us)(void); /* CLOCK_BOOTTIME */
    gint64 (*wall_us)(void);
    const char *boot_id; /* borrowed; another one after each boot */
} LedgerClock;

/* Keeps its files in folder, which is made where it is missing. POSTKEY_ERROR_IO. Returns owned. */
Ledger *ledger_new(const char *folder, const LedgerClock *clock, GError **error);

/* Before it every reservation has to be over. NULL is fine. */
void ledger_free(Ledger *ledger);

typedef struct {
    gint64 wait_s;    /* until there is room; 0: now */
    gint64 room_at;   /* the same as wall clock seconds */
    const char *rule; /* what has to be waited for, in words; NULL: nothing. Static */
} LedgerRoom;

/* Whether there is room for a message to one recipient, without taking it. */
LedgerRoom ledger_room(Ledger *ledger, const char *account, const Limits *limits);

/* To be called when somebody is told that there is no room: whether that is news, which it is until
 * the next reservation. */
gboolean ledger_note_full(Ledger *ledger, const char *account);

/* Takes room for one message; NULL, with *room, where there is none. The handle is valid until the
 * message is ended by one of the two below. recipients are at most limits->recipients_per_message.
 */
LedgerReservation *ledger_reserve(Ledger *ledger, const char *account, const Limits *limits,
                                  gint64 recipients, LedgerRoom *room);

/* To how many recipients it was announced. */
gint64 ledger_reserved(const LedgerReservation *reservation);

/* The message was sent to so many recipients, which stay counted for a day from now; none: it was
 * not sent, all is given back. */
void ledger_settle(LedgerReservation *reservation, gint64 recipients);

/* Nobody knows what became of it: it stays counted. NULL is fine. */
void ledger_abandon(LedgerReservation *reservation);

/* Connection places, by the account's name: an account that was forgotten and authorized again has
 * the same connections. FALSE when max (0: no limit) are taken; one that was taken is given back.
 */
gboolean ledger_take_place(Ledger *ledger, const char *account, gint64 max);
void ledger_return_place(Ledger *ledger, const char *account);
guint ledger_places_taken(Ledger *ledger, const char *account);

/* To be called when somebody is told that all places are taken: whether that is news, which it is
 * once in LEDGER_CROWDED_SPAN_S, however many try. */
#define LEDGER_CROWDED_SPAN_S 3600
gboolean ledger_note_crowded(Ledger *ledger, const char *account);

/* What was sent, or is reserved, in the last 24 hours. */
void ledger_sent(Ledger *ledger, const char *account, gint64 *messages, gint64 *recipients);

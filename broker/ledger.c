#include "ledger.h"

#include "errors.h"
#include "ledger_file.h"
#include "log.h"
#include "paths.h"
#include "timer.h"

#include <string.h>

#define SYNC_DELAY_US ((gint64)G_USEC_PER_SEC)
#define FILE_LONG_LEN ((gint64)128 * 1024)
#define CLOCK_SET_S 5 /* the wall clock's own drift is no reason to write everything again */
#define FILE_NAME_MAX 200
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* One account's. */
typedef struct {
    Ledger *ledger;
    char *account;
    char *path;
    Window window;
    gboolean appendable; /* the file holds what the window holds, by the offset below */
    gint64 offset_s;     /* between the two clocks, when the file was written */
    gboolean full;       /* as somebody was told last */
    gboolean failing;    /* as it was logged last */
    guint places_taken;
    gint64 crowded_told_s; /* by the boot clock; 0: never */
    Timer *sync;
} Book;

struct Ledger {
    char *folder;
    char *boot_id;
    LedgerClock clock;
    GHashTable *books; /* account -> Book */
};

struct LedgerReservation {
    Book *book;
    gint64 at_s;
    gint64 recipients;
};

static const char *const rules[] = {
    [WINDOW_OPEN] = NULL,
    [WINDOW_DAILY_MESSAGES] = "its messages of 24 hours are used up (daily_messages)",
    [WINDOW_DAILY_RECIPIENTS] = "its recipients of 24 hours are used up (daily_recipients)",
    [WINDOW_MESSAGES_PER_MINUTE] = "its messages of this minute are used up (messages_per_minute)",
};

/* ---- time ---- */

static gint64 system_wall_us(void)
{
    return g_get_real_time();
}

static LedgerMoment moment(const Ledger *ledger)
{
    return (LedgerMoment){.boot_s = ledger->clock.boot_us() / G_USEC_PER_SEC,
                          .wall_s = ledger->clock.wall_us() / G_USEC_PER_SEC,
                          .boot_id = ledger->boot_id};
}

/* ---- the books on the disk ---- */

static void report(Book *book, const GError *error)
{
    if (error && !book->failing)
        log_error("%s: what it sends is counted in memory alone: %s", book->account,
                  error->message);
    else if (!error && book->failing)
        log_notice("%s: what it sends is on the disk again", book->account);
    book->failing = error != NULL;
}

static void sync_is_due(gpointer data)
{
    Book *book = data;
    g_autoptr(GError) error = NULL;
    book->sync = NULL;
    if (book->appendable && !ledger_file_sync(book->path, &error))
        book->appendable = FALSE;
    report(book, error);
}

static gboolean clock_was_set(const Book *book, const LedgerMoment *now)
{
    return ABS(now->wall_s - now->boot_s - book->offset_s) > CLOCK_SET_S;
}

/* Not synced line by line: a broker that dies loses nothing, and the disk is asked once a second.
 */
static void record(Book *book, const LedgerLine *lines, gsize n)
{
    g_autoptr(GError) error = NULL;
    LedgerMoment now = moment(book->ledger);
    gint64 len = 0;
    if (book->appendable && !clock_was_set(book, &now))
        book->appendable = ledger_file_append(book->path, &now, lines, n, &len, &error);
    else
        book->appendable = FALSE;
    if (book->appendable && len <= FILE_LONG_LEN) {
        if (!book->sync)
            book->sync = timer_start_in(SYNC_DELAY_US, sync_is_due, book);
        report(book, NULL);
        return;
    }
    g_clear_error(&error); /* the second try tells */
    window_roll(&book->window, now.boot_s);
    book->appendable = ledger_file_write(book->path, &now, &book->window, &error);
    book->offset_s = now.wall_s - now.boot_s;
    report(book, error);
}

/* A file's name for an account's, which may be any text. */
static char *file_name(const char *account)
{
    g_autofree char *escaped = g_uri_escape_string(account, "@+", FALSE);
    if (strlen(escaped) <= FILE_NAME_MAX)
        return g_strconcat(escaped, ".sent", NULL);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, account, -1);
    return g_strconcat("sha256:", digest, ".sent", NULL);
}

static void book_free(gpointer data)
{
    Book *book = data;
    if (book->sync) {
        timer_cancel(g_steal_pointer(&book->sync));
        sync_is_due(book);
    }
    window_clear(&book->window);
    g_free(book->account);
    g_free(book->path);
    g_free(book);
}

/* The account's book, rolled to now. */
static Book *open_book(Ledger *ledger, const char *account)
{
    Book *book = g_hash_table_lookup(ledger->books, account);
    LedgerMoment now = moment(ledger);
    if (!book) {
        g_autoptr(GError) error = NULL;
        g_autofree char *name = file_name(account);
        book = g_new0(Book, 1);
        book->ledger = ledger;
        book->account = g_strdup(account);
        book->path = g_build_filename(ledger->folder, name, NULL);
        book->offset_s = now.wall_s - now.boot_s;
        window_init(&book->window);
        if (!ledger_file_read(book->path, &now, &book->window, &book->appendable, &error))
            log_error("%s: what it sent before is not known: %s", account, error->message);
        g_hash_table_insert(ledger->books, book->account, book);
    }
    window_roll(&book->window, now.boot_s);
    return book;
}

/* ---- life ---- */

Ledger *ledger_new(const char *folder, const LedgerClock *clock, GError **error)
{
    static const LedgerClock system_clock = {.boot_us = timer_now_us, .wall_us = system_wall_us};
    if (!paths_private_dir(folder, error))
        return NULL;
    Ledger *ledger = g_new0(Ledger, 1);
    ledger->folder = g_strdup(folder);
    ledger->clock = clock ? *clock : system_clock;
    /* Without one no file is of this boot, and the wall clock counts. */
    if (ledger->clock.boot_id)
        ledger->boot_id = g_strdup(ledger->clock.boot_id);
    else if (!g_file_get_contents(BOOT_ID_FILE, &ledger->boot_id, NULL, NULL))
        ledger->boot_id = g_uuid_string_random();
    g_strstrip(ledger->boot_id);
    ledger->books = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, book_free);
    return ledger;
}

void ledger_free(Ledger *ledger)
{
    if (!ledger)
        return;
    g_hash_table_unref(ledger->books);
    g_free(ledger->folder);
    g_free(ledger->boot_id);
    g_free(ledger);
}

/* ---- room ---- */

static LedgerRoom look(Book *book, const Limits *limits, gint64 recipients)
{
    LedgerMoment now = moment(book->ledger);
    WindowLimit limit;
    gint64 wait_s = window_wait_s(&book->window, limits, recipients, now.boot_s, &limit);
    return (LedgerRoom){.wait_s = wait_s, .room_at = now.wall_s + wait_s, .rule = rules[limit]};
}

LedgerRoom ledger_room(Ledger *ledger, const char *account, const Limits *limits)
{
    return look(open_book(ledger, account), limits, 1);
}

gboolean ledger_note_full(Ledger *ledger, const char *account)
{
    Book *book = open_book(ledger, account);
    gboolean news = !book->full;
    book->full = TRUE;
    return news;
}

LedgerReservation *ledger_reserve(Ledger *ledger, const char *account, const Limits *limits,
                                  gint64 recipients, LedgerRoom *room)
{
    Book *book = open_book(ledger, account);
    *room = look(book, limits, recipients);
    if (room->wait_s > 0)
        return NULL;
    book->full = FALSE;
    LedgerReservation *reservation = g_new0(LedgerReservation, 1);
    *reservation = (LedgerReservation){
        .book = book, .at_s = moment(ledger).boot_s + 1, .recipients = recipients};
    LedgerLine line = {.at_s = reservation->at_s, .messages = 1, .recipients = recipients};
    window_add(&book->window, line.at_s, line.messages, line.recipients);
    record(book, &line, 1);
    return reservation;
}

gint64 ledger_reserved(const LedgerReservation *reservation)
{
    return reservation->recipients;
}

/* The provider counts from when it took the message, which may be long after its reservation. */
static void end_reservation(LedgerReservation *reservation, gint64 messages, gint64 recipients)
{
    Book *book = reservation->book;
    LedgerLine lines[] = {
        {.at_s = moment(book->ledger).boot_s + 1, .messages = messages, .recipients = recipients},
        {.at_s = reservation->at_s, .messages = -1, .recipients = -reservation->recipients},
    };
    gboolean same =
        lines[0].at_s == lines[1].at_s && messages == 1 && recipients == reservation->recipients;
    if (!same) {
        window_take_back(&book->window, reservation->at_s, 1, reservation->recipients);
        if (messages > 0)
            window_add(&book->window, lines[0].at_s, messages, recipients);
        gsize skipped = messages > 0 ? 0 : 1;
        record(book, lines + skipped, G_N_ELEMENTS(lines) - skipped);
    }
    g_free(reservation);
}

void ledger_settle(LedgerReservation *reservation, gint64 recipients)
{
    end_reservation(reservation, recipients > 0 ? 1 : 0, recipients);
}

void ledger_abandon(LedgerReservation *reservation)
{
    if (reservation)
        end_reservation(reservation, 1, reservation->recipients);
}

void ledger_sent(Ledger *ledger, const char *account, gint64 *messages, gint64 *recipients)
{
    const Book *book = open_book(ledger, account);
    *messages = book->window.messages;
    *recipients = book->window.recipients;
}

/* ---- connection places ---- */

gboolean ledger_take_place(Ledger *ledger, const char *account, gint64 max)
{
    Book *book = open_book(ledger, account);
    if (max > 0 && book->places_taken >= max)
        return FALSE;
    book->places_taken++;
    return TRUE;
}

void ledger_return_place(Ledger *ledger, const char *account)
{
    Book *book = open_book(ledger, account);
    g_assert(book->places_taken > 0);
    book->places_taken--;
}

guint ledger_places_taken(Ledger *ledger, const char *account)
{
    return open_book(ledger, account)->places_taken;
}

gboolean ledger_note_crowded(Ledger *ledger, const char *account)
{
    Book *book = open_book(ledger, account);
    gint64 now_s = moment(ledger).boot_s;
    if (book->crowded_told_s && now_s - book->crowded_told_s < LEDGER_CROWDED_SPAN_S)
        return FALSE;
    book->crowded_told_s = now_s;
    return TRUE;
}

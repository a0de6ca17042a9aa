#include "ledger.h"

#include "log.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>

#define DAY_S ((gint64)24 * 3600)
#define WALL_START_S ((gint64)1800000000)

TestSuite(ledger, .timeout = 60);

/* A machine whose clocks the test moves. */
static gint64 boot_s, wall_s;
static const char *boot_id;
static char *folder;
static Ledger *ledger;

static gint64 boot_us(void)
{
    return boot_s * G_USEC_PER_SEC;
}

static gint64 wall_us(void)
{
    return wall_s * G_USEC_PER_SEC;
}

static void open_ledger(void)
{
    g_autoptr(GError) error = NULL;
    const LedgerClock clock = {.boot_us = boot_us, .wall_us = wall_us, .boot_id = boot_id};
    ledger = ledger_new(folder, &clock, &error);
    cr_assert_not_null(ledger, "%s", error ? error->message : "");
}

static void start(void)
{
    log_open("test", LOG_LEVEL_ERROR);
    folder = g_dir_make_tmp("postkey-ledger-XXXXXX", NULL);
    boot_s = 1000;
    wall_s = WALL_START_S;
    boot_id = "boot-one";
    open_ledger();
}

static void end(void)
{
    ledger_free(ledger);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        (void)g_unlink(path); /* the folder's end tells */
    }
    cr_expect_eq(g_rmdir(folder), 0);
    g_free(folder);
}

static void restart(void)
{
    ledger_free(ledger);
    open_ledger();
}

static void pass(gint64 seconds)
{
    boot_s += seconds;
    wall_s += seconds;
}

/* As the machine does it: CLOCK_BOOTTIME begins anew. */
static void reboot(gint64 seconds_down)
{
    wall_s += seconds_down;
    boot_s = 20;
    boot_id = "boot-two";
    restart();
}

static gint64 messages(void)
{
    gint64 sent, recipients;
    ledger_sent(ledger, "me", &sent, &recipients);
    return sent;
}

static gint64 recipients(void)
{
    gint64 sent, counted;
    ledger_sent(ledger, "me", &sent, &counted);
    return counted;
}

static LedgerReservation *reserve(gint64 to, const Limits *limits)
{
    LedgerRoom room;
    LedgerReservation *reservation = ledger_reserve(ledger, "me", limits, to, &room);
    cr_expect_eq(reservation != NULL, room.wait_s == 0);
    return reservation;
}

static void send_one(gint64 to)
{
    const Limits limits = {0};
    ledger_settle(reserve(to, &limits), to);
}

static char *path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

Test(ledger, sent_keeps_and_refused_gives_back, .init = start, .fini = end)
{
    const Limits limits = {0};
    send_one(3);
    cr_expect_eq(messages(), 1);
    cr_expect_eq(recipients(), 3);
    LedgerReservation *refused = reserve(5, &limits);
    cr_expect_eq(messages(), 2);
    cr_expect_eq(recipients(), 8);
    ledger_settle(refused, 0);
    cr_expect_eq(messages(), 1);
    cr_expect_eq(recipients(), 3);
}

Test(ledger, recipients_that_were_refused_are_given_back_alone, .init = start, .fini = end)
{
    const Limits limits = {0};
    ledger_settle(reserve(5, &limits), 2);
    cr_expect_eq(messages(), 1);
    cr_expect_eq(recipients(), 2);
    restart();
    cr_expect_eq(recipients(), 2);
}

Test(ledger, what_nobody_told_stays_counted_for_a_day, .init = start, .fini = end)
{
    const Limits limits = {.daily_messages = 1};
    LedgerReservation *reservation = reserve(1, &limits);
    pass(600);
    ledger_abandon(reservation);
    pass(DAY_S - 600);
    cr_expect_eq(messages(), 1, "the provider may have taken it as late as its sender went away");
    pass(601);
    cr_expect_eq(messages(), 0);
}

Test(ledger, a_slow_message_counts_from_its_end, .init = start, .fini = end)
{
    const Limits limits = {0};
    LedgerReservation *reservation = reserve(2, &limits);
    pass(3000);
    ledger_settle(reservation, 2);
    restart();
    pass(DAY_S - 1);
    cr_expect_eq(messages(), 1);
    pass(2);
    cr_expect_eq(messages(), 0);
}

Test(ledger, no_room_says_how_long_and_when, .init = start, .fini = end)
{
    const Limits limits = {.daily_messages = 2};
    LedgerRoom room;
    send_one(1);
    pass(100);
    send_one(1);
    pass(100);
    cr_expect_null(ledger_reserve(ledger, "me", &limits, 1, &room));
    cr_expect_eq(room.wait_s, DAY_S - 200 + 1);
    cr_expect_eq(room.room_at, wall_s + room.wait_s);
    cr_expect_not_null(strstr(room.rule, "daily_messages"));
    pass(room.wait_s - 1);
    cr_expect_null(reserve(1, &limits));
    pass(1);
    ledger_settle(reserve(1, &limits), 1);
}

Test(ledger, that_an_account_is_full_is_news_once, .init = start, .fini = end)
{
    const Limits limits = {.messages_per_minute = 1};
    send_one(1);
    cr_expect(ledger_note_full(ledger, "me"));
    cr_expect_not(ledger_note_full(ledger, "me"));
    pass(61);
    ledger_settle(reserve(1, &limits), 1);
    cr_expect(ledger_note_full(ledger, "me"));
}

Test(ledger, accounts_have_books_of_their_own, .init = start, .fini = end)
{
    gint64 sent, counted;
    send_one(1);
    ledger_sent(ledger, "another", &sent, &counted);
    cr_expect_eq(sent, 0);
}

Test(ledger, a_restart_forgets_nothing, .init = start, .fini = end)
{
    const Limits limits = {0};
    LedgerReservation *open = reserve(7, &limits);
    send_one(3);
    /* Killed: the reservation is never ended, and nothing is closed. */
    Ledger *killed = ledger;
    open_ledger();
    cr_expect_eq(messages(), 2);
    cr_expect_eq(recipients(), 10);
    pass(DAY_S + 1);
    cr_expect_eq(messages(), 0);
    ledger_abandon(open);
    ledger_free(killed);
}

Test(ledger, within_a_boot_no_wall_clock_matters, .init = start, .fini = end)
{
    const gint64 jumps_s[] = {-3 * DAY_S, 400 * DAY_S, -WALL_START_S + 5, 3600};
    for (gsize i = 0; i < G_N_ELEMENTS(jumps_s); i++) {
        send_one(1);
        wall_s = MAX(wall_s + jumps_s[i], 0);
        cr_expect_eq(messages(), 1, "jump %zu", i);
        restart();
        cr_expect_eq(messages(), 1, "jump %zu, read again", i);
        pass(DAY_S - 1);
        cr_expect_eq(messages(), 1, "jump %zu, not a day yet", i);
        restart();
        pass(2);
        cr_expect_eq(messages(), 0, "jump %zu, a day", i);
    }
}

Test(ledger, over_a_reboot_the_wall_clock_counts, .init = start, .fini = end)
{
    send_one(2);
    reboot(3600);
    cr_expect_eq(recipients(), 2);
    pass(DAY_S - 3600 - 2);
    cr_expect_eq(recipients(), 2);
    pass(4);
    cr_expect_eq(recipients(), 0);
}

Test(ledger, a_clock_that_was_set_back_over_a_reboot_keeps_it_longer, .init = start, .fini = end)
{
    send_one(2);
    reboot(-10 * DAY_S);
    cr_expect_eq(recipients(), 2);
    pass(DAY_S - 2);
    cr_expect_eq(recipients(), 2);
    pass(4);
    cr_expect_eq(recipients(), 0, "a day at most");
}

/* A machine without a clock of its own: it boots in 1970 and learns the time later. */
Test(ledger, what_was_sent_before_the_clock_was_set_is_known_after_a_reboot, .init = start,
     .fini = end)
{
    wall_s = 30;
    restart();
    send_one(1);
    wall_s = WALL_START_S;
    send_one(1);
    reboot(60);
    cr_expect_eq(messages(), 2);
}

Test(ledger, a_file_that_a_crash_cut_off_counts_up_to_there, .init = start, .fini = end)
{
    gsize len;
    g_autofree char *text = NULL, *path = path_of("me.sent");
    send_one(1);
    send_one(1);
    ledger_free(ledger);
    cr_assert(g_file_get_contents(path, &text, &len, NULL));
    cr_assert(g_file_set_contents(path, text, (gssize)len - 3, NULL));
    open_ledger();
    cr_expect_eq(messages(), 1);
    send_one(1);
    restart();
    cr_expect_eq(messages(), 2, "the next line does not run into the torn one");
}

Test(ledger, garbage_is_not_counted_and_does_no_harm, .init = start, .fini = end)
{
    g_autofree char *path = path_of("me.sent");
    static const char garbage[] = "postkey-ledger 1 boot-one\n"
                                  "1800000000 1000 99999999999999999999 1\n"
                                  "1800000000 1000 -5 -5\n"
                                  "a b c d\n\n1 2 3\n"
                                  "1800000000 1000 1 4\n";
    cr_assert(g_file_set_contents(path, garbage, -1, NULL));
    cr_expect_eq(messages(), 1);
    cr_expect_eq(recipients(), 4);
}

Test(ledger, the_file_stays_short, .init = start, .fini = end)
{
    GStatBuf st;
    g_autofree char *path = path_of("me.sent");
    for (guint i = 0; i < 8000; i++) {
        send_one(1);
        pass(1);
    }
    cr_assert_eq(g_stat(path, &st), 0);
    cr_expect_leq(st.st_size, 256 * 1024);
    cr_expect_eq(st.st_mode & 0777, 0600);
    restart();
    cr_expect_eq(messages(), 8000);
}

Test(ledger, a_name_cannot_lead_out_of_the_folder, .init = start, .fini = end)
{
    const Limits limits = {0};
    g_autofree char *longest = g_strnfill(5000, 'x');
    const char *const names[] = {"../../evil", "..", "a/b", "", "\xff\n", longest};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        LedgerRoom room;
        gint64 sent, counted;
        ledger_settle(ledger_reserve(ledger, names[i], &limits, 1, &room), 1);
        restart();
        ledger_sent(ledger, names[i], &sent, &counted);
        cr_expect_eq(sent, 1, "%zu", i);
    }
}

Test(ledger, a_disk_that_takes_nothing_stops_no_mail, .init = start, .fini = end)
{
    g_autofree char *moved = g_strconcat(folder, ".away", NULL);
    log_open("test", (LogLevel)0);
    send_one(1);
    cr_assert_eq(g_rename(folder, moved), 0);
    send_one(1);
    cr_expect_eq(messages(), 2);
    cr_assert_eq(g_rename(moved, folder), 0);
    send_one(1);
    restart();
    cr_expect_eq(messages(), 3, "with the disk comes all that it missed");
}

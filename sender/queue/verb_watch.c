/* postkey-queue watch: what happens in the queue, while it happens. */

#include "errors.h"
#include "items.h"
#include "times.h"
#include "verb.h"
#include "words.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* On a terminal the ages move on without an event. */
#define REDRAW_MS 5000

/* A message is seen gone an instant before the folder's news of it come. */
#define NEWS_MS 200

#define CLEAR_SCREEN "\033[H\033[2J"

/* What is known of the folder, and what comes from it. */
typedef struct {
    int fd;
    GHashTable *seen;  /* id -> line */
    GHashTable *fates; /* id -> name of its SpoolFate, static: of those that have left */
    int patience_ms;   /* for news that may be on their way */
} Watching;

static volatile sig_atomic_t interrupted;

static void on_signal(G_GNUC_UNUSED int number)
{
    interrupted = 1;
}

/* Signals are let in only while ppoll() waits, so that none gets lost before it. */
static void catch_signals(sigset_t *while_waiting)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t ours;
    (void)sigemptyset(&ours); /* these cannot fail for signals that exist */
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ours, while_waiting);
    (void)sigdelset(while_waiting, SIGINT);
    (void)sigdelset(while_waiting, SIGTERM);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* What is compared to tell that a message has changed. Returns owned. */
static char *line_of(const Item *item)
{
    gint64 now = times_now();
    g_autofree char *from = item->envelope ? words_from(item->envelope) : g_strdup("?");
    g_autofree char *to = item->envelope ? words_to(item->envelope) : g_strdup("?");
    g_autofree char *why = words_why(item);
    g_autofree char *next = item->envelope && item->envelope->next_at > now
                                ? times_clock(item->envelope->next_at)
                                : NULL;
    return g_strdup_printf("%s from %s to %s%s%s%s%s", words_state(item), from, to,
                           next ? ", next try at " : "", next ? next : "", why ? ": " : "",
                           why ? why : "");
}

/* line: how it is, or how it left; NULL: unknown. */
static gboolean say(gboolean json, const char *event, const char *id, const char *line,
                    const Item *item, GError **error)
{
    gint64 now = times_now();
    if (json) {
        g_autoptr(cJSON) object = cJSON_CreateObject();
        json_add_string(object, "event", event);
        json_add_time(object, "at", now);
        json_add_string(object, "id", id);
        if (item)
            cJSON_AddItemToObject(object, "message", item_json(item, now));
        else
            json_add_string(object, "fate", line);
        return verb_answer_json(object, error);
    }
    g_autofree char *clock = times_clock(now);
    g_autofree char *text =
        g_strdup_printf("%s %s %s%s%s\n", clock, id, event, line ? ": " : "", line ? line : "");
    return verb_answer(text, error);
}

static void note_news(const char *id, const SpoolFate *fate, gpointer data)
{
    Watching *watching = data;
    if (fate && g_hash_table_contains(watching->seen, id))
        g_hash_table_insert(watching->fates, g_strdup(id), (gpointer)spool_fate_name(*fate));
}

/* NULL: unknown, as where somebody took the files away. Borrowed. */
static const char *fate_of(Watching *watching, const char *id)
{
    struct pollfd polled = {.fd = watching->fd, .events = POLLIN};
    const char *fate;
    while (!(fate = g_hash_table_lookup(watching->fates, id)) &&
           poll(&polled, 1, watching->patience_ms) > 0)
        (void)spool_watch_read(watching->fd, note_news, watching); /* FALSE: it may stay unknown */
    if (!fate)
        watching->patience_ms = 0; /* for all who are gone together */
    return fate;
}

/* Says what is other than before, and makes seen the new state. */
static gboolean say_changes(const GPtrArray *items, Watching *watching, gboolean json,
                            GError **error)
{
    GHashTable *seen = watching->seen;
    watching->patience_ms = NEWS_MS;
    g_autoptr(GHashTable) gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, seen);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_hash_table_add(gone, g_strdup(key));
    for (guint i = 0; i < items->len; i++) {
        const Item *item = g_ptr_array_index(items, i);
        char *line = line_of(item);
        const char *before = g_hash_table_lookup(seen, item->id);
        const char *event = before ? "changed" : "queued";
        gboolean other = g_strcmp0(before, line) != 0;
        g_hash_table_remove(gone, item->id);
        g_hash_table_insert(seen, g_strdup(item->id), line);
        if (other && !say(json, event, item->id, line, item, error))
            return FALSE;
    }
    g_hash_table_iter_init(&iter, gone);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const char *fate = fate_of(watching, key);
        g_hash_table_remove(watching->fates, key);
        g_hash_table_remove(seen, key);
        if (!say(json, "left", key, fate, NULL, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean draw(const QueueCall *call, GError **error)
{
    g_autofree char *clock = times_clock(times_now());
    g_autofree char *head =
        g_strdup_printf(CLEAR_SCREEN "%s  %s  (Ctrl-C ends this; nothing happens to the mail)\n\n",
                        call->folder, clock);
    if (!verb_answer(head, error))
        return FALSE;
    int status = verb_list.run(call, error);
    return status == EX_OK || status == EX_DATAERR;
}

static gboolean show(const QueueCall *call, Watching *watching, gboolean screen, gboolean json,
                     GError **error)
{
    if (screen)
        return draw(call, error);
    g_autoptr(GPtrArray) items = items_load(call->spool, error);
    return items && say_changes(items, watching, json, error);
}

static gboolean wait_for_change(Watching *watching, gboolean screen, const sigset_t *while_waiting,
                                GError **error)
{
    struct pollfd polled = {.fd = watching->fd, .events = POLLIN};
    struct timespec redraw = {.tv_sec = REDRAW_MS / 1000};
    int ready = ppoll(&polled, 1, screen ? &redraw : NULL, while_waiting);
    if (ready < 0 && errno != EINTR) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot wait: %s", g_strerror(errno));
        return FALSE;
    }
    /* Of what is still there the news do not matter: the folder is read again. */
    if (ready > 0)
        (void)spool_watch_read(watching->fd, note_news, watching); /* as above */
    return TRUE;
}

static int run(const QueueCall *call, GError **error)
{
    sigset_t while_waiting;
    gboolean json = arguments_flag(call->arguments, "json");
    gboolean screen = !json && isatty(STDOUT_FILENO);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) fates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Watching watching = {.fd = spool_watch(call->spool, error), .seen = seen, .fates = fates};
    if (watching.fd < 0)
        return EX_OSERR;
    catch_signals(&while_waiting);
    gboolean ok = TRUE;
    while (ok && !interrupted)
        ok = show(call, &watching, screen, json, error) &&
             wait_for_change(&watching, screen, &while_waiting, error);
    (void)close(watching.fd); /* only read */
    return ok ? EX_OK : EX_IOERR;
}

const QueueVerb verb_watch = {
    .name = "watch",
    .summary = "what happens in the queue, while it happens",
    .teaching = "On a terminal the list, drawn anew; elsewhere one line for each change, until\n"
                "it is interrupted. What is there when it starts comes first, as \"queued\". Of\n"
                "one that has left it says how: \"sent\", \"bounced\" (there is a report),\n"
                "\"returned\" (nobody got it, and its caller was told) or \"removed\"; in JSON as\n"
                "\"fate\". The log (facility mail) tells more.\n"
                "\n"
                "  postkey-queue watch\n"
                "  postkey-queue watch --json | while read -r event; do ...\n",
    .options =
        (const OptionSpec[]){{.name = "json", .help = "for programs: one JSON object a line"}, {0}},
    .creates = TRUE,
    .run = run,
};

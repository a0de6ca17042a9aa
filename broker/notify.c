#include "notify.h"

#include "log.h"
#include "notify_helper.h"
#include "watch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is to be told. */
typedef struct {
    EventKind kind;
    char *account;
} Note;

struct Notify {
    Context *context;
    EventsWatch *events;
    Watch helper;         /* its end of the line; fd -1: it is gone */
    GQueue waiting;       /* of Note */
    Note *told;           /* that the command under way is about */
    GHashTable *troubles; /* account -> the kind of what it suffers from, and one */
};

static void note_free(gpointer data)
{
    Note *note = data;
    g_free(note->account);
    g_free(note);
}

static void give_up(Notify *notify, const char *why)
{
    log_error("the helper for [notify] is gone, nobody is told any more: %s", why);
    watch_end(&notify->helper);
    (void)close(notify->helper.fd); /* nothing was written */
    notify->helper.fd = -1;
}

/* The arguments, each ended by NUL. Returns owned. */
static GString *format_request(char **command, const Note *note)
{
    GString *request = g_string_new(NULL);
    for (char **word = command; *word; word++)
        g_string_append_len(request, *word, (gssize)strlen(*word) + 1);
    const char *event = events_name(note->kind);
    g_string_append_len(request, event, (gssize)strlen(event) + 1);
    g_string_append_len(request, note->account, (gssize)strlen(note->account) + 1);
    return request;
}

static void tell_next(Notify *notify)
{
    char **command = notify->context->config->notify_command;
    while (!notify->told && notify->helper.fd >= 0 && notify->waiting.head) {
        Note *note = g_queue_pop_head(&notify->waiting);
        g_autoptr(GString) request = command ? format_request(command, note) : NULL;
        if (!request) {
            note_free(note); /* a reload took the command away */
            continue;
        }
        notify->told = note;
        if (request->len > NOTIFY_HELPER_REQUEST_MAX ||
            send(notify->helper.fd, request->str, request->len, MSG_NOSIGNAL) < 0)
            give_up(notify, request->len > NOTIFY_HELPER_REQUEST_MAX ? "its command is too long"
                                                                     : g_strerror(errno));
    }
}

static void log_result(const Note *note, gint32 result)
{
    const char *event = events_name(note->kind);
    if (result == 0)
        log_debug("%s: the notify command was told of %s", note->account, event);
    else if (result > 0)
        log_warning("%s: the notify command failed on %s with exit code %d", note->account, event,
                    (int)result);
    else
        log_warning("%s: the notify command failed on %s: %s", note->account, event,
                    result == NOTIFY_HELPER_TIMED_OUT ? "it took too long and was killed"
                    : result == NOTIFY_HELPER_KILLED  ? "it was killed"
                                                      : "it could not be run");
}

static void command_ended(G_GNUC_UNUSED guint32 events, gpointer data)
{
    Notify *notify = data;
    gint32 result;
    gssize got = recv(notify->helper.fd, &result, sizeof result, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got != sizeof result) {
        give_up(notify, "it ended");
        return;
    }
    if (notify->told)
        log_result(notify->told, result);
    g_clear_pointer(&notify->told, note_free);
    tell_next(notify);
}

static gboolean is_waiting(const Notify *notify, const Event *event)
{
    for (const GList *link = notify->waiting.head; link; link = link->next) {
        const Note *note = link->data;
        if (note->kind == event->kind && strcmp(note->account, event->account) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Whether the event is news to a person. Troubles are told once, however often a program asks. */
static gboolean is_news(Notify *notify, const Event *event)
{
    gpointer trouble = GINT_TO_POINTER((gint)event->kind + 1);
    switch (event->kind) {
    case EVENT_REFRESH_FAILED:
    case EVENT_AUTHORIZATION_REQUIRED:
        if (g_hash_table_lookup(notify->troubles, event->account) == trouble)
            return FALSE;
        g_hash_table_insert(notify->troubles, g_strdup(event->account), trouble);
        return TRUE;
    case EVENT_THROTTLED:
    case EVENT_ROTATION_DUE:
    case EVENT_MAIL_WAITING:
    case EVENT_MAIL_BOUNCED:
        return TRUE;     /* they end no trouble */
    case EVENT_UNLOCKED: /* a person did it */
        return FALSE;
    default:
        g_hash_table_remove(notify->troubles, event->account);
        return event->kind != EVENT_REFRESHED;
    }
}

static void event_seen(const Event *event, gpointer data)
{
    Notify *notify = data;
    if (!is_news(notify, event) || !notify->context->config->notify_command ||
        notify->helper.fd < 0 || is_waiting(notify, event))
        return;
    if (notify->waiting.length >= NOTIFY_QUEUE_MAX) {
        log_warning("%s: nobody is told of %s: %u others wait for the notify command",
                    event->account, events_name(event->kind), notify->waiting.length);
        return;
    }
    Note *note = g_new0(Note, 1);
    *note = (Note){.kind = event->kind, .account = g_strdup(event->account)};
    g_queue_push_tail(&notify->waiting, note);
    tell_next(notify);
}

Notify *notify_new(Context *context, int fd)
{
    Notify *notify = g_new0(Notify, 1);
    notify->context = context;
    notify->helper = (Watch){.fd = fd, .events = EPOLLIN, .ready = command_ended, .data = notify};
    g_queue_init(&notify->waiting);
    notify->troubles = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!watch_begin(&notify->helper))
        give_up(notify, g_strerror(errno));
    notify->events = events_watch(context->events, event_seen, notify);
    return notify;
}

void notify_free(Notify *notify)
{
    if (!notify)
        return;
    events_unwatch(notify->events);
    watch_end(&notify->helper);
    if (notify->helper.fd >= 0)
        (void)close(notify->helper.fd); /* the helper ends by it */
    g_queue_clear_full(&notify->waiting, note_free);
    g_clear_pointer(&notify->told, note_free);
    g_hash_table_unref(notify->troubles);
    g_free(notify);
}

/* What happens in the broker, told to whoever watches (the method Monitor). */
#pragma once

#include <glib.h>

/* The names are those of the interface's Monitor events. */
typedef enum {
    EVENT_AUTHORIZED,
    EVENT_REFRESHED,
    EVENT_REFRESH_FAILED,
    EVENT_AUTHORIZATION_REQUIRED,
    EVENT_REVOKED,
    EVENT_FORGOTTEN,
    EVENT_THROTTLED,
    EVENT_ROTATION_DUE,
    EVENT_UNLOCKED,     /* its credential can be read again: Unlock */
    EVENT_MAIL_WAITING, /* mail of this account has waited long in a queue */
    EVENT_MAIL_BOUNCED, /* mail of this account came back, and the bounce found nobody */
} EventKind;

typedef struct {
    EventKind kind;
    const char *account;
    const char *reason; /* may be NULL */
    gint64 expires;     /* wall clock, seconds; -1: does not apply */
} Event;

typedef struct Events Events;
typedef struct EventsWatch EventsWatch;
typedef void (*EventsSeen)(const Event *event, gpointer data);

Events *events_new(void);
void events_free(Events *events);

/* "refreshed". Borrowed, static. */
const char *events_name(EventKind kind);

/* Tells every watch, and the log. A watch may end itself, or others, while it is told. */
void events_emit(Events *events, const Event *event);

/* events_emit(), unless an event of this kind was told of this account less than interval_us ago.
 * now_us: of any clock that does not go back. FALSE: it was not told. */
gboolean events_emit_rarely(Events *events, const Event *event, gint64 interval_us, gint64 now_us);

/* The handle is valid until events_unwatch(). */
EventsWatch *events_watch(Events *events, EventsSeen seen, gpointer data);
void events_unwatch(EventsWatch *watch);

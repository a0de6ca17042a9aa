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

/* The handle is valid until events_unwatch(). */
EventsWatch *events_watch(Events *events, EventsSeen seen, gpointer data);
void events_unwatch(EventsWatch *watch);

/* What a runner knows of the messages of its queue: a table that follows the folder. */
#pragma once

#include "queue_socket.h"
#include "spool.h"

/* One message. Owned by the table. */
typedef struct {
    char *id;
    gint64 due_at;  /* Unix seconds; G_MAXINT64: not before somebody releases it */
    gint64 warn_at; /* when a person is to be told that it waits; G_MAXINT64: never */
    gint64 uid;
    gint64 size;
    PathsScope scope; /* of the envelope */
    char *account;    /* named, or chosen before; NULL: unknown */
    char *from;       /* reverse-path, by which the broker chooses then; NULL: none */
    EnvelopeHold hold;
    gboolean report;       /* of ours, and nobody's message */
    gboolean broken;       /* not to be read: listed by others, left alone here */
    gboolean active;       /* a lane has it */
    gboolean rests;        /* its lock was somebody else's: not before runner_items_wake() */
    gboolean keeps;        /* FALSE: for its caller alone */
    QueuePeer *waiter;     /* is told what comes of it; NULL: nobody */
    gint64 waits_since_us; /* waiter, on the monotonic clock */
    guint64 file[2];       /* inode and time of the envelope as it was read */
    gboolean seen;         /* in the folder, at the last look */
    gpointer lane; /* the runner's: found once; NULL where what it is found by has changed */
} RunnerItem;

typedef struct RunnerItems RunnerItems;

/* Called for an item that was known and that somebody else has changed. */
typedef void (*RunnerItemChanged)(RunnerItem *item, gpointer data);

/* Borrows spool. */
RunnerItems *runner_items_new(const Spool *spool, RunnerItemChanged changed, gpointer data);
void runner_items_free(RunnerItems *items);

/* Looks at the folder: new, changed and removed messages. What is active stays as it is. */
void runner_items_look(RunnerItems *items, gint64 now);

/* The same for one that has come, changed or gone. */
void runner_items_look_at(RunnerItems *items, const char *id, gint64 now);

/* The item of that id, read now where it is not known; NULL: there is no such message. Borrowed. */
RunnerItem *runner_items_find(RunnerItems *items, const char *id, gint64 now);

/* Reads it again, or removes it where the message is gone. */
void runner_items_refresh(RunnerItems *items, const char *id, gint64 now);

/* Iterates over all in the order of their ids: NULL data in *position begins. NULL: the end. */
RunnerItem *runner_items_next(const RunnerItems *items, guint *position);

/* Reads all again at the next look, whether they have changed or not: the clock was set. */
void runner_items_forget(RunnerItems *items);

/* Those that rest are due again. */
void runner_items_wake(RunnerItems *items);

/* What one uid has in the queue. */
void runner_items_usage(const RunnerItems *items, gint64 uid, guint *messages, gint64 *bytes);

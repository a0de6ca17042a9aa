/* What one account sent in the last 24 hours, as a window that rolls. Pure: whoever asks says what
 * time it is.
 *
 * Moments are seconds of CLOCK_BOOTTIME, rounded up, so that nothing leaves the window early. At
 * most WINDOW_ENTRIES_MAX of them are kept apart; beyond, those older than two minutes are put
 * together by the minute, at the last moment of each.
 */
#pragma once

#include "sending_limits.h"

#define WINDOW_DAY_S ((gint64)24 * 3600)
#define WINDOW_MINUTE_S ((gint64)60)
#define WINDOW_ENTRIES_MAX 2048

typedef struct {
    gint64 at_s;
    gint64 messages, recipients;
} WindowEntry;

typedef struct {
    GArray *entries; /* of WindowEntry, in the order of their moments */
    gint64 messages, recipients;
} Window;

/* What stands in the way of a message. */
typedef enum {
    WINDOW_OPEN,
    WINDOW_DAILY_MESSAGES,
    WINDOW_DAILY_RECIPIENTS,
    WINDOW_MESSAGES_PER_MINUTE,
} WindowLimit;

void window_init(Window *window);
void window_clear(Window *window);

/* Counts what was sent at that moment. */
void window_add(Window *window, gint64 at_s, gint64 messages, gint64 recipients);

/* Takes back what was counted at that moment; never more than there is. */
void window_take_back(Window *window, gint64 at_s, gint64 messages, gint64 recipients);

/* Forgets what is a day old. To be called before the sums are read. */
void window_roll(Window *window, gint64 now_s);

/* How many seconds from now, which was rolled to, there is room for one more message to so many
 * recipients; 0: now. *limit: what lasts longest. */
gint64 window_wait_s(const Window *window, const Limits *limits, gint64 recipients, gint64 now_s,
                     WindowLimit *limit);

/* How often the small Google was asked for what: named counters, zero until counted, for any
 * thread. README.md lists the names. */
#ifndef SIM_COUNTERS_H
#define SIM_COUNTERS_H

#include "json.h"

void counters_init(void);
void counters_clear(void);
void counters_reset(void);

/* Adds one to PREFIX.NAME; returns the new value. */
gint64 count(const char *prefix, const char *name);
/* Adds amount (which may be negative) to one counter; returns the new value. */
gint64 count_by(const char *name, gint64 amount);
/* Connections open now: "http.connected" and "smtp.connected", with their "….concurrent_max". A
 * reset leaves them as they are. */
typedef enum { GAUGE_HTTP, GAUGE_SMTP, N_GAUGES } Gauge;
void gauge_add(Gauge which, int amount);

gint64 counter(const char *name);
/* All that are known, as one flat object, sorted by name. Owned by the caller. */
cJSON *counters_all(void);

/* Waits until counter name is at least wanted, for timeout_ms at most; TRUE when it is. */
gboolean counters_wait(const char *name, gint64 wanted, gint64 timeout_ms);
/* Ends all waits, now and later: the program stops. */
void counters_stop(void);

#endif

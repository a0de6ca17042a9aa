/* DIR/log.txt: a line for each HTTP request and SMTP command, for the person who wonders why a test
 * failed. Control characters become '?', so one event is one line. For any thread. */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include <glib.h>

gboolean record_init(const char *dir, GError **error);
void record_clear(void);
void record(const char *format, ...) G_GNUC_PRINTF(1, 2);

#endif

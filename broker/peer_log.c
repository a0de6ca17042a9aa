#include "peer_log.h"

#include "log.h"
#include "timer.h"

static gint64 span_ends_us;
static guint written, left_out;

gboolean peer_log_allows(void)
{
    gint64 now_us = timer_now_us();
    if (now_us >= span_ends_us) {
        if (left_out > 0)
            log_notice("%u more lines about peers were left out", left_out);
        span_ends_us = now_us + (gint64)PEER_LOG_SPAN_S * G_USEC_PER_SEC;
        written = left_out = 0;
    }
    if (written == PEER_LOG_LINES_MAX) {
        left_out++;
        return FALSE;
    }
    written++;
    return TRUE;
}

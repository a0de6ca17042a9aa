#include "smtpd_data.h"

/* The state after a byte that belongs to the text. */
static SmtpdDataState after(SmtpdDataState state, char c)
{
    if (c == '\r')
        return SMTPD_DATA_CR;
    return c == '\n' && state == SMTPD_DATA_CR ? SMTPD_DATA_LINE_START : SMTPD_DATA_IN_LINE;
}

gsize smtpd_data_feed(SmtpdData *data, const char *bytes, gsize len, char *out, gsize *out_len)
{
    gsize n = 0, i;
    for (i = 0; i < len && data->state != SMTPD_DATA_END; i++) {
        char c = bytes[i];
        if (data->state == SMTPD_DATA_LINE_START && c == '.') {
            data->state = SMTPD_DATA_DOT;
        } else if (data->state == SMTPD_DATA_DOT && c == '\r') {
            data->state = SMTPD_DATA_DOT_CR;
        } else if (data->state == SMTPD_DATA_DOT_CR && c == '\n') {
            data->state = SMTPD_DATA_END;
        } else {
            if (data->state == SMTPD_DATA_DOT_CR)
                out[n++] = '\r'; /* it was one of the text, and the dot before it was stuffed */
            data->state = after(data->state, c);
            out[n++] = c;
        }
    }
    *out_len = n;
    return i;
}

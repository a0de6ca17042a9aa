#include "maillog.h"

#include "log.h"

#include <stdio.h>
#include <syslog.h>

/* A line of syslog; what is longer is cut. */
#define LINE_MAX_LEN 1000
#define WORDS_MAX_LEN 300

static gboolean log_watched;

void maillog_open(const char *program, gboolean watched)
{
    openlog(program, LOG_PID, LOG_MAIL);
    log_watched = watched;
}

const char *maillog_status(SmtpOutcome outcome)
{
    switch (outcome) {
    case SMTP_SENT:
        return "sent";
    case SMTP_REFUSED:
        return "refused";
    case SMTP_UNKNOWN:
        return "unknown";
    case SMTP_UNTRIED:
    case SMTP_DEFERRED:
        break;
    }
    return "deferred";
}

static void write_line(const char *line)
{
    g_autofree char *printable = log_printable(line, LINE_MAX_LEN);
    syslog(LOG_INFO, "%s", printable);
    if (log_watched)
        fprintf(stderr, "%s\n", printable);
}

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

void maillog_attempt(const MaillogAttempt *attempt, const SmtpRecipient *recipient,
                     const char *reason)
{
    const char *words = recipient->reply ? recipient->reply : reason;
    g_autofree char *reply = log_printable(or_dash(words), WORDS_MAX_LEN);
    char delay[G_ASCII_DTOSTR_BUF_SIZE];
    (void)g_ascii_formatd(delay, sizeof delay, "%.1f", MAX(attempt->delay_s, 0));
    g_autofree char *line = g_strdup_printf(
        "%s: message-id=%s, from=<%s>, to=<%s>, account=%s, relay=%s, delay=%s, status=%s, "
        "reply=\"%s\"",
        or_dash(attempt->id), or_dash(attempt->message_id), attempt->from ? attempt->from : "",
        recipient->address, or_dash(attempt->account), or_dash(attempt->relay), delay,
        maillog_status(recipient->outcome), reply);
    write_line(line);
}

void maillog_note(const char *id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *line = g_strdup_printf("%s: %s", or_dash(id), text);
    write_line(line);
}

/* What the parts of the SMTP server share: one session, which belongs to one thread. smtp.c reads
 * the commands, smtp_reply.c answers and obeys the rules, smtp_auth.c and smtp_content.c do the
 * rest. */
#ifndef SIM_SMTP_SESSION_H
#define SIM_SMTP_SESSION_H

#include "channel.h"
#include "rules.h"

enum { SMTP_MAX_RESPONSE = 12288 };

typedef struct {
    Channel *channel;
    const char *port; /* "submission" or "submissions" */
    char *id;         /* as in Gmail's " … - gsmtp" */
    gboolean greeted;
    char *user; /* NULL until logged in */
    char *mechanism;
    /* the transaction; NULL when there is none */
    cJSON *envelope;
    GString *content;
    gboolean is_8bit;
    gboolean is_utf8;
    gboolean in_chunks;
    gboolean broken; /* a chunk failed: only RSET helps (RFC 3030 §2) */
    /* the conversation */
    Rule *rule;  /* at work for this command, or NULL */
    guint turns; /* counted already */
    gboolean closing;
    gboolean dropping; /* without a goodbye */
} SmtpSession;

/* ---- smtp_reply.c */

/* Text may have several lines; each gets the code. The last one ends in Gmail's id. */
void smtp_reply(SmtpSession *session, guint code, const char *text);
/* The same without the id. */
void smtp_reply_bare(SmtpSession *session, guint code, const char *text);

/* Takes the rule for a point of the conversation and does what it says. FALSE when it has answered,
 * or ended the session, in the place of the caller. */
gboolean smtp_obey(SmtpSession *session, const char *point, const char *line);

/* ---- smtp.c */

/* The refusal of a command that needs a login, as code and text; 0 when there is nothing to refuse.
 */
guint smtp_lacks_login(const SmtpSession *session, const char **text);
void smtp_end_transaction(SmtpSession *session);

/* ---- smtp_auth.c and smtp_content.c: each gets what follows the verb */

void smtp_auth(SmtpSession *session, const char *argument);
void smtp_data(SmtpSession *session, const char *argument);
void smtp_bdat(SmtpSession *session, const char *argument);
/* Reads and forgets the chunk of a BDAT that a rule has refused. */
void smtp_skip_chunk(SmtpSession *session, const char *argument);

/* ---- smtp_path.c */

/* "FROM:<path> params" with keyword "FROM:". FALSE for a syntax error. Outputs owned by the caller:
 * the address without brackets, and the parameters as they are. */
gboolean smtp_parse_path(const char *argument, const char *keyword, char **address, GStrv *params);
/* A mailbox of RFC 5321 §4.1.2 (RFC 6531 with utf8). */
gboolean smtp_is_mailbox(const char *address, gboolean utf8);

#endif

/* The server's side of SMTP (RFC 5321) on two descriptors: for programs that speak SMTP to a
 * sendmail (-bs), and for sockets in the manner of inetd. It takes messages for somebody else to
 * keep or send, one after the other, and answers for each when that has happened.
 *
 * EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP, QUIT, VRFY, HELP; PIPELINING, 8BITMIME, SIZE,
 * ENHANCEDSTATUSCODES, SMTPUTF8. AUTH (RFC 4954: PLAIN and LOGIN) where the host asks for a login,
 * and then nothing is taken before it; else whoever holds the other end is trusted as whoever calls
 * postkey-send. Only CRLF "." CRLF ends a message (a bare LF is a line end of the text, never of
 * the message, so that no text can smuggle a command in); one whose end never comes is dropped. A
 * line of a command may end in LF alone.
 */
#pragma once

#include "secret.h"

/* RFC 5321 section 4.5.3.2.7. */
#define SMTPD_TIMEOUT_MS ((gint64)5 * 60 * 1000)

/* How long a peer may take to log in; and how often it may be wrong. The host makes
 * each wrong try take its time. */
#define SMTPD_LOGIN_TIMEOUT_MS ((gint64)60 * 1000)
#define SMTPD_LOGIN_TRIES_MAX 3U

typedef struct {
    const char *sender;    /* reverse-path; "": none */
    GPtrArray *recipients; /* of char *, those that accept() made */
    int fd;                /* the message, at its start; without the dots of SMTP */
} SmtpdMail;

typedef enum {
    SMTPD_LOGIN_OK,
    SMTPD_LOGIN_REFUSED, /* the name or the password is wrong */
    SMTPD_LOGIN_UNKNOWN, /* nobody can tell now */
} SmtpdLogin;

/* Who is served, and by whom; all borrowed. */
typedef struct {
    const char *host;        /* of the greeting */
    gint64 size_max;         /* octets of a message */
    gint64 timeout_ms;       /* without a byte from the peer */
    const char *words_go_to; /* where a person reads why a message was refused */
    /* Whether this is the password of that name; asked at AUTH, and again at each MAIL. NULL: the
     * peer need not log in. */
    SmtpdLogin (*login)(const char *name, const Secret *password, gpointer data);
    gint64 login_timeout_ms; /* all in all, until it has */
    /* Adds whom address stands for to recipients (of char *, owned). FALSE: the peer is told; that
     * it may try again (POSTKEY_ERROR_IO), or with another message (POSTKEY_ERROR_THROTTLED: they
     * would be too many), or not at all. recipients are untouched then. */
    gboolean (*accept)(const char *address, GPtrArray *recipients, gpointer data, GError **error);
    /* Takes the message, for good when it returns 0; else a code of sysexits.h. mail is borrowed,
     * its descriptor taken. */
    int (*take)(const SmtpdMail *mail, gpointer data);
    gpointer data;
} SmtpdHost;

/* Serves the peer until it says QUIT, hangs up, is silent for too long or makes too many mistakes.
 * 0 when there was nothing under way then; EX_TEMPFAIL when the peer was cut off, or left in the
 * midst of a message, which is dropped. */
int smtpd_serve(const SmtpdHost *host, int in, int out);

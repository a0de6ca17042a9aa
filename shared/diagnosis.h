/* What a server's refusal means and what to do about it: one table, the knowledge of facts and
 * vendor pages.
 *
 * The texts are for people and end up as the second and third part of an error. Pure: no I/O, no
 * state.
 */
#pragma once

#include <glib.h>

/* How far a refusal reaches. */
typedef enum {
    DIAGNOSIS_RECIPIENT, /* this recipient alone; the others are served */
    DIAGNOSIS_MESSAGE,   /* this message, whoever gets it */
    DIAGNOSIS_ACCOUNT,   /* everything of this account: authorization, quota, too many logins */
    DIAGNOSIS_NETWORK,   /* everything through this server for now */
    DIAGNOSIS_OURS,      /* we broke the protocol: a bug to report */
} DiagnosisScope;

/* What a sender does about it. */
typedef enum {
    DIAGNOSIS_GIVE_UP,   /* permanent */
    DIAGNOSIS_TRY_LATER, /* temporary: back off */
    DIAGNOSIS_NEW_TOKEN, /* one fresh token, one more try */
    DIAGNOSIS_HOLD,      /* the account's window has to move on (quota) */
} DiagnosisAction;

/* Where in the session a reply came. */
typedef enum {
    DIAGNOSIS_CONNECT,
    DIAGNOSIS_HELLO,
    DIAGNOSIS_TLS,
    DIAGNOSIS_AUTH,
    DIAGNOSIS_PASSWORD, /* as AUTH, but with an app password in the place of a token */
    DIAGNOSIS_MAIL,
    DIAGNOSIS_RCPT,
    DIAGNOSIS_DATA,
} DiagnosisPhase;

typedef struct {
    DiagnosisScope scope;
    DiagnosisAction action;
    guint wait_s;        /* seconds before another try makes sense; 0: the ordinary back-off */
    const char *meaning; /* static */
    const char *remedy;  /* static */
} Diagnosis;

/* The diagnosis of an SMTP reply: its code (400..599; others are DIAGNOSIS_OURS), its enhanced
 * status code ("5.7.8", or NULL) and its text (or NULL). provider: the preset that the server
 * belongs to
 * ("google", "microsoft"), for which some replies mean something of their own; NULL where unknown.
 * Always finds one: an unknown reply goes by its first digit and the phase (RFC 5321 section 4.2.1,
 * RFC 3463). Borrowed, static. */
const Diagnosis *diagnosis_of_reply(DiagnosisPhase phase, const char *provider, guint code,
                                    const char *enhanced, const char *text);

/* The diagnosis of an error's words that hold no reply code, as people find them in a log or on a
 * page: of the network, of certificates, of OAuth. NULL where they say nothing known. Borrowed,
 * static. */
const Diagnosis *diagnosis_of_words(const char *text);

/* Words for programs: "account", "try-later". Borrowed, static. */
const char *diagnosis_scope_name(DiagnosisScope scope);
const char *diagnosis_action_name(DiagnosisAction action);

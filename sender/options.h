/* The command line, as callers of sendmail write it: letters in clusters, values with or without a
 * blank, options that mean nothing here accepted and ignored as Postfix's sendmail does. Pure.
 */
#pragma once

#include "paths.h"

/* What becomes of a message that cannot be sent at once. */
typedef enum {
    DELIVER_AUTO,  /* sent now; kept where that is not possible */
    DELIVER_NOW,   /* sent now, or the caller learns that it was not */
    DELIVER_QUEUE, /* kept at once, sent by the runner */
} OptionsDeliver;

/* What the program is called for. */
typedef enum {
    MODE_SEND,
    MODE_SMTP,  /* -bs: SMTP on standard input and output */
    MODE_LIST,  /* -bp, or called mailq: the queue */
    MODE_RUN,   /* -q, with an interval or a selection that means nothing here: sends what is due */
    MODE_RETRY, /* -qI ID: sends one of those */
    MODE_ALIASES, /* -bi, -I, or called newaliases: nothing to do, the aliases are read as they are
                   */
} OptionsMode;

typedef struct {
    OptionsMode mode;
    char *queue_id;       /* of MODE_RETRY */
    gboolean check;       /* --check: say what would be done, and send nothing */
    gboolean json;        /* --json: for programs */
    gboolean from_header; /* -t: recipients from the header too */
    gboolean dot_is_text; /* -i, -oi: a line with a lone dot is a line like any other */
    gboolean local;       /* --local: the peer of -bs logs in with a name of "postkey local" */
    gboolean any_peer;    /* --any-peer: and may be on another machine */
    gboolean verbose;     /* -v */
    gboolean help;
    gboolean version;
    PathsScope scope;       /* --user, --system */
    char *sender;           /* -f, -r: the argument as it is; NULL: not given */
    char *full_name;        /* -F; NULL: not given */
    char *account;          /* -a, --account; NULL: not given */
    OptionsDeliver deliver; /* --deliver, -odq, -odb, -odi */
    gint64 timeout_s;       /* --timeout: how long the caller waits; -1: as long as it takes */
    char *notify;           /* -N: "NEVER", or of "SUCCESS,FAILURE,DELAY"; NULL: not given */
    char *ret;              /* -R: "FULL" or "HDRS"; NULL: not given */
    char *envelope_id;      /* -V; NULL: not given */
    GPtrArray *recipients;  /* of char *: the arguments as they are, never NULL */
} Options;

/* Reads argv (argc of them; the program's name first, which may be mailq or newaliases). Options
 * and recipients may be mixed; after
 * "--" all are recipients. NULL with POSTKEY_ERROR_USAGE. Returns owned. */
Options *options_parse(int argc, const char *const *argv, GError **error);

void options_free(Options *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)

/* The modes of --deliver; ends with NULL. Borrowed, static. */
const char *const *options_deliver_words(void);

/* The text of --help. Borrowed, static. */
const char *options_help(void);

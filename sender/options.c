#include "options.h"

#include "errors.h"

#include <stddef.h>
#include <string.h>

/* What an option takes. */
typedef enum {
    TAKES_NOTHING,
    TAKES_VALUE,    /* in the rest of its word, or in the next one */
    TAKES_ATTACHED, /* in the rest of its word alone, if there is one */
} Takes;

/* What an option does. */
typedef enum {
    DOES_NOTHING,
    SETS_FLAG,   /* the gboolean at offset */
    SETS_STRING, /* the char * at offset */
    SETS_USER,
    SETS_SYSTEM,
    SETS_DELIVER, /* --deliver: a word */
    SETS_TIMEOUT,
    SETS_O,       /* -o: a sendmail option of one letter, of which "i" and "d" count */
    SETS_B,       /* -b: a mode */
    SETS_NOTIFY,  /* -N */
    SETS_RET,     /* -R */
    SETS_QUEUE,   /* -q */
    SETS_ALIASES, /* -I */
} Does;

typedef struct {
    char letter;      /* 0: none */
    const char *name; /* of the long form; NULL: none */
    Takes takes;
    Does does;
    gsize offset;
} Option;

static const Option table[] = {
    {'t', NULL, TAKES_NOTHING, SETS_FLAG, offsetof(Options, from_header)},
    {'i', NULL, TAKES_NOTHING, SETS_FLAG, offsetof(Options, dot_is_text)},
    {'v', "verbose", TAKES_NOTHING, SETS_FLAG, offsetof(Options, verbose)},
    {0, "check", TAKES_NOTHING, SETS_FLAG, offsetof(Options, check)},
    {0, "json", TAKES_NOTHING, SETS_FLAG, offsetof(Options, json)},
    {0, "local", TAKES_NOTHING, SETS_FLAG, offsetof(Options, local)},
    {0, "any-peer", TAKES_NOTHING, SETS_FLAG, offsetof(Options, any_peer)},
    {0, "help", TAKES_NOTHING, SETS_FLAG, offsetof(Options, help)},
    {0, "version", TAKES_NOTHING, SETS_FLAG, offsetof(Options, version)},
    {0, "user", TAKES_NOTHING, SETS_USER, 0},
    {0, "system", TAKES_NOTHING, SETS_SYSTEM, 0},
    {'f', NULL, TAKES_VALUE, SETS_STRING, offsetof(Options, sender)},
    {'r', NULL, TAKES_VALUE, SETS_STRING, offsetof(Options, sender)},
    {'F', NULL, TAKES_VALUE, SETS_STRING, offsetof(Options, full_name)},
    {'a', "account", TAKES_VALUE, SETS_STRING, offsetof(Options, account)},
    {0, "deliver", TAKES_VALUE, SETS_DELIVER, 0},
    {0, "timeout", TAKES_VALUE, SETS_TIMEOUT, 0},
    {'o', NULL, TAKES_VALUE, SETS_O, 0},
    {'b', NULL, TAKES_VALUE, SETS_B, 0},
    {'N', NULL, TAKES_VALUE, SETS_NOTIFY, 0},
    {'R', NULL, TAKES_VALUE, SETS_RET, 0},
    {'V', NULL, TAKES_VALUE, SETS_STRING, offsetof(Options, envelope_id)},
    {'q', NULL, TAKES_ATTACHED, SETS_QUEUE, 0},
    {'I', NULL, TAKES_NOTHING, SETS_ALIASES, 0},
    {'A', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* -Ac, -Am: which configuration */
    {'B', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* -B8BITMIME: we look ourselves */
    {'C', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* configuration file */
    {'G', NULL, TAKES_NOTHING, DOES_NOTHING, 0},  /* relay */
    {'L', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* tag for the log */
    {'O', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* option=value */
    {'U', NULL, TAKES_NOTHING, DOES_NOTHING, 0},  /* first submission */
    {'X', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* log file */
    {'c', NULL, TAKES_NOTHING, DOES_NOTHING, 0},  /* as Postfix */
    {'d', NULL, TAKES_ATTACHED, DOES_NOTHING, 0}, /* debugging */
    {'e', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* how to report errors: always on stderr */
    {'h', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* hops */
    {'m', NULL, TAKES_NOTHING, DOES_NOTHING, 0},  /* to me too */
    {'n', NULL, TAKES_NOTHING, DOES_NOTHING, 0},  /* no aliases: Postfix looks them up as well */
    {'p', NULL, TAKES_VALUE, DOES_NOTHING, 0},    /* protocol it came by */
    {'x', NULL, TAKES_NOTHING, DOES_NOTHING, 0},  /* as Postfix */
};

static const char help[] =
    "usage: postkey-send [OPTION]... [RECIPIENT]... < MESSAGE\n"
    "Sends the message on standard input through an account of postkey, as sendmail\n"
    "would.\n"
    "\n"
    "  -t                  recipients from To, Cc and Bcc too\n"
    "  -i, -oi             a line with a lone dot does not end the message\n"
    "  -f ADDRESS          envelope sender (the account's address)\n"
    "  -F NAME             full name for a From that is missing\n"
    "  -a, --account NAME  send as this account\n"
    "  --check [--json]    say what would be sent, as whom and to whom; send nothing\n"
    "  --deliver MODE      auto: send now, keep in the queue what cannot be sent now\n"
    "                      (the default); now: send now, keep nothing;\n"
    "                      queue: keep at once, send afterwards\n"
    "  --timeout SECONDS   wait no longer than this; what is not sent by then stays\n"
    "                      in the queue\n"
    "  -N WHEN, -R PART    delivery notices: never, or success,failure,delay; with\n"
    "                      full or hdrs\n"
    "  -V ID               envelope id, which such notices repeat\n"
    "  -v                  show the dialogue with the server on standard error\n"
    "  --user, --system    use the person's own broker, or the system's\n"
    "  --help, --version\n"
    "  --                  what follows are recipients\n"
    "\n"
    "Instead of sending one message:\n"
    "  -bs                 SMTP on standard input and output, for programs and\n"
    "                      inetd-style sockets\n"
    "  -bs --local         the same for whom \"postkey local add\" gave a name and a\n"
    "                      password; no mail before a login, and none from another\n"
    "                      machine but with --any-peer\n"
    "  -bp                 the queue; so does the name mailq\n"
    "  -q                  send what is due in the queue; -qI ID: that message now\n"
    "  -bi                 nothing, as /etc/aliases needs no index; so does the name\n"
    "                      newaliases\n"
    "\n"
    "A recipient without a domain (root) is looked up in /etc/aliases; what is left\n"
    "goes to root= of [sender] in postkey.conf, else to the account itself. A From\n"
    "that the account may not use (root@web1) becomes \"root on web1\" with the\n"
    "account's address. For example:\n"
    "\n"
    "  postkey-send -t < message\n"
    "  echo 'the disk is full' | postkey-send -i root\n"
    "  postkey-send --check -t < message\n"
    "  git config --global sendemail.sendmailCmd postkey-send\n"
    "\n"
    "Other options of sendmail are accepted and ignored; -odq is --deliver=queue.\n"
    "What is kept is said on standard error; \"postkey-queue list\" shows it. Exit\n"
    "codes are those of sysexits.h: 0 sent, or kept, or a bounce is on its way; else\n"
    "nobody got it and nothing is kept (but with --deliver=now to several, standard\n"
    "error names who got it): 64 usage, 65 message refused, 67 recipient refused,\n"
    "69 unavailable, 73 or 74 cannot be kept, 75 try again later, 76 the server\n"
    "breaks the protocol or cannot be trusted, 77 not authorized, 78 configuration.\n";

const char *options_help(void)
{
    return help;
}

void options_free(Options *options)
{
    if (!options)
        return;
    g_free(options->sender);
    g_free(options->full_name);
    g_free(options->account);
    g_free(options->queue_id);
    g_free(options->notify);
    g_free(options->ret);
    g_free(options->envelope_id);
    g_ptr_array_unref(options->recipients);
    g_free(options);
}

static gboolean refuse(GError **error, const char *what, const char *option)
{
    g_autofree char *shown = g_strescape(option, NULL);
    error_set(error, POSTKEY_ERROR_USAGE, NULL, "\"postkey-send --help\" shows what there is",
              "%s: %s", what, shown);
    return FALSE;
}

/* It may end up in a header line, which holds 998 octets. */
#define OPTION_TEXT_MAX_LEN 500

/* RFC 3461 section 4.4. */
#define ENVELOPE_ID_MAX_LEN 100

static gboolean has_control(const char *text)
{
    for (; *text; text++)
        if (g_ascii_iscntrl(*text))
            return TRUE;
    return FALSE;
}

/* The arguments, and the next one to look at. */
typedef struct {
    int argc;
    const char *const *argv;
    int next;
} Arguments;

static const char *next_value(Arguments *arguments)
{
    return arguments->next < arguments->argc ? arguments->argv[arguments->next++] : NULL;
}

static void *member_of(Options *options, const Option *option)
{
    return (char *)options + option->offset;
}

/* More is for ever. */
#define TIMEOUT_MAX_S (7 * 24 * 3600)

/* By OptionsDeliver. */
static const char *const deliver_words[] = {
    [DELIVER_AUTO] = "auto", [DELIVER_NOW] = "now", [DELIVER_QUEUE] = "queue", NULL};

const char *const *options_deliver_words(void)
{
    return deliver_words;
}

static gboolean set_deliver(Options *options, const char *value, GError **error)
{
    for (guint i = 0; deliver_words[i]; i++) {
        if (strcmp(deliver_words[i], value) == 0) {
            options->deliver = (OptionsDeliver)i;
            return TRUE;
        }
    }
    return refuse(error, "a way to deliver that there is not (auto, now, queue)", value);
}

/* -N: RFC 3461 section 4.1, in any case and order, as one canonical text. */
static gboolean set_notify(Options *options, const char *value, GError **error)
{
    static const char *const words[] = {"success", "failure", "delay"};
    gboolean wanted[G_N_ELEMENTS(words)] = {FALSE};
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autoptr(GString) text = g_string_new(NULL);
    gboolean known = parts[0] != NULL;
    for (char **part = parts; *part && known; part++) {
        known = FALSE;
        for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
            if (g_ascii_strcasecmp(g_strstrip(*part), words[i]) == 0)
                known = wanted[i] = TRUE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (wanted[i])
            g_string_append_printf(text, "%s%s", text->len ? "," : "", words[i]);
    if (g_ascii_strcasecmp(value, "never") == 0)
        g_string_assign(text, "never");
    else if (!known)
        return refuse(error, "notices that there are not (never, or success,failure,delay)", value);
    g_free(options->notify);
    options->notify = g_ascii_strup(text->str, -1);
    return TRUE;
}

static gboolean set_ret(Options *options, const char *value, GError **error)
{
    gboolean full = g_ascii_strcasecmp(value, "full") == 0;
    if (!full && g_ascii_strcasecmp(value, "hdrs") != 0)
        return refuse(error, "a part that notices cannot return (full, hdrs)", value);
    g_free(options->ret);
    options->ret = g_strdup(full ? "FULL" : "HDRS");
    return TRUE;
}

static gboolean set_mode(Options *options, const char *value, const char *word, GError **error)
{
    static const struct {
        const char *value;
        OptionsMode mode;
    } modes[] = {{"m", MODE_SEND}, {"s", MODE_SMTP}, {"p", MODE_LIST}, {"i", MODE_ALIASES}};
    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(modes[i].value, value) == 0) {
            options->mode = modes[i].mode;
            return TRUE;
        }
    }
    if (strcmp(value, "v") == 0)
        return refuse(error, "a mode that there is not (--check says what would be done)", word);
    return refuse(error, "a mode that there is not (postkey-send is no mail server: -bs)", word);
}

/* "-q", "-q30m", "-qR...", "-qS...": all that waits; "-qI...": one message. */
static gboolean set_queue(Options *options, const char *value, Arguments *arguments, GError **error)
{
    options->mode = MODE_RUN;
    if (*value != 'I')
        return TRUE;
    const char *id = value[1] ? value + 1 : next_value(arguments);
    if (!id || !g_ascii_isalnum(*id) || has_control(id))
        return refuse(error, "no id of the queue", id ? id : "-qI");
    options->mode = MODE_RETRY;
    g_free(options->queue_id);
    options->queue_id = g_strdup(id);
    return TRUE;
}

static gboolean set_string(Options *options, const Option *option, const char *value,
                           const char *word, GError **error)
{
    char **member = member_of(options, option);
    if (option->offset == offsetof(Options, account) && !g_utf8_validate(value, -1, NULL))
        return refuse(error, "an account that is not UTF-8", value);
    gboolean is_id = option->offset == offsetof(Options, envelope_id);
    if (is_id && (!*value || !g_str_is_ascii(value)))
        return refuse(error, "an envelope id that is not ASCII", value);
    if (strlen(value) > (is_id ? ENVELOPE_ID_MAX_LEN : OPTION_TEXT_MAX_LEN))
        return refuse(error, "a text that is too long for", word);
    if (has_control(value))
        return refuse(error, "a line break or another control character in an option", value);
    g_free(*member);
    *member = g_strdup(value);
    return TRUE;
}

static gboolean set_timeout(Options *options, const char *value, GError **error)
{
    return g_ascii_string_to_signed(value, 10, 0, TIMEOUT_MAX_S, &options->timeout_s, NULL) ||
           refuse(error, "no number of seconds", value);
}

static void set_o(Options *options, const char *value)
{
    if (strcmp(value, "i") == 0)
        options->dot_is_text = TRUE;
    else if (strcmp(value, "dq") == 0)
        options->deliver = DELIVER_QUEUE;
    else if (strcmp(value, "db") == 0 || strcmp(value, "di") == 0)
        options->deliver = DELIVER_AUTO;
}

static gboolean apply(Options *options, const Option *option, const char *value, const char *word,
                      Arguments *arguments, GError **error)
{
    switch (option->does) {
    case DOES_NOTHING:
        return TRUE;
    case SETS_FLAG:
        *(gboolean *)member_of(options, option) = TRUE;
        return TRUE;
    case SETS_STRING:
        return set_string(options, option, value, word, error);
    case SETS_USER:
        options->scope = PATHS_USER;
        return TRUE;
    case SETS_SYSTEM:
        options->scope = PATHS_SYSTEM;
        return TRUE;
    case SETS_DELIVER:
        return set_deliver(options, value, error);
    case SETS_TIMEOUT:
        return set_timeout(options, value, error);
    case SETS_O:
        set_o(options, value);
        return TRUE;
    case SETS_B:
        return set_mode(options, value, word, error);
    case SETS_NOTIFY:
        return set_notify(options, value, error);
    case SETS_RET:
        return set_ret(options, value, error);
    case SETS_QUEUE:
        return set_queue(options, value, arguments, error);
    case SETS_ALIASES:
        options->mode = MODE_ALIASES;
        break;
    }
    return TRUE;
}

static const Option *find_letter(char letter)
{
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i].letter == letter)
            return &table[i];
    return NULL;
}

/* "-tif me@example.com": letters up to one that takes a value. */
static gboolean parse_letters(Options *options, const char *word, Arguments *arguments,
                              GError **error)
{
    for (const char *p = word + 1; *p; p++) {
        const Option *option = find_letter(*p);
        const char *value = NULL;
        if (!option)
            return refuse(error, "unknown option", word);
        if (option->takes != TAKES_NOTHING)
            value = p + 1;
        if (option->takes == TAKES_VALUE && !*value && !(value = next_value(arguments)))
            return refuse(error, "an option without its value", word);
        if (!apply(options, option, value, word, arguments, error))
            return FALSE;
        if (value)
            return TRUE;
    }
    return TRUE;
}

static const Option *find_name(const char *name, gsize len)
{
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i].name && strlen(table[i].name) == len && strncmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

/* "--account=NAME", "--account NAME". */
static gboolean parse_name(Options *options, const char *word, Arguments *arguments, GError **error)
{
    const char *name = word + 2, *equals = strchr(name, '=');
    const Option *option = find_name(name, equals ? (gsize)(equals - name) : strlen(name));
    const char *value = equals ? equals + 1 : NULL;
    if (!option)
        return refuse(error, "unknown option", word);
    if (value && option->takes == TAKES_NOTHING)
        return refuse(error, "an option that takes no value", word);
    if (!value && option->takes == TAKES_VALUE && !(value = next_value(arguments)))
        return refuse(error, "an option without its value", word);
    return apply(options, option, value, word, arguments, error);
}

static gboolean parse_words(Options *options, Arguments *arguments, GError **error)
{
    gboolean only_recipients = FALSE;
    const char *word;
    while ((word = next_value(arguments))) {
        gboolean ok = TRUE;
        if (only_recipients || word[0] != '-' || !word[1])
            g_ptr_array_add(options->recipients, g_strdup(word));
        else if (strcmp(word, "--") == 0)
            only_recipients = TRUE;
        else if (word[1] == '-')
            ok = parse_name(options, word, arguments, error);
        else
            ok = parse_letters(options, word, arguments, error);
        if (!ok)
            return FALSE;
    }
    return TRUE;
}

static void take_name(Options *options, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    if (strcmp(name, "mailq") == 0)
        options->mode = MODE_LIST;
    else if (strcmp(name, "newaliases") == 0)
        options->mode = MODE_ALIASES;
}

/* Whether the options fit together. */
static gboolean check(const Options *options, GError **error)
{
    if (options->json && !options->check) {
        error_set(error, POSTKEY_ERROR_USAGE, "nothing was sent: --json is for what --check finds",
                  "add --check, or leave --json out", "--json without --check");
        return FALSE;
    }
    if ((options->local && options->mode != MODE_SMTP) || (options->any_peer && !options->local)) {
        error_set(error, POSTKEY_ERROR_USAGE, "a login is asked for in a dialogue of SMTP alone",
                  "for example: postkey-send -bs --local", "%s",
                  options->local ? "--local without -bs" : "--any-peer without --local");
        return FALSE;
    }
    if (options->local && options->account) {
        error_set(error, POSTKEY_ERROR_USAGE,
                  "each login sends as the account that it was made for",
                  "leave --account out; \"postkey local list\" shows who is whom",
                  "--account with --local");
        return FALSE;
    }
    return TRUE;
}

Options *options_parse(int argc, const char *const *argv, GError **error)
{
    Arguments arguments = {.argc = argc, .argv = argv, .next = 1};
    g_autoptr(Options) options = g_new0(Options, 1);
    options->scope = PATHS_ANY;
    options->timeout_s = -1;
    options->recipients = g_ptr_array_new_with_free_func(g_free);
    if (argc > 0)
        take_name(options, argv[0]);
    if (!parse_words(options, &arguments, error))
        return NULL;
    if (!check(options, error))
        return NULL;
    return g_steal_pointer(&options);
}

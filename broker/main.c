/* postkey-broker: the one process that holds refresh tokens. */

#include "account_refresh.h"
#include "authorization.h"
#include "broker_start.h"
#include "errors.h"
#include "fileio.h"
#include "listen.h"
#include "log.h"
#include "notify.h"
#include "notify_helper.h"
#include "paths.h"
#include "sandbox.h"
#include "service.h"
#include "store_choice.h"
#include "timer.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_FILE_MAX ((goffset)1024 * 1024)

typedef struct {
    char *socket;
    char *config;
    char *state_dir;
    char *log_level;
    gboolean is_system;
    int ready_fd; /* -1: nobody waits for us */
    gboolean version;
    char *help; /* to be printed; NULL: nobody asked */
} Options;

typedef struct {
    Context context;
    Methods methods;
    Listener listener;
    Service *service;
    Notify *notify;
    char *config_path;
    GMainLoop *loop;
    int state_lock_fd; /* held as long as we live */
    Timer *farewell;   /* until when the end may be put off */
} Broker;

/* GLib writes an ellipsis, which a terminal may not have. Returns owned. */
static char *help_in_ascii(GOptionContext *context)
{
    g_autofree char *text = g_option_context_get_help(context, TRUE, NULL);
    g_auto(GStrv) parts = g_strsplit(text, "\u2026", -1);
    return g_strjoinv("...", parts);
}

static gboolean parse_options(int argc, char **argv, Options *options, GError **error)
{
    gboolean help = FALSE;
    const GOptionEntry entries[] = {
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options->socket, "Listen at PATH", "PATH"},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &options->config, "Read this configuration",
         "FILE"},
        {"state-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->state_dir, "Keep the state here",
         "FOLDER"},
        {"system", 0, 0, G_OPTION_ARG_NONE, &options->is_system,
         "Serve this machine's users, as the configuration says", NULL},
        {"log-level", 0, 0, G_OPTION_ARG_STRING, &options->log_level,
         "error, warning, notice, info or debug", "LEVEL"},
        {"ready-fd", 0, 0, G_OPTION_ARG_INT, &options->ready_fd,
         "Write READY to descriptor N once listening", "N"},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &options->version, "Print the version", NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &help, "Print this", NULL},
        {0},
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("- hold refresh tokens, hand out access tokens");
    g_option_context_set_summary(
        context, "postkey-broker keeps the refresh tokens of mail accounts in the keyring,\n"
                 "refreshes access tokens unattended, and serves them over a Unix socket. It is\n"
                 "started by the first program that needs it (postkey, postkey-send), or by\n"
                 "systemd through its socket; there is seldom a reason to start it by hand.\n"
                 "Accounts are managed with the command postkey.");
    g_option_context_set_description(
        context, "Environment:\n"
                 "  POSTKEY_SOCKET   where to listen ($XDG_RUNTIME_DIR/postkey/broker.sock)\n"
                 "  POSTKEY_CONFIG   the configuration ($XDG_CONFIG_HOME/postkey/postkey.conf)\n"
                 "With --system these are " PATHS_SYSTEM_SOCKET ", " PATHS_SYSTEM_CONFIG
                 "\nand " PATHS_SYSTEM_STATE
                 ", unless options name others; the environment is not asked.\n\n"
                 "SIGHUP reads the configuration again; SIGTERM ends the broker as soon as no\n"
                 "refresh token is on its way into the keyring.");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_help_enabled(context, FALSE); /* GLib's own would exit */
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    if (argc > 1) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, "see postkey-broker --help",
                  "there is no argument %s", argv[1]);
        return FALSE;
    }
    if (help)
        options->help = help_in_ascii(context);
    return TRUE;
}

/* ---- the process ---- */

/* Whoever can attach to us or read our core can read every secret. */
static void harden(void)
{
    const struct rlimit no_core = {0, 0};
    (void)umask(077);
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0)
        log_warning("core dumps could not be switched off");
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* then we serve fewer peers */
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Started on demand nobody reads our stderr: it goes to a file, which begins anew when it is
 * long. */
static gboolean redirect_log(const char *state_dir, GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, "broker.log", NULL);
    g_autofree char *old = g_strconcat(path, ".old", NULL);
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size > LOG_FILE_MAX)
        (void)rename(path, old); /* else it grows a little longer */
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot write the log %s", path);
        return FALSE;
    }
    (void)close(fd);
    return TRUE;
}

/* The caller that started us shows our words to a person. */
static void report(int ready_fd, const char *text)
{
    if (ready_fd < 0)
        return;
    (void)fileio_write_all(ready_fd, text, strlen(text), NULL); /* it may have gone away */
    (void)close(ready_fd);
}

/* No longer than a request and a store's answer may take; service managers wait 90 s. */
#define FAREWELL_S 35

static void quit(gpointer data)
{
    Broker *broker = data;
    g_main_loop_quit(broker->loop);
}

/* A refresh token that the provider has just replaced exists nowhere but here: it is waited for. */
static gboolean stop(gpointer data)
{
    Broker *broker = data;
    if (!broker->farewell) {
        broker->farewell = timer_start_in((gint64)FAREWELL_S * G_USEC_PER_SEC, quit, broker);
        exchanges_when_settled(broker->context.exchanges, quit, broker);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean hang_up(gpointer data)
{
    Broker *broker = data;
    g_autoptr(GError) error = NULL;
    if (!methods_reload(&broker->methods, &error)) {
        g_autofree char *reason = call_reason(error);
        log_error("the configuration stays as it was: %s", reason);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- the parts ---- */

static void delete_json(gpointer data)
{
    cJSON_Delete(data);
}

/* The lock file holds the socket's path, for those who find it locked. */
#define STATE_LOCK_MAX ((gsize)4096)

static void note_socket(const Broker *broker, const char *path)
{
    /* Only a help to whoever reads it: an empty file is no harm. */
    if (ftruncate(broker->state_lock_fd, 0) == 0 && path)
        (void)fileio_write_all(broker->state_lock_fd, path, strlen(path), NULL);
}

/* Each broker keeps the state in memory and writes it whole: two would undo each other's accounts,
 * and with a provider that rotates use up each other's refresh tokens. */
static gboolean lock_state(Broker *broker, const char *state_dir, GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, "broker.lock", NULL);
    gboolean busy;
    broker->state_lock_fd = fileio_lock(path, FALSE, &busy, error);
    if (busy) {
        gsize len;
        g_autofree char *served = fileio_read(path, STATE_LOCK_MAX, &len, NULL, NULL);
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "two would overwrite each other's accounts",
                  "use that one (name its socket in POSTKEY_SOCKET), or stop it",
                  "another postkey-broker works with %s; it serves %s", state_dir,
                  served && *served ? served : "a socket of its own");
    }
    return broker->state_lock_fd >= 0;
}

/* What an option names, else what the environment does; a service is not told by its environment.
 */
static const char *named_path(const Options *options, const char *option, const char *variable)
{
    return option || options->is_system ? option : g_getenv(variable);
}

static char *find_state_dir(const Options *options)
{
    if (options->state_dir)
        return g_strdup(options->state_dir);
    return options->is_system ? g_strdup(PATHS_SYSTEM_STATE) : paths_state_dir();
}

/* helper_fd is taken on success. */
static gboolean broker_load(Broker *broker, const Options *options, int helper_fd, GError **error)
{
    Context *context = &broker->context;
    const char *named = named_path(options, options->config, "POSTKEY_CONFIG");
    g_autofree char *state_dir = find_state_dir(options);
    g_autofree char *state_path = g_build_filename(state_dir, "state.json", NULL);
    g_autofree char *ledger_path = g_build_filename(state_dir, "ledger", NULL);
    broker->config_path = named                ? g_strdup(named)
                          : options->is_system ? g_strdup(PATHS_SYSTEM_CONFIG)
                                               : paths_user_config();
    context->is_system = options->is_system;
    context->config_path = broker->config_path;
    context->config_required = named != NULL;
    if (!paths_private_dir(state_dir, error))
        return FALSE;
    if (!lock_state(broker, state_dir, error))
        return FALSE;
    if (options->ready_fd >= 0 && !redirect_log(state_dir, error))
        return FALSE;
    if (!(context->config = config_load(context->config_path, context->config_required, error)))
        return FALSE;
    if (!(context->state = state_load(state_path, error)))
        return FALSE;
    context->policy = methods_policy(context);
    if (!(context->ledger = ledger_new(ledger_path, NULL, error)))
        return FALSE;
    if (!store_choice_open(context, state_dir, error))
        return FALSE;
    context->unsaved = unsaved_new(context->store, account_refresh_saved, context);
    context->http = http_client_new();
    context->events = events_new();
    context->metrics = metrics_new();
    context->refusals = refusals_new();
    context->exchanges = exchanges_new();
    broker->notify = notify_new(context, helper_fd);
    context->discovered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, delete_json);
    context->authorizing = g_hash_table_new(g_str_hash, g_str_equal);
    context->abandoned = account_refresh_abandoned_new();
    broker->methods = (Methods){
        .context = context, .accounts = accounts_new(context), .rotation = rotation_new(context)};
    return TRUE;
}

static gboolean broker_listen(Broker *broker, const Options *options, GError **error)
{
    const char *named = named_path(options, options->socket, "POSTKEY_SOCKET");
    g_autofree char *path = NULL;
    if (!named && options->is_system)
        named = PATHS_SYSTEM_SOCKET;
    if (!listen_is_activated()) {
        path = named ? g_strdup(named) : paths_user_socket(error);
        g_autofree char *folder = path ? g_path_get_dirname(path) : NULL;
        if (!path || (!named && !paths_private_dir(folder, error)))
            return FALSE;
    }
    if (!listen_open(path, options->is_system, &broker->listener, error))
        return FALSE;
    note_socket(broker, path);
    broker->service = service_new(&broker->methods, broker->listener.fd);
    log_notice("postkey-broker %s serves %s; accounts: %u", POSTKEY_VERSION,
               path ? path : "the socket of systemd", broker->context.state->accounts->len);
    return TRUE;
}

/* "A, B and C". Returns owned. */
static char *list_places(const SandboxPlace *places, gsize n)
{
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s",
                               i == 0      ? ""
                               : i + 1 < n ? ", "
                                           : " and ",
                               places[i].path);
    return g_string_free(text, FALSE);
}

/* From here on a fault in what reads the peers' and the providers' bytes can neither change the
 * person's files nor start a program. Before this nothing of theirs was read, and no thread is
 * running: it would stay outside. */
static void shut_in(const Broker *broker)
{
    const Context *context = &broker->context;
    const char *key_file = context->config->key_file, *socket = broker->listener.path;
    g_autoptr(GError) error = NULL;
    gboolean confined;
    gsize n = 0;
    SandboxPlace places[3];
    places[n++] = (SandboxPlace){.path = g_path_get_dirname(context->state->path),
                                 .rights = SANDBOX_WRITE | SANDBOX_FOLDERS};
    if (key_file)
        places[n++] = (SandboxPlace){.path = g_path_get_dirname(key_file), .rights = SANDBOX_WRITE};
    gsize n_shown = n; /* that the socket goes in the end is no news to anybody */
    if (socket)
        places[n++] = (SandboxPlace){.path = g_path_get_dirname(socket), .rights = SANDBOX_REMOVE};
    gboolean ok = sandbox_confine(places, n, &confined, &error);
    g_autofree char *shown = list_places(places, n_shown);
    if (!ok)
        log_warning("the broker is not confined: %s", error->message);
    else if (confined)
        log_info("confined by Landlock: it writes only below %s, and runs no program", shown);
    else
        log_info("this kernel has no Landlock: what the broker may write is not confined");
    for (gsize i = 0; i < n; i++)
        g_free(places[i].path);
}

static void broker_run(Broker *broker, int ready_fd)
{
    broker->loop = g_main_loop_new(NULL, FALSE);
    guint sources[] = {g_unix_signal_add(SIGTERM, stop, broker),
                       g_unix_signal_add(SIGINT, stop, broker),
                       g_unix_signal_add(SIGHUP, hang_up, broker)};
    report(ready_fd, BROKER_START_READY);
    listen_notify_ready();
    g_main_loop_run(broker->loop);
    /* What began since, and is cut off below, settles as well: there is no loop to end any more. */
    exchanges_when_settled(broker->context.exchanges, NULL, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(sources); i++)
        g_source_remove(sources[i]);
    g_clear_pointer(&broker->loop, g_main_loop_unref);
}

static void broker_free(Broker *broker)
{
    Context *context = &broker->context;
    service_free(broker->service);
    notify_free(broker->notify);
    listen_close(&broker->listener);
    rotation_free(broker->methods.rotation);
    accounts_free(broker->methods.accounts);
    http_client_free(context->http);
    unsaved_free(context->unsaved);
    store_switch_free(context->stores);
    g_clear_pointer(&context->abandoned, g_hash_table_unref);
    events_free(context->events);
    exchanges_free(context->exchanges);
    ledger_free(context->ledger);
    metrics_free(context->metrics);
    refusals_free(context->refusals);
    g_clear_pointer(&context->discovered, g_hash_table_unref);
    g_clear_pointer(&context->authorizing, g_hash_table_unref);
    state_free(context->state);
    policy_free(context->policy);
    config_free(context->config);
    g_free(broker->config_path);
    if (broker->state_lock_fd >= 0)
        (void)close(broker->state_lock_fd); /* gives the lock back */
}

static int serve(const Options *options)
{
    g_autoptr(GError) error = NULL;
    Broker broker = {.listener = {.fd = -1, .lock_fd = -1}, .state_lock_fd = -1};
    /* Before the configuration is read, which may hold a secret, and before anything starts a
     * thread.
     */
    int helper_fd = notify_helper_start(&error);
    gboolean ok = helper_fd >= 0 && broker_load(&broker, options, helper_fd, &error) &&
                  broker_listen(&broker, options, &error);
    if (ok) {
        shut_in(&broker);
        broker_run(&broker, options->ready_fd);
    } else {
        g_autofree char *text = error_explain("postkey-broker", error);
        g_autofree char *told = broker_start_report(error);
        fputs(text, stderr);
        report(options->ready_fd, told);
    }
    broker_free(&broker);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Options options = {.ready_fd = -1};
    LogLevel level = LOG_LEVEL_INFO;
    (void)setlocale(LC_ALL, ""); /* words in the C locale are words, too */
    gboolean ok = parse_options(argc, argv, &options, &error);
    if (ok && options.log_level && !log_level_parse(options.log_level, &level)) {
        error_set(&error, POSTKEY_ERROR_USAGE, NULL, "use error, warning, notice, info or debug",
                  "there is no log level %s", options.log_level);
        ok = FALSE;
    }
    int rc = 2;
    if (!ok) {
        g_autofree char *text = error_explain("postkey-broker", error);
        fputs(text, stderr);
    } else if (options.help || options.version) {
        const char *text = options.help ? options.help : "postkey-broker " POSTKEY_VERSION "\n";
        rc = fputs(text, stdout) < 0 || fflush(stdout) != 0;
    } else {
        harden();
        log_open("postkey-broker", level);
        rc = serve(&options);
    }
    g_free(options.socket);
    g_free(options.config);
    g_free(options.state_dir);
    g_free(options.log_level);
    g_free(options.help);
    return rc;
}

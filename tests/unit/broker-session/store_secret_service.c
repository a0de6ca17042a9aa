#include "store_secret_service.h"

#include "errors.h"
#include "keyring.h"

#include <criterion/criterion.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* The store against a real GNOME Keyring on a bus of its own; needs dbus-daemon and
 * gnome-keyring-daemon. */

TestSuite(store_secret_service, .timeout = 120);

#define PATIENCE_S 30
#define SECRETS "org.freedesktop.secrets"
#define SERVICE_PATH "/org/freedesktop/secrets"
#define LOGIN SERVICE_PATH "/collection/login"
#define PROMPTER "org.gnome.keyring.SystemPrompter"

/* ---- a session: folder, bus, keyring, and us on the bus ---- */

static char *folder;
static GSubprocess *bus, *keyring;
static GDBusConnection *observer;
static gint prompts; /* calls to the prompter, counted in GDBus's thread */
static Store *store;

static char *in_folder(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static gboolean on_patience_end(G_GNUC_UNUSED gpointer data)
{
    cr_assert_fail("nothing happened for %d s", PATIENCE_S);
    return G_SOURCE_REMOVE;
}

static void turn_while(const volatile gboolean *condition)
{
    guint watchdog = g_timeout_add_seconds(PATIENCE_S, on_patience_end, NULL);
    while (*condition)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(watchdog);
}

/* A test that is cut off leaves nobody behind. */
static void die_with_parent(G_GNUC_UNUSED gpointer data)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GSubprocess *spawn(GSubprocessFlags flags, const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
    g_autofree char *data = in_folder("data");
    g_subprocess_launcher_setenv(launcher, "HOME", folder, TRUE);
    g_subprocess_launcher_setenv(launcher, "XDG_DATA_HOME", data, TRUE);
    g_subprocess_launcher_setenv(launcher, "XDG_RUNTIME_DIR", folder, TRUE);
    g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
    GSubprocess *process = g_subprocess_launcher_spawnv(launcher, argv, &error);
    cr_assert_not_null(process, "%s", error ? error->message : "");
    return process;
}

static const char bus_config[] =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
    "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
    "<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>"
    "<policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
    "<allow own=\"*\"/></policy></busconfig>\n";

/* Without any service that the bus could start by itself. */
static void start_bus(void)
{
    g_autofree char *socket = in_folder("bus");
    g_autofree char *config = in_folder("bus.conf");
    g_autofree char *text = g_strdup_printf(bus_config, socket);
    g_autofree char *option = g_strconcat("--config-file=", config, NULL);
    cr_assert(g_file_set_contents(config, text, -1, NULL));
    const char *argv[] = {"dbus-daemon",     option, "--nofork", "--nopidfile",
                          "--print-address", NULL};
    bus = spawn(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, argv);
    g_autoptr(GDataInputStream) out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(bus));
    g_autofree char *address = g_data_input_stream_read_line(out, NULL, NULL, NULL);
    cr_assert_not_null(address);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
}

/* Stands for the prompter: says no to every prompt. */
static void answer_prompt(GDBusConnection *connection, GDBusMessage *message)
{
    const char *callback = NULL;
    const char *member = g_dbus_message_get_member(message);
    GVariant *body = g_dbus_message_get_body(message);
    g_autoptr(GVariant) path = body ? g_variant_get_child_value(body, 0) : NULL;
    if (path && g_variant_is_of_type(path, G_VARIANT_TYPE_OBJECT_PATH))
        callback = g_variant_get_string(path, NULL);
    g_autoptr(GDBusMessage) reply = g_dbus_message_new_method_reply(message);
    g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
    if (!callback || strcmp(member, "StopPrompting") == 0)
        return;
    gboolean begin = strcmp(member, "BeginPrompting") == 0;
    g_dbus_connection_call(
        connection, g_dbus_message_get_sender(message), callback,
        "org.gnome.keyring.internal.Prompter.Callback", "PromptReady",
        g_variant_new("(s@a{sv}s)", begin ? "" : "no", g_variant_new_parsed("@a{sv} {}"), ""), NULL,
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
}

static GDBusMessage *on_message(GDBusConnection *connection, GDBusMessage *message,
                                gboolean incoming, G_GNUC_UNUSED gpointer data)
{
    if (!incoming || g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL ||
        g_strcmp0(g_dbus_message_get_path(message), "/org/gnome/keyring/Prompter") != 0)
        return message;
    g_atomic_int_inc(&prompts);
    answer_prompt(connection, message);
    g_object_unref(message);
    return NULL;
}

static GVariant *ask(const char *name, const char *path, const char *interface, const char *method,
                     GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer =
        g_dbus_connection_call_sync(observer, name, path, interface, method, arguments, NULL,
                                    G_DBUS_CALL_FLAGS_NO_AUTO_START, 20000, NULL, &error);
    cr_assert_not_null(answer, "%s: %s", method, error ? error->message : "");
    return answer;
}

static void join_bus(void)
{
    g_autoptr(GError) error = NULL;
    observer =
        g_dbus_connection_new_for_address_sync(g_getenv("DBUS_SESSION_BUS_ADDRESS"),
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    cr_assert_not_null(observer, "%s", error ? error->message : "");
    g_dbus_connection_add_filter(observer, on_message, NULL, NULL);
    g_variant_unref(ask("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                        "RequestName", g_variant_new("(su)", PROMPTER, 0)));
}

static void on_appeared(G_GNUC_UNUSED GDBusConnection *connection, G_GNUC_UNUSED const char *name,
                        G_GNUC_UNUSED const char *owner, gpointer data)
{
    *(gboolean *)data = FALSE;
}

/* password NULL: nobody logs in, nothing is unlocked. */
static void start_keyring(const char *password)
{
    g_autofree char *control = g_strconcat("--control-directory=", folder, NULL);
    const char *argv[] = {"gnome-keyring-daemon",       "--foreground",
                          "--components=secrets",       control,
                          password ? "--unlock" : NULL, NULL};
    keyring = spawn(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE |
                        G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                    argv);
    GOutputStream *in = g_subprocess_get_stdin_pipe(keyring);
    if (password)
        cr_assert(g_output_stream_write_all(in, password, strlen(password), NULL, NULL, NULL));
    cr_assert(g_output_stream_close(in, NULL, NULL));
    gboolean missing = TRUE;
    guint watch = g_bus_watch_name_on_connection(observer, SECRETS, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_appeared, NULL, &missing, NULL);
    turn_while(&missing);
    g_bus_unwatch_name(watch);
}

static void stop(GSubprocess **process)
{
    if (!*process)
        return;
    g_subprocess_force_exit(*process);
    cr_assert(g_subprocess_wait(*process, NULL, NULL));
    g_clear_object(process);
}

static void leave_bus(void)
{
    (void)g_dbus_connection_close_sync(observer, NULL, NULL); /* the bus may be gone already */
    g_clear_object(&observer);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    (void)g_remove(path); /* a leftover in /tmp harms nobody */
}

static void set_up(void)
{
    folder = g_dir_make_tmp("postkey-test-XXXXXX", NULL);
    cr_assert_not_null(folder);
    start_bus();
    join_bus();
    store = store_secret_service_new();
}

static void set_up_unlocked(void)
{
    set_up();
    start_keyring("sesame");
}

static void tear_down(void)
{
    store_free(store);
    leave_bus();
    stop(&keyring);
    stop(&bus);
    remove_tree(folder);
    g_free(folder);
}

static void lock_login(void)
{
    g_variant_unref(ask(SECRETS, SERVICE_PATH, "org.freedesktop.Secret.Service", "Lock",
                        g_variant_new_parsed("(@ao [%o],)", LOGIN)));
}

/* ---- calls that wait for their answer ---- */

typedef struct {
    gboolean waiting;
    char *value;
    char **names;
    GError *error;
} Answer;

static void on_got(const Secret *value, const GError *error, gpointer data)
{
    Answer *answer = data;
    cr_assert(answer->waiting, "called twice");
    answer->waiting = FALSE;
    answer->value = value ? g_strdup(secret_reveal(value)) : NULL;
    answer->error = error ? g_error_copy(error) : NULL;
}

static void on_done(const GError *error, gpointer data)
{
    on_got(NULL, error, data);
}

static void on_listed(const char *const *names, const GError *error, gpointer data)
{
    Answer *answer = data;
    cr_assert_eq(names == NULL, error != NULL);
    answer->names = g_strdupv((char **)names);
    on_got(NULL, error, data);
}

static void answer_clear(Answer *answer)
{
    g_free(answer->value);
    g_strfreev(answer->names);
    g_clear_error(&answer->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_clear)

static Answer get(const char *name)
{
    Answer answer = {.waiting = TRUE};
    store_get(store, name, on_got, &answer);
    turn_while(&answer.waiting);
    return answer;
}

static Answer put(const char *name, const char *expected, const char *value)
{
    Answer answer = {.waiting = TRUE};
    g_autoptr(Secret) old = secret_new(expected, -1);
    g_autoptr(Secret) new = secret_new(value, -1);
    store_put(store, name, old, new, "postkey: you@example.com", on_done, &answer);
    turn_while(&answer.waiting);
    return answer;
}

static Answer drop(const char *name)
{
    Answer answer = {.waiting = TRUE};
    store_remove(store, name, on_done, &answer);
    turn_while(&answer.waiting);
    return answer;
}

static Answer list(void)
{
    Answer answer = {.waiting = TRUE};
    store_list(store, on_listed, &answer);
    turn_while(&answer.waiting);
    return answer;
}

static Answer unlock(void)
{
    Answer answer = {.waiting = TRUE};
    store_unlock(store, on_done, &answer);
    turn_while(&answer.waiting);
    return answer;
}

static void expect_ok(Answer answer)
{
    cr_assert_null(answer.error, "%s", answer.error ? answer.error->message : "");
    answer_clear(&answer);
}

static void expect_value(const char *name, const char *value)
{
    g_auto(Answer) answer = get(name);
    cr_assert_null(answer.error, "%s", answer.error ? answer.error->message : "");
    cr_assert_eq(g_strcmp0(answer.value, value), 0, "%s is %s", name, answer.value);
}

static void expect_error(Answer answer, PostkeyErrorCode code)
{
    cr_assert_not_null(answer.error);
    cr_assert(g_error_matches(answer.error, POSTKEY_ERROR, (int)code), "%s, code %d",
              answer.error->message, answer.error->code);
    cr_assert_null(answer.value);
    cr_assert_null(answer.names);
    cr_assert_not_null(error_meaning(answer.error));
    cr_assert_not_null(error_remedy(answer.error));
    answer_clear(&answer);
}

#define SESSION_TEST(name, before)                                                                 \
    Test(store_secret_service, name, .init = before, .fini = tear_down)

/* ---- an unlocked keyring ---- */

SESSION_TEST(what_was_put_is_got_replaced_listed_and_removed, set_up_unlocked)
{
    expect_value("account/a", NULL);
    expect_ok(put("account/a", NULL, "1//first"));
    expect_value("account/a", "1//first");
    expect_ok(put("account/a", NULL, "1//second"));
    expect_ok(put("client/google", NULL, "GOCSPX-\xc3\xbc"));
    expect_value("account/a", "1//second");
    expect_value("client/google", "GOCSPX-\xc3\xbc");
    expect_value("account/b", NULL);
    g_auto(Answer) names = list();
    cr_assert_eq(g_strv_length(names.names), 2); /* so the second put replaced the first */
    cr_assert(g_strv_contains((const char *const *)names.names, "account/a"));
    cr_assert(g_strv_contains((const char *const *)names.names, "client/google"));
    expect_ok(drop("account/a"));
    expect_value("account/a", NULL);
    expect_ok(drop("account/a"));
    expect_value("client/google", "GOCSPX-\xc3\xbc");
    cr_assert_eq(prompts, 0);
}

SESSION_TEST(a_keyring_without_our_items_lists_none, set_up_unlocked)
{
    g_auto(Answer) names = list();
    cr_assert_null(names.error);
    cr_assert_eq(g_strv_length(names.names), 0);
}

SESSION_TEST(a_put_replaces_only_what_it_expects, set_up_unlocked)
{
    expect_error(put("account/a", "1//old", "1//new"), POSTKEY_ERROR_REFUSED);
    expect_value("account/a", NULL);
    expect_ok(put("account/a", NULL, "1//old"));
    expect_ok(put("account/a", "1//old", "1//new"));
    expect_error(put("account/a", "1//old", "1//other"), POSTKEY_ERROR_REFUSED);
    expect_error(put("account/a", "1//old", "1//new"), POSTKEY_ERROR_REFUSED);
    expect_value("account/a", "1//new");
}

SESSION_TEST(of_many_puts_that_expect_the_same_one_wins, set_up_unlocked)
{
    Answer answers[8];
    guint n_won = 0;
    char winner[] = "1//0";
    expect_ok(put("account/a", NULL, "1//old"));
    g_autoptr(Secret) old = secret_new("1//old", -1);
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autofree char *text = g_strdup_printf("1//%u", i);
        g_autoptr(Secret) new = secret_new(text, -1);
        answers[i] = (Answer){.waiting = TRUE};
        store_put(store, "account/a", old, new, "label", on_done, &answers[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        turn_while(&answers[i].waiting);
        if (!answers[i].error) {
            n_won++;
            winner[3] = (char)('0' + i);
        }
        answer_clear(&answers[i]);
    }
    cr_assert_eq(n_won, 1);
    expect_value("account/a", winner);
}

SESSION_TEST(a_long_secret_survives, set_up_unlocked)
{
    g_autofree char *text = g_strnfill(100 * 1000, 'k');
    expect_ok(put("account/a", NULL, text));
    expect_value("account/a", text);
}

SESSION_TEST(a_freed_store_calls_nobody_back, set_up_unlocked)
{
    Answer put_answer = {.waiting = TRUE}, get_answer = {.waiting = TRUE};
    g_autoptr(Secret) value = secret_new("1//value", -1);
    for (guint turns = 0; turns < 40; turns++) {
        store_put(store, "account/a", NULL, value, "label", on_done, &put_answer);
        store_get(store, "account/a", on_got, &get_answer);
        for (guint i = 0; i < turns; i++)
            g_main_context_iteration(NULL, FALSE);
        store_free(store);
        put_answer.waiting = get_answer.waiting = TRUE;
        store = store_secret_service_new();
    }
    expect_ok(put("account/b", NULL, "1//other"));
    cr_assert(put_answer.waiting && get_answer.waiting);
}

/* ---- a locked keyring ---- */

static void expect_all_locked(void)
{
    gint64 start = g_get_monotonic_time();
    expect_error(get("account/a"), POSTKEY_ERROR_KEYRING_LOCKED);
    expect_error(get("account/unknown"), POSTKEY_ERROR_KEYRING_LOCKED);
    expect_error(put("account/a", NULL, "1//new"), POSTKEY_ERROR_KEYRING_LOCKED);
    expect_error(put("account/new", NULL, "1//new"), POSTKEY_ERROR_KEYRING_LOCKED);
    expect_error(put("account/a", "1//old", "1//new"), POSTKEY_ERROR_KEYRING_LOCKED);
    expect_error(drop("account/a"), POSTKEY_ERROR_KEYRING_LOCKED);
    expect_error(list(), POSTKEY_ERROR_KEYRING_LOCKED);
    cr_assert_lt(g_get_monotonic_time() - start, (gint64)STORE_SECRET_SERVICE_TIMEOUT_MS * 1000);
    cr_assert_eq(g_atomic_int_get(&prompts), 0, "a prompt was raised");
}

SESSION_TEST(a_keyring_that_was_locked_again_is_locked_and_not_empty, set_up_unlocked)
{
    expect_ok(put("account/a", NULL, "1//old"));
    lock_login();
    expect_all_locked();
}

SESSION_TEST(a_keyring_that_was_never_unlocked_is_locked_and_not_empty, set_up_unlocked)
{
    expect_ok(put("account/a", NULL, "1//old"));
    stop(&keyring);
    start_keyring(NULL);
    expect_all_locked();
    stop(&keyring);
    start_keyring("sesame");
    expect_value("account/a", "1//old");
}

SESSION_TEST(unlocking_asks_the_person_who_may_say_no, set_up_unlocked)
{
    expect_ok(unlock());
    cr_assert_eq(prompts, 0, "it was unlocked already");
    expect_ok(put("account/a", NULL, "1//old"));
    lock_login();
    expect_error(unlock(), POSTKEY_ERROR_KEYRING_LOCKED);
    cr_assert_gt(g_atomic_int_get(&prompts), 0);
    expect_error(get("account/a"), POSTKEY_ERROR_KEYRING_LOCKED);
}

typedef struct {
    gboolean waiting;
    SecretService *line;
    GError *error;
} Quiet;

static void on_quiet_unlocked(GObject *source, GAsyncResult *result, gpointer data)
{
    Quiet *quiet = data;
    secret_service_unlock_dbus_paths_finish(SECRET_SERVICE(source), result, NULL, &quiet->error);
    quiet->waiting = FALSE;
}

static void on_quiet_line(G_GNUC_UNUSED GObject *source, GAsyncResult *result, gpointer data)
{
    Quiet *quiet = data;
    const char *paths[] = {LOGIN, NULL};
    quiet->line = keyring_open_finish(result, &quiet->error);
    cr_assert_not_null(quiet->line);
    secret_service_unlock_dbus_paths(quiet->line, paths, NULL, on_quiet_unlocked, quiet);
}

/* The last line of defence: a keyring that is locked between our look and our write. */
SESSION_TEST(a_quiet_line_refuses_every_prompt, set_up_unlocked)
{
    Quiet quiet = {.waiting = TRUE};
    lock_login();
    keyring_open(FALSE, NULL, on_quiet_line, &quiet);
    turn_while(&quiet.waiting);
    cr_assert(g_error_matches(quiet.error, SECRET_ERROR, SECRET_ERROR_IS_LOCKED));
    expect_error(get("account/a"), POSTKEY_ERROR_KEYRING_LOCKED);
    cr_assert_eq(g_atomic_int_get(&prompts), 0);
    g_error_free(quiet.error);
    keyring_close(quiet.line);
}

SESSION_TEST(without_a_default_keyring_there_is_none_and_a_put_asks_for_an_unlock, set_up)
{
    start_keyring(NULL);
    expect_value("account/a", NULL);
    g_auto(Answer) answer = put("account/a", NULL, "1//new");
    cr_assert(g_error_matches(answer.error, POSTKEY_ERROR, POSTKEY_ERROR_KEYRING_LOCKED));
    cr_assert(strstr(error_remedy(answer.error), "postkey unlock"));
    cr_assert_eq(g_atomic_int_get(&prompts), 0);
    expect_error(unlock(), POSTKEY_ERROR_KEYRING_LOCKED);
    cr_assert_gt(g_atomic_int_get(&prompts), 0, "no prompt for a new keyring");
}

/* ---- no service, and services that come and go ---- */

SESSION_TEST(without_a_service_every_call_says_so, set_up)
{
    expect_error(get("account/a"), POSTKEY_ERROR_KEYRING_UNAVAILABLE);
    expect_error(put("account/a", NULL, "1//new"), POSTKEY_ERROR_KEYRING_UNAVAILABLE);
    expect_error(drop("account/a"), POSTKEY_ERROR_KEYRING_UNAVAILABLE);
    expect_error(list(), POSTKEY_ERROR_KEYRING_UNAVAILABLE);
    expect_error(unlock(), POSTKEY_ERROR_KEYRING_UNAVAILABLE);
    start_keyring("sesame");
    expect_ok(put("account/a", NULL, "1//new"));
}

SESSION_TEST(a_service_that_was_killed_and_started_again_is_found, set_up_unlocked)
{
    expect_ok(put("account/a", NULL, "1//old"));
    stop(&keyring);
    expect_error(get("account/a"), POSTKEY_ERROR_KEYRING_UNAVAILABLE);
    start_keyring("sesame");
    expect_value("account/a", "1//old");
    stop(&keyring);
    start_keyring("sesame");
    expect_ok(put("account/a", "1//old", "1//new"));
    expect_value("account/a", "1//new");
}

/* Stopped for good when this returns, all its threads. */
static void stop_keyring(void)
{
    siginfo_t info;
    pid_t pid = (pid_t)g_ascii_strtoll(g_subprocess_get_identifier(keyring), NULL, 10);
    g_subprocess_send_signal(keyring, SIGSTOP);
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
}

SESSION_TEST(a_service_that_is_killed_under_a_call_is_reported, set_up_unlocked)
{
    expect_ok(put("account/a", NULL, "1//old"));
    Answer answer = {.waiting = TRUE};
    stop_keyring();
    store_get(store, "account/a", on_got, &answer);
    for (guint i = 0; i < 3; i++)
        g_main_context_iteration(NULL, FALSE); /* the search is on its way */
    stop(&keyring);
    turn_while(&answer.waiting);
    expect_error(answer, POSTKEY_ERROR_KEYRING_UNAVAILABLE);
}

SESSION_TEST(a_bus_that_died_and_came_back_is_found, set_up_unlocked)
{
    expect_ok(put("account/a", NULL, "1//old"));
    leave_bus();
    stop(&bus);
    stop(&keyring);
    expect_error(get("account/a"), POSTKEY_ERROR_KEYRING_UNAVAILABLE);
    start_bus();
    join_bus();
    start_keyring("sesame");
    expect_value("account/a", "1//old");
}

SESSION_TEST(a_service_that_hangs_is_given_up_in_time, set_up_unlocked)
{
    expect_ok(put("account/a", NULL, "1//old"));
    stop_keyring();
    expect_error(get("account/a"), POSTKEY_ERROR_KEYRING_UNAVAILABLE);
    g_subprocess_send_signal(keyring, SIGCONT);
    expect_value("account/a", "1//old");
}

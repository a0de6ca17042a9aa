#include "store_secret_service.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

/* What needs no keyring; the rest is in tests/unit/broker-session. */

TestSuite(store, .timeout = 60);

typedef struct {
    guint n_calls;
    gboolean had_value;
    GError *error;
} Outcome;

static void on_got(const Secret *value, const GError *error, gpointer data)
{
    Outcome *outcome = data;
    outcome->n_calls++;
    outcome->had_value = value != NULL;
    outcome->error = error ? g_error_copy(error) : NULL;
}

static void on_done(const GError *error, gpointer data)
{
    on_got(NULL, error, data);
}

static void on_listed(const char *const *names, const GError *error, gpointer data)
{
    cr_assert_null(names);
    on_got(NULL, error, data);
}

static void wait_for(const Outcome *outcome)
{
    while (outcome->n_calls == 0)
        g_main_context_iteration(NULL, TRUE);
}

static void assert_unavailable_in_three_parts(Outcome *outcome, const char *words)
{
    wait_for(outcome);
    cr_assert(g_error_matches(outcome->error, POSTKEY_ERROR, POSTKEY_ERROR_KEYRING_UNAVAILABLE));
    cr_assert(strstr(outcome->error->message, words), "%s", outcome->error->message);
    cr_assert_not_null(error_meaning(outcome->error));
    cr_assert_not_null(error_remedy(outcome->error));
    g_clear_error(&outcome->error);
}

/* A private runtime folder without a bus in it. */
static char *runtime_dir(void)
{
    g_autoptr(GError) error = NULL;
    char *folder = g_dir_make_tmp("postkey-test-XXXXXX", &error);
    cr_assert_not_null(folder);
    cr_assert_eq(chmod(folder, 0700), 0);
    g_unsetenv("DBUS_SESSION_BUS_ADDRESS");
    g_setenv("XDG_RUNTIME_DIR", folder, TRUE);
    return folder;
}

Test(store, without_a_session_bus_every_call_says_so)
{
    g_autofree char *folder = runtime_dir();
    Store *store = store_secret_service_new();
    g_autoptr(Secret) value = secret_new("1//refresh-token", -1);
    Outcome got = {0}, put = {0}, removed = {0}, listed = {0}, unlocked = {0};
    store_get(store, "account/a", on_got, &got);
    store_put(store, "account/a", NULL, value, "label", on_done, &put);
    store_remove(store, "account/a", on_done, &removed);
    store_list(store, on_listed, &listed);
    store_unlock(store, on_done, &unlocked);
    cr_assert_eq(got.n_calls + put.n_calls + removed.n_calls + listed.n_calls + unlocked.n_calls, 0,
                 "a callback ran from inside the call");
    assert_unavailable_in_three_parts(&got, "no session bus");
    assert_unavailable_in_three_parts(&put, "no session bus");
    assert_unavailable_in_three_parts(&removed, "no session bus");
    assert_unavailable_in_three_parts(&listed, "no session bus");
    assert_unavailable_in_three_parts(&unlocked, "no session bus");
    store_free(store);
    cr_assert_eq(g_rmdir(folder), 0);
}

Test(store, an_autolaunched_bus_is_not_asked_for)
{
    g_autofree char *folder = runtime_dir();
    g_setenv("DBUS_SESSION_BUS_ADDRESS", "autolaunch:", TRUE);
    Store *store = store_secret_service_new();
    Outcome got = {0};
    store_get(store, "account/a", on_got, &got);
    assert_unavailable_in_three_parts(&got, "no session bus");
    store_free(store);
    cr_assert_eq(g_rmdir(folder), 0);
}

Test(store, a_bus_that_is_gone_is_an_error_and_no_end_of_the_process)
{
    g_autofree char *folder = runtime_dir();
    g_autofree char *address = g_strdup_printf("unix:path=%s/gone", folder);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
    Store *store = store_secret_service_new();
    Outcome got = {0};
    store_get(store, "account/a", on_got, &got);
    assert_unavailable_in_three_parts(&got, "cannot connect to the session bus");
    store_free(store);
    cr_assert_eq(g_rmdir(folder), 0);
}

Test(store, a_bus_that_never_answers_is_given_up_in_time)
{
    g_autofree char *folder = runtime_dir();
    g_autofree char *path = g_build_filename(folder, "bus", NULL);
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    cr_assert(g_socket_listener_add_address(listener, address, G_SOCKET_TYPE_STREAM,
                                            G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, NULL));
    Store *store = store_secret_service_new();
    Outcome first = {0}, second = {0};
    gint64 start = g_get_monotonic_time();
    store_get(store, "account/a", on_got, &first);
    store_get(store, "account/b", on_got, &second);
    assert_unavailable_in_three_parts(&first, "did not answer in time");
    assert_unavailable_in_three_parts(&second, "did not answer in time");
    /* The one that waited in the queue has not waited twice. */
    gint64 waited_ms = (g_get_monotonic_time() - start) / 1000;
    cr_assert_lt(waited_ms, STORE_SECRET_SERVICE_TIMEOUT_MS * 3 / 2);
    store_free(store);
    (void)g_unlink(path); /* a leftover in /tmp harms nobody */
    (void)g_rmdir(folder);
}

Test(store, a_freed_store_calls_nobody_back)
{
    g_autofree char *folder = runtime_dir();
    g_autofree char *address = g_strdup_printf("unix:path=%s/gone", folder);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
    Store *store = store_secret_service_new();
    Outcome got = {0}, listed = {0};
    store_get(store, "account/a", on_got, &got);
    store_list(store, on_listed, &listed);
    g_main_context_iteration(NULL, FALSE); /* the first is under way, the second waits */
    store_free(store);
    Store *other = store_secret_service_new();
    Outcome later = {0};
    store_get(other, "account/a", on_got, &later);
    wait_for(&later);
    cr_assert_eq(got.n_calls + listed.n_calls, 0);
    g_clear_error(&later.error);
    store_free(other);
    cr_assert_eq(g_rmdir(folder), 0);
}

static void free_store(G_GNUC_UNUSED const Secret *value, G_GNUC_UNUSED const GError *error,
                       gpointer data)
{
    Store **store = data;
    store_free(*store);
    *store = NULL;
}

Test(store, a_callback_may_free_the_store)
{
    g_autofree char *folder = runtime_dir();
    Store *store = store_secret_service_new();
    Outcome second = {0};
    store_get(store, "account/a", free_store, &store);
    store_get(store, "account/b", on_got, &second);
    while (store)
        g_main_context_iteration(NULL, TRUE);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_assert_eq(second.n_calls, 0);
    cr_assert_eq(g_rmdir(folder), 0);
}

#include "authorize_wait.h"

#include "broker_calls.h"
#include "browser.h"
#include "errors.h"
#include "interrupt.h"
#include "output.h"
#include "times.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* How long the rest of a reply may take once its first bytes are there. */
#define REPLY_REST_MS BROKER_CLIENT_QUICK_MS

typedef enum { FLOW_NONE, FLOW_DEVICE, FLOW_BROWSER } Flow;

typedef struct {
    AuthorizeWait *wait;
    BrokerClient *client;
    int interrupt_fd;
    Flow visiting;     /* what the person is sent to */
    char *account;     /* as the broker calls it */
    gint64 expires_at; /* of what is visited; times_boottime() */
    gboolean done;
    gboolean switching;
} Session;

/* ---- the broker's steps ---- */

cJSON *authorize_wait_json(const cJSON *step)
{
    static const char *const order[] = {"step",
                                        "flow",
                                        "verification_uri",
                                        "verification_uri_complete",
                                        "user_code",
                                        "authorization_uri",
                                        "expires_in",
                                        "reason",
                                        "account"};
    cJSON *rest = cJSON_Duplicate(step, TRUE);
    cJSON *ordered = cJSON_CreateObject();
    for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
        cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(rest, order[i]);
        if (item && !cJSON_IsNull(item))
            cJSON_AddItemToObject(ordered, order[i], item);
        else
            cJSON_Delete(item);
    }
    while (rest->child) {
        cJSON *item = cJSON_DetachItemViaPointer(rest, rest->child);
        if (cJSON_IsNull(item))
            cJSON_Delete(item);
        else
            cJSON_AddItemToObject(ordered, item->string, item);
    }
    cJSON_Delete(rest);
    return ordered;
}

static void on_visit(Session *session, const cJSON *step)
{
    AuthorizeWait *wait = session->wait;
    gboolean device = strcmp(json_string_or(step, "flow", ""), "device") == 0;
    session->visiting = device ? FLOW_DEVICE : FLOW_BROWSER;
    if (!wait->view)
        return;
    if (device)
        authorize_view_device(wait->view, step);
    else
        authorize_view_browser(wait->view, step,
                               wait->open_browser &&
                                   browser_open(json_string_or(step, "authorization_uri", "")));
}

static gboolean show_step(Session *session, const cJSON *step, const char *name, GError **error)
{
    AuthorizeWait *wait = session->wait;
    if (strcmp(name, "visit") == 0)
        on_visit(session, step);
    if (strcmp(name, "provider") == 0) { /* a remark, not one of the steps that scripts read */
        authorize_view_provider(step);
        return TRUE;
    }
    if (wait->as_json) {
        g_autoptr(cJSON) ordered = authorize_wait_json(step);
        return output_json(ordered, error);
    }
    if (strcmp(name, "fallback") == 0)
        authorize_view_fallback(wait->view, step);
    if (strcmp(name, "done") != 0)
        return TRUE;
    authorize_view_pause(wait->view);
    g_autofree char *answer = authorize_view_done(step, times_now());
    return output_answer(answer, error);
}

static gboolean take_reply(Session *session, GError **error)
{
    gboolean continues = FALSE;
    g_autoptr(cJSON) step =
        broker_client_receive(session->client, &continues, REPLY_REST_MS, error);
    if (!step)
        return FALSE;
    const char *name = json_string_or(step, "step", NULL);
    const char *account = json_string_or(step, "account", NULL);
    gint64 expires_in = json_int_or(step, "expires_in", -1);
    if (!name)
        return broker_calls_missing("Authorize", "its step", error);
    if (account && g_strcmp0(account, session->account) != 0) {
        g_free(session->account);
        session->account = g_strdup(account);
    }
    if (expires_in >= 0)
        session->expires_at = times_boottime() + MIN(expires_in, G_MAXINT) * G_USEC_PER_SEC;
    session->done = strcmp(name, "done") == 0;
    if (!continues && !session->done)
        return broker_calls_missing("Authorize", "its end", error);
    return show_step(session, step, name, error);
}

/* ---- what the person types ---- */

/* On a connection of its own: the first one is waiting for the end of Authorize. A paste that fails
 * is no end, the right one may follow. */
static void complete(Session *session, const char *redirect)
{
    g_autoptr(GError) error = NULL;
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", session->account ? session->account : "");
    g_autofree char *valid = g_utf8_make_valid(redirect, -1); /* what is not is refused, and told */
    json_add_string(parameters, "redirect", valid);
    g_autoptr(cJSON) reply = broker_calls_once(session->wait->scope, "CompleteAuthorization",
                                               parameters, BROKER_CALLS_PROVIDER_MS, &error);
    if (reply)
        return;
    g_prefix_error(&error, "the pasted address is not accepted: ");
    if (!g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE))
        error_set_remedy(error,
                         "paste the whole address of the page that did not load; still waiting");
    authorize_view_pause(session->wait->view);
    output_error(error);
}

static void take_line(Session *session, const char *line)
{
    if (session->visiting == FLOW_BROWSER && *line)
        complete(session, line);
    else if (session->visiting == FLOW_DEVICE && !*line)
        session->switching = TRUE;
}

static void take_input(Session *session)
{
    AuthorizeWait *wait = session->wait;
    wait->input_ended = !lines_fill(wait->input);
    char *line;
    while (!session->switching && (line = lines_next(wait->input))) {
        take_line(session, line);
        explicit_bzero(line, strlen(line)); /* it may hold an authorization code */
        g_free(line);
    }
}

/* Nothing is read before there is a use for it: it stays with whoever comes after us. */
static gboolean wants_input(const Session *session)
{
    if (session->wait->input_ended)
        return FALSE;
    return session->visiting == FLOW_BROWSER ||
           (session->visiting == FLOW_DEVICE && session->wait->can_type);
}

/* ---- waiting ---- */

static gint64 end_of(const Session *session)
{
    return MIN(session->wait->deadline, session->expires_at);
}

static int next_timeout_ms(const Session *session)
{
    if (authorize_view_is_ticking(session->wait->view))
        return 1000;
    gint64 left_us = session->wait->deadline - times_boottime();
    return (int)CLAMP(left_us / 1000 + 1, 0, G_MAXINT);
}

static gboolean set_expired(GError **error)
{
    error_set(error, POSTKEY_ERROR_AUTHORIZATION, "nobody has finished the sign-in in time",
              "run the command again, and finish in the browser within 10 minutes",
              "the authorization is not done after 10 minutes");
    return FALSE;
}

static gboolean set_cancelled(GError **error)
{
    error_set(error, POSTKEY_ERROR_CANCELLED, NULL, NULL, "cancelled, nothing is changed");
    return FALSE;
}

/* Waits for the next thing to happen and handles it. */
static gboolean turn(Session *session, GError **error)
{
    struct pollfd ready[] = {
        {.fd = broker_client_fd(session->client), .events = POLLIN},
        {.fd = session->interrupt_fd, .events = POLLIN},
        {.fd = wants_input(session) ? STDIN_FILENO : -1, .events = POLLIN},
    };
    gboolean waiting = broker_client_has_reply(session->client);
    if (poll(ready, G_N_ELEMENTS(ready), waiting ? 0 : next_timeout_ms(session)) < 0 &&
        errno != EINTR) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot wait: %s", g_strerror(errno));
        return FALSE;
    }
    if (ready[1].revents)
        return set_cancelled(error);
    if ((waiting || ready[0].revents) && !take_reply(session, error))
        return FALSE;
    if (ready[2].revents)
        take_input(session);
    if (!session->done && times_boottime() >= session->wait->deadline)
        return set_expired(error);
    if (!session->done && authorize_view_is_ticking(session->wait->view))
        authorize_view_tick(session->wait->view,
                            (end_of(session) - times_boottime()) / G_USEC_PER_SEC);
    return TRUE;
}

AuthorizeEnd authorize_wait(AuthorizeWait *wait, BrokerClient *client, GError **error)
{
    Session session = {.wait = wait, .client = client, .expires_at = G_MAXINT64};
    session.interrupt_fd = interrupt_catch(error);
    if (session.interrupt_fd < 0)
        return AUTHORIZE_FAILED;
    gboolean ok = TRUE;
    while (ok && !session.done && !session.switching)
        ok = turn(&session, error);
    interrupt_release(session.interrupt_fd);
    authorize_view_pause(wait->view);
    g_free(session.account);
    if (!ok)
        return AUTHORIZE_FAILED;
    return session.done ? AUTHORIZE_DONE : AUTHORIZE_SWITCH;
}

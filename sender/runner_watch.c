#include "runner_watch.h"

#include "broker_client.h"

#include <string.h>

#define LOOK_AGAIN_US ((gulong)3 * G_USEC_PER_SEC)

typedef struct {
    PathsScope scope;
    RunnerAccountWorks works;
    gpointer data;
} Watch;

typedef struct {
    const Watch *watch;
    char *account;
} News;

static gboolean tell(gpointer data)
{
    News *news = data;
    news->watch->works(news->account, news->watch->data);
    g_free(news->account);
    g_free(news);
    return G_SOURCE_REMOVE;
}

/* Also that an account is gone: what waits for it says so from now on, or another one sends it. */
static gboolean is_worth_a_try(const char *event)
{
    static const char *const good[] = {"authorized", "refreshed", "unlocked", "forgotten", NULL};
    return g_strv_contains(good, event);
}

static void listen_to(const Watch *watch, BrokerClient *broker)
{
    gboolean continues = TRUE;
    while (continues) {
        g_autoptr(cJSON) event =
            broker_client_receive(broker, &continues, BROKER_CLIENT_FOREVER, NULL);
        if (!event)
            return;
        const char *account = json_string_or(event, "account", NULL);
        if (!account || !is_worth_a_try(json_string_or(event, "event", "")))
            continue;
        News *news = g_new0(News, 1);
        *news = (News){.watch = watch, .account = g_strdup(account)};
        g_main_context_invoke(NULL, tell, news);
    }
}

static gpointer work(gpointer data)
{
    const Watch *watch = data;
    for (;;) {
        g_autoptr(BrokerClient) broker =
            broker_client_connect_running(watch->scope, BROKER_CLIENT_QUICK_MS, NULL);
        if (broker && broker_client_send(broker, "Monitor", NULL, BROKER_CLIENT_QUICK_MS, NULL))
            listen_to(watch, broker);
        g_usleep(LOOK_AGAIN_US);
    }
    return NULL;
}

void runner_watch_start(PathsScope scope, RunnerAccountWorks works, gpointer data)
{
    static Watch watch; /* outlives everything, as the thread does */
    watch = (Watch){.scope = scope, .works = works, .data = data};
    g_thread_unref(g_thread_new("watch", work, &watch));
}

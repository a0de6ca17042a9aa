/* The whole service over a socket: framing, messages, every method. The accounts, a store in memory
 * and a provider that answers from a list are fresh for each input, so that a crash can be repeated
 * from its input alone.
 *
 * The input goes over one connection in pieces of changing size; then each of its messages over a
 * connection of its own, all of which stay open, so that calls meet each other. */

#include "account_refresh.h"
#include "fuzz.h"
#include "log.h"
#include "memory_store.h"
#include "scratch.h"
#include "service.h"
#include "store_sealed_file.h"
#include "unix_pair.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define PLANTED "fuzz-planted-refresh-token"
#define CONNECTIONS_MAX 16
#define TURNS_MAX 200000

static const char configuration[] = "[broker]\n"
                                    "default_account=work\n"
                                    "[provider test]\n"
                                    "issuer=https://id.example.com\n"
                                    "client_id=fuzz-client\n"
                                    "scopes=https://mail.example.com/ openid email\n"
                                    "smtp=smtp.example.com:465 tls\n"
                                    "[account work]\n"
                                    "address=you@example.com\n"
                                    "provider=test\n"
                                    "from=*@lists.example.com\n"
                                    "connections=2\n";

typedef struct {
    Context context;
    Methods methods;
    Service *service;
    UnixName name;
    const guint8 *input;
    gsize input_len;
} World;

typedef struct {
    int fd;
    gboolean closed; /* by the service */
    VarlinkBuffer *received;
} Peer;

static const char *config_path(void)
{
    static char *path;
    if (path)
        return path;
    path = scratch_file("postkey.conf", configuration, strlen(configuration));
    log_open("fuzz", LOG_LEVEL_ERROR);
    return path;
}

static void delete_json(gpointer data)
{
    cJSON_Delete(data);
}

/* A keyring in memory, and sealed files whose key and folder are made when they are asked for. */
static void open_stores(Context *context)
{
    g_autofree char *folder = scratch_vacant_folder("sealed");
    g_autofree char *key_folder = scratch_vacant_folder("keys");
    g_autofree char *key_file = g_build_filename(key_folder, "key", NULL);
    if (g_mkdir(key_folder, 0700) != 0)
        g_error("no folder %s", key_folder);
    Store *const kinds[STORE_KINDS] = {
        [STORE_SECRET_SERVICE] = memory_store_new("account/work", PLANTED),
        [STORE_SEALED_FILE] = store_sealed_file_new(folder, key_file),
    };
    context->stores = store_switch_new(kinds, STORE_SECRET_SERVICE);
    context->store = store_switch_face(context->stores);
}

static Ledger *open_ledger(void)
{
    g_autofree char *folder = scratch_vacant_folder("ledger");
    g_autoptr(GError) error = NULL;
    Ledger *ledger = ledger_new(folder, NULL, &error);
    if (!ledger)
        g_error("%s", error->message);
    return ledger;
}

static void world_open(World *world)
{
    Context *context = &world->context;
    g_autofree char *state_path = g_build_filename(scratch_folder(), "state.json", NULL);
    g_autoptr(GError) error = NULL;
    (void)unlink(state_path); /* of the input before */
    context->config_path = config_path();
    context->config_required = TRUE;
    context->config = config_load(context->config_path, TRUE, &error);
    context->state = context->config ? state_load(state_path, &error) : NULL;
    if (!context->state)
        g_error("%s", error->message);
    StateAccount *account = state_account_ensure(context->state, "work");
    account->address = g_strdup("you@example.com");
    account->provider = g_strdup("test");
    open_stores(context);
    context->unsaved = unsaved_new(context->store, account_refresh_saved, context);
    context->http = http_client_new();
    context->events = events_new();
    context->exchanges = exchanges_new();
    context->metrics = metrics_new();
    context->refusals = refusals_new();
    context->policy = methods_policy(context);
    context->ledger = open_ledger();
    context->discovered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, delete_json);
    context->authorizing = g_hash_table_new(g_str_hash, g_str_equal);
    context->abandoned = account_refresh_abandoned_new();
    world->methods = (Methods){.context = context, .accounts = accounts_new(context)};
    world->service = service_new(&world->methods, unix_pair_listen(&world->name));
}

static void world_close(World *world)
{
    Context *context = &world->context;
    service_free(world->service);
    accounts_free(world->methods.accounts);
    http_client_free(context->http);
    unsaved_free(context->unsaved);
    store_switch_free(context->stores);
    g_hash_table_unref(context->abandoned);
    events_free(context->events);
    exchanges_free(context->exchanges);
    metrics_free(context->metrics);
    refusals_free(context->refusals);
    policy_free(context->policy);
    ledger_free(context->ledger);
    g_hash_table_unref(context->discovered);
    g_hash_table_unref(context->authorizing);
    state_free(context->state);
    config_free(context->config);
}

/* Until nothing happens any more by itself; a loop that never rests is a stall. */
static void settle(void)
{
    guint turns = 0;
    while (g_main_context_iteration(NULL, FALSE))
        g_assert_cmpuint(++turns, <, TURNS_MAX);
}

/* Each answer is strict JSON, and no refresh token is in it. */
static void check_answers(const World *world, Peer *peer)
{
    const char *message;
    gsize len;
    while ((message = varlink_buffer_next(peer->received, &len))) {
        g_auto(VarlinkReply) reply = {0};
        g_assert_true(varlink_reply_parse(message, len, &reply, NULL));
        g_assert_true(!memmem(message, len, PLANTED, strlen(PLANTED)) ||
                      memmem(world->input, world->input_len, "planted", strlen("planted")));
    }
}

static void drain(const World *world, Peer *peer)
{
    char bytes[4096];
    gssize got;
    settle();
    while ((got = recv(peer->fd, bytes, sizeof bytes, 0)) > 0) {
        g_assert_true(varlink_buffer_add(peer->received, bytes, (gsize)got));
        check_answers(world, peer);
        settle();
    }
    peer->closed = got == 0 || errno != EAGAIN;
}

static Peer peer_open(const World *world)
{
    Peer peer = {.fd = unix_pair_connect(&world->name),
                 .received = varlink_buffer_new_for_answers()};
    g_assert_cmpint(peer.fd, >=, 0);
    settle();
    return peer;
}

static void peer_close(Peer *peer)
{
    (void)close(peer->fd); /* its other end is looked after by the service */
    varlink_buffer_free(peer->received);
    settle();
}

/* Sends until the service takes no more: it is closed, or waits for a call. */
static void say(const World *world, Peer *peer, const guint8 *bytes, gsize len)
{
    static const gsize pieces[] = {1, 3, 61, 4096, 65536};
    for (gsize at = 0, turn = 0; at < len && !peer->closed; turn++) {
        gsize piece = MIN(pieces[turn % G_N_ELEMENTS(pieces)], len - at);
        gssize sent = send(peer->fd, bytes + at, piece, MSG_NOSIGNAL);
        gboolean full = sent < 0 && errno == EAGAIN;
        drain(world, peer);
        if (full)
            return;
        at += sent > 0 ? (gsize)sent : 0;
    }
}

static gboolean over_one_connection(const World *world)
{
    Peer peer = peer_open(world);
    say(world, &peer, world->input, world->input_len);
    gboolean lives = !peer.closed;
    peer_close(&peer);
    return lives;
}

static void over_many_connections(const World *world)
{
    Peer peers[CONNECTIONS_MAX];
    gsize n = 0;
    const guint8 *at = world->input, *end = world->input + world->input_len;
    for (const guint8 *nul; n < CONNECTIONS_MAX; at = nul + 1) {
        nul = at < end ? memchr(at, 0, (gsize)(end - at)) : NULL;
        if (!nul)
            break;
        peers[n] = peer_open(world);
        say(world, &peers[n++], at, (gsize)(nul - at) + 1);
    }
    while (n > 0)
        peer_close(&peers[--n]);
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    World world = {.input = bytes, .input_len = len};
    world_open(&world);
    gboolean lives = over_one_connection(&world);
    over_many_connections(&world);
    world_close(&world);
    settle();
    gboolean whole = len > 0 && bytes[len - 1] == '\0';
    return lives && whole ? FUZZ_TAKEN : FUZZ_REFUSED;
}

#include "control.h"

#include "counters.h"
#include "endpoints.h"
#include "record.h"
#include "rules.h"
#include "switches.h"

#include <gio/gio.h>
#include <string.h>

enum { MAX_REQUEST = 4 * 1024 * 1024, FOLLOW_S = 10, WAIT_MS = 10000 };

static gboolean wrong(GError **error, const char *what)
{
    g_set_error_literal(error, SIM_ERROR, 0, what);
    return FALSE;
}

static gboolean do_set(const cJSON *request, cJSON *answer, GError **error)
{
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(request, "values");
    (void)answer; /* nothing to say */
    return cJSON_IsObject(values) ? switches_set(values, error) : wrong(error, "values: an object");
}

static gboolean do_get(const cJSON *request, cJSON *answer, GError **error)
{
    const char *key = json_text(request, "key");
    cJSON *value = key != NULL ? switches_get(key, error) : switches_all();
    if (value == NULL)
        return FALSE;
    cJSON_AddItemToObject(answer, key != NULL ? "value" : "values", value);
    return TRUE;
}

static gboolean do_preset(const cJSON *request, cJSON *answer, GError **error)
{
    const char *name = json_text(request, "name");
    (void)answer; /* nothing to say */
    return name != NULL ? switches_preset(name, error) : wrong(error, "name: a text");
}

static gboolean do_reset(const cJSON *request, cJSON *answer, GError **error)
{
    (void)request; /* nothing to choose, */
    (void)answer;  /* nothing to say, */
    (void)error;   /* nothing to fail */
    rules_release();
    switches_reset();
    counters_reset();
    return TRUE;
}

static gboolean do_counters(const cJSON *request, cJSON *answer, GError **error)
{
    (void)request; /* nothing to choose, */
    (void)error;   /* nothing to fail */
    cJSON_AddItemToObject(answer, "counters", counters_all());
    return TRUE;
}

static gboolean do_wait(const cJSON *request, cJSON *answer, GError **error)
{
    const char *name = json_text(request, "counter");
    gint64 wanted = json_number(request, "at_least", -1);
    if (name == NULL || wanted < 0)
        return wrong(error, "counter: a name; at_least: a number");
    if (!counters_wait(name, wanted, json_number(request, "timeout_ms", WAIT_MS))) {
        g_set_error(error, SIM_ERROR, 0, "time is up: %s is %" G_GINT64_FORMAT, name,
                    counter(name));
        return FALSE;
    }
    cJSON_AddNumberToObject(answer, "value", (double)counter(name));
    return TRUE;
}

static gboolean do_fail(const cJSON *request, cJSON *answer, GError **error)
{
    (void)answer; /* nothing to say */
    return rules_add_http(request, error);
}

static gboolean do_smtp(const cJSON *request, cJSON *answer, GError **error)
{
    (void)answer; /* nothing to say */
    return rules_add_smtp(request, error);
}

static gboolean do_clear(const cJSON *request, cJSON *answer, GError **error)
{
    (void)request; /* nothing to choose, */
    (void)answer;  /* nothing to say, */
    (void)error;   /* nothing to fail */
    rules_release();
    return TRUE;
}

static gboolean do_rules(const cJSON *request, cJSON *answer, GError **error)
{
    (void)request; /* nothing to choose, */
    (void)error;   /* nothing to fail */
    cJSON_AddItemToObject(answer, "rules", rules_list());
    return TRUE;
}

static gboolean do_tokens(const cJSON *request, cJSON *answer, GError **error)
{
    (void)request; /* nothing to choose, */
    (void)error;   /* nothing to fail */
    cJSON_AddItemToObject(answer, "tokens", tokens_list());
    return TRUE;
}

static gboolean do_expire_access(const cJSON *request, cJSON *answer, GError **error)
{
    (void)request; /* nothing to choose, */
    (void)answer;  /* nothing to say, */
    (void)error;   /* nothing to fail */
    tokens_expire_access();
    return TRUE;
}

static gboolean do_revoke_refresh(const cJSON *request, cJSON *answer, GError **error)
{
    (void)request; /* nothing to choose, */
    (void)answer;  /* nothing to say, */
    (void)error;   /* nothing to fail */
    tokens_end_refresh();
    return TRUE;
}

static gboolean do_user_codes(const cJSON *request, cJSON *answer, GError **error)
{
    (void)request; /* nothing to choose, */
    (void)error;   /* nothing to fail */
    cJSON_AddItemToObject(answer, "user_codes", codes_waiting());
    return TRUE;
}

static gboolean do_service_account(const cJSON *request, cJSON *answer, GError **error)
{
    const char *email = json_text(request, "email");
    const char *users = json_text(request, "users");
    const char *scopes = json_text(request, "scopes");
    g_autofree char *person = switch_text(SWITCH_IDENTITY_EMAIL);
    if (email == NULL)
        return wrong(error, "email: a text");
    cJSON_AddItemToObject(answer, "key",
                          assertions_add(email, users != NULL ? users : person,
                                         scopes != NULL ? scopes : "https://mail.google.com/"));
    return TRUE;
}

/* What stays of scope when the person unticks some boxes; owned. */
static char *ticked_scope(const cJSON *request, const char *scope)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    const cJSON *word = NULL;
    cJSON_ArrayForEach (word, cJSON_GetObjectItemCaseSensitive(request, "untick"))
        if (cJSON_IsString(word))
            g_strv_builder_add(builder, word->valuestring);
    g_auto(GStrv) unticked = g_strv_builder_end(builder);
    return scope_without(scope, (const char *const *)unticked);
}

static gboolean decide_device(const cJSON *request, gboolean allow, GError **error)
{
    const char *user_code = json_text(request, "user_code");
    g_autoptr(Consent) asked = user_code != NULL ? codes_waiting_device(user_code) : NULL;
    if (asked == NULL)
        return wrong(error, "no device waits with this user_code");
    g_autofree char *scope = ticked_scope(request, asked->scope);
    Decision decision = {allow, json_text(request, "as"), scope};
    return device_decide(user_code, &decision) || wrong(error, "decided already");
}

static gboolean do_approve(const cJSON *request, cJSON *answer, GError **error)
{
    (void)answer; /* nothing to say */
    return decide_device(request, TRUE, error);
}

static gboolean do_deny(const cJSON *request, cJSON *answer, GError **error)
{
    (void)answer; /* nothing to say */
    return decide_device(request, FALSE, error);
}

/* What the browser would do with the redirect. Returns the HTTP status, 0 with error. */
static gint64 follow(const char *redirect, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(redirect, G_URI_FLAGS_ENCODED, error);
    if (uri == NULL)
        return 0;
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_timeout(client, FOLLOW_S);
    g_socket_client_set_enable_proxy(client, FALSE);
    int port = g_uri_get_port(uri) > 0 ? g_uri_get_port(uri) : 80;
    const char *host = g_uri_get_host(uri);
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_to_host(client, host, (guint16)port, NULL, error);
    if (connection == NULL)
        return 0;
    gboolean is_ip6 = strchr(host, ':') != NULL;
    const char *path = g_uri_get_path(uri);
    g_autofree char *get =
        g_strdup_printf("GET %s?%s HTTP/1.1\r\nHost: %s%s%s:%d\r\nUser-Agent: small-google\r\n"
                        "Connection: close\r\n\r\n",
                        *path != '\0' ? path : "/", g_uri_get_query(uri), is_ip6 ? "[" : "", host,
                        is_ip6 ? "]" : "", port);
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_autoptr(GDataInputStream) in =
        g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
    if (!g_output_stream_write_all(out, get, strlen(get), NULL, NULL, error))
        return 0;
    g_autofree char *line = g_data_input_stream_read_line(in, NULL, NULL, error);
    if (line == NULL || !g_str_has_prefix(line, "HTTP/1.") || strlen(line) < 12) {
        g_prefix_error(error, "no HTTP answer to the redirect: ");
        if (error != NULL && *error == NULL)
            (void)wrong(error, "no HTTP answer to the redirect"); /* always FALSE */
        return 0;
    }
    return (gint64)g_ascii_strtoull(line + 9, NULL, 10);
}

static gboolean do_press(const cJSON *request, cJSON *answer, GError **error)
{
    const char *url = json_text(request, "url");
    const char *query_text = url != NULL ? strchr(url, '?') : NULL;
    g_autofree char *page = g_strconcat(endpoints_issuer(), "/o/oauth2/v2/auth?", NULL);
    if (query_text == NULL || !g_str_has_prefix(url, page))
        return wrong(error, "url: not an address of the consent page");
    g_autoptr(Form) query = form_parse(query_text + 1);
    const char *asked = form_get(query, "scope");
    g_autofree char *scope = ticked_scope(request, asked != NULL ? asked : "");
    Decision decision = {!json_is_on(request, "deny"), json_text(request, "as"), scope};
    g_autofree char *redirect = authorization_decide(query, &decision, error);
    if (redirect == NULL)
        return FALSE;
    cJSON_AddStringToObject(answer, "redirect", redirect);
    if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(request, "follow")))
        return TRUE;
    gint64 status = follow(redirect, error);
    cJSON_AddNumberToObject(answer, "status", (double)status);
    return status != 0;
}

static const struct {
    const char *name;
    const char *members[6]; /* besides "do" */
    gboolean (*run)(const cJSON *request, cJSON *answer, GError **error);
} verbs[] = {
    {"set", {"values"}, do_set},
    {"get", {"key"}, do_get},
    {"preset", {"name"}, do_preset},
    {"reset", {NULL}, do_reset},
    {"counters", {NULL}, do_counters},
    {"wait", {"counter", "at_least", "timeout_ms"}, do_wait},
    {"fail", {"*"}, do_fail},
    {"smtp", {"*"}, do_smtp},
    {"clear", {NULL}, do_clear},
    {"rules", {NULL}, do_rules},
    {"tokens", {NULL}, do_tokens},
    {"expire-access", {NULL}, do_expire_access},
    {"revoke-refresh", {NULL}, do_revoke_refresh},
    {"service-account", {"email", "users", "scopes"}, do_service_account},
    {"user-codes", {NULL}, do_user_codes},
    {"approve", {"user_code", "as", "untick"}, do_approve},
    {"deny", {"user_code"}, do_deny},
    {"press", {"url", "deny", "untick", "as", "follow"}, do_press},
};

static gboolean members_are_known(const cJSON *request, const char *const *members, GError **error)
{
    const char *known[8] = {"do"};
    if (g_strcmp0(members[0], "*") == 0)
        return TRUE;
    for (gsize i = 0; members[i] != NULL; i++)
        known[i + 1] = members[i];
    return json_only_has(request, known, error);
}

static gboolean run(const cJSON *request, cJSON *answer, GError **error)
{
    const char *name = json_text(request, "do");
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (g_strcmp0(verbs[i].name, name) == 0)
            return members_are_known(request, verbs[i].members, error) &&
                   verbs[i].run(request, answer, error);
    g_set_error(error, SIM_ERROR, 0, "do: \"%s\" is not known", name != NULL ? name : "");
    return FALSE;
}

static void answer_line(Channel *channel, const char *line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(cJSON) answer = cJSON_CreateObject();
    g_autoptr(cJSON) request = json_parse_object(line, &error);
    gboolean good = request != NULL && run(request, answer, &error);
    cJSON_AddBoolToObject(answer, "ok", good);
    if (!good)
        cJSON_AddStringToObject(answer, "error", error->message);
    record("control %.*s: %s", 500, line, good ? "ok" : error->message);
    g_autofree char *text = json_line(answer);
    channel_write(channel, text, strlen(text));
    channel_write(channel, "\n", 1);
}

void control_serve(Channel *channel)
{
    g_autoptr(GString) line = g_string_new(NULL);
    while (channel_read_line(channel, line, MAX_REQUEST)) {
        line->str[strcspn(line->str, "\r\n")] = '\0';
        answer_line(channel, line->str);
        if (!channel_flush(channel))
            return;
    }
}

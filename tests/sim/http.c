#include "http.h"

#include "ca.h"
#include "counters.h"
#include "endpoints.h"
#include "record.h"
#include "rules.h"
#include "switches.h"

#include <string.h>

enum { MAX_LINE = 64 * 1024, MAX_HEADERS = 100, MAX_BODY = 1024 * 1024, SLOW_MS = 100 };

static void request_free(Request *request)
{
    g_free(request->method);
    g_free(request->path);
    g_clear_pointer(&request->headers, g_hash_table_unref);
    g_clear_pointer(&request->query, form_free);
    g_clear_pointer(&request->body, form_free);
    g_free(request);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

const char *request_header(const Request *request, const char *lower_case_name)
{
    return g_hash_table_lookup(request->headers, lower_case_name);
}

Reply *reply_new(void)
{
    Reply *reply = g_new0(Reply, 1);
    reply->headers = g_string_new(NULL);
    reply->body = g_string_new(NULL);
    return reply;
}

void reply_free(Reply *reply)
{
    g_string_free(reply->headers, TRUE);
    g_string_free(reply->body, TRUE);
    g_free(reply);
}

void reply_header(Reply *reply, const char *name, const char *value)
{
    g_string_append_printf(reply->headers, "%s: %s\r\n", name, value);
}

static void reply_text(Reply *reply, guint status, const char *type, const char *text)
{
    reply->status = status;
    reply_header(reply, "Content-Type", type);
    reply_header(reply, "Cache-Control", "no-store");
    g_string_assign(reply->body, text);
}

void reply_json(Reply *reply, guint status, cJSON *value)
{
    char *text = cJSON_Print(value);
    reply_text(reply, status, "application/json; charset=utf-8", text);
    cJSON_free(text);
    cJSON_Delete(value);
}

void reply_error(Reply *reply, guint status, const char *error, const char *description)
{
    cJSON *value = cJSON_CreateObject();
    cJSON_AddStringToObject(value, "error", error);
    if (description != NULL)
        cJSON_AddStringToObject(value, "error_description", description);
    if (status == 401)
        reply_header(reply, "WWW-Authenticate", "Basic realm=\"small-google\"");
    reply_json(reply, status, value);
}

void reply_html(Reply *reply, guint status, const char *html)
{
    reply_text(reply, status, "text/html; charset=utf-8", html);
}

void reply_redirect(Reply *reply, const char *location)
{
    reply->status = 302;
    reply_header(reply, "Location", location);
}

static const char *reason_phrase(guint status)
{
    static const struct {
        guint status;
        const char *phrase;
    } phrases[] = {{200, "OK"},
                   {302, "Found"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {411, "Length Required"},
                   {413, "Content Too Large"},
                   {428, "Precondition Required"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};
    for (gsize i = 0; i < G_N_ELEMENTS(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Whatever";
}

/* Trims CR LF; FALSE where a line is too long or holds a NUL. */
static gboolean read_line(Channel *channel, GString *line)
{
    if (!channel_read_line(channel, line, MAX_LINE) || line->str[line->len - 1] != '\n' ||
        strlen(line->str) != line->len)
        return FALSE;
    line->str[strcspn(line->str, "\r\n")] = '\0';
    return TRUE;
}

static gboolean read_headers(Channel *channel, Request *request, GString *line)
{
    for (int i = 0; i < MAX_HEADERS; i++) {
        if (!read_line(channel, line))
            return FALSE;
        if (*line->str == '\0')
            return TRUE;
        char *colon = strchr(line->str, ':');
        if (colon == NULL)
            return FALSE;
        *colon = '\0';
        g_hash_table_insert(request->headers, g_ascii_strdown(line->str, -1),
                            g_strdup(g_strstrip(colon + 1)));
    }
    return FALSE;
}

static gboolean read_body(Channel *channel, Request *request)
{
    guint64 len = 0;
    const char *announced = request_header(request, "content-length");
    if (request_header(request, "transfer-encoding") != NULL ||
        (announced != NULL && !g_ascii_string_to_unsigned(announced, 10, 0, MAX_BODY, &len, NULL)))
        return FALSE;
    if (len > 0 && g_strcmp0(request_header(request, "expect"), "100-continue") == 0)
        channel_write(channel, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    g_autoptr(GString) body = g_string_new(NULL);
    if (!channel_read_exact(channel, len, body))
        return FALSE;
    const char *type = request_header(request, "content-type");
    gboolean is_form = type != NULL && g_str_has_prefix(type, "application/x-www-form-urlencoded");
    request->body = form_parse(is_form ? body->str : NULL);
    return TRUE;
}

/* The next request, or NULL at the end of the connection or of its sense. */
static Request *request_read(Channel *channel)
{
    g_autoptr(Request) request = g_new0(Request, 1);
    g_autoptr(GString) line = g_string_new(NULL);
    request->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!read_line(channel, line))
        return NULL;
    g_auto(GStrv) parts = g_strsplit(line->str, " ", 4);
    if (g_strv_length(parts) != 3 || !g_str_has_prefix(parts[2], "HTTP/1."))
        return NULL;
    request->method = g_strdup(parts[0]);
    char *question = strchr(parts[1], '?');
    request->query = form_parse(question != NULL ? question + 1 : NULL);
    request->path = g_strndup(parts[1], strcspn(parts[1], "?"));
    if (!read_headers(channel, request, line) || !read_body(channel, request))
        return NULL;
    const char *connection = request_header(request, "connection");
    request->keep_alive = g_str_equal(parts[2], "HTTP/1.1") &&
                          (connection == NULL || g_ascii_strcasecmp(connection, "close") != 0);
    return g_steal_pointer(&request);
}

/* Owned. */
/* As RFC 9110 section 6.6.1 wants it, unless a rule has set its own. Returns owned. */
static char *date_header(const Reply *reply)
{
    if (strstr(reply->headers->str, "Date:") != NULL)
        return g_strdup("");
    gint64 now = g_get_real_time() / G_USEC_PER_SEC + switch_number(SWITCH_HTTP_CLOCK_OFFSET, 0);
    time_t at = (time_t)now;
    struct tm utc;
    char text[64];
    /* In the C locale, which is ours: the names of the days are English. */
    (void)strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &utc));
    return g_strdup_printf("Date: %s\r\n", text);
}

static GString *reply_bytes(const Request *request, const Reply *reply)
{
    GString *bytes = g_string_new(NULL);
    g_autofree char *date = date_header(reply);
    g_string_printf(bytes, "HTTP/1.1 %u %s\r\n%sContent-Length: %zu\r\nConnection: %s\r\n%s\r\n",
                    reply->status, reason_phrase(reply->status), date, reply->body->len,
                    request->keep_alive ? "keep-alive" : "close", reply->headers->str);
    if (!g_str_equal(request->method, "HEAD"))
        g_string_append_len(bytes, reply->body->str, (gssize)reply->body->len);
    return bytes;
}

/* Puts what the rule says in the place of the reply. */
static void replace_reply(Reply *reply, const cJSON *settings)
{
    static const char page[] = "<!DOCTYPE html><title>Error</title><h1>Sorry</h1>"
                               "<p>We are having trouble. Please try again later.</p>";
    const char *mode = json_text(settings, "mode");
    const char *body = json_text(settings, "body");
    guint status = (guint)json_number(settings, "status", g_str_equal(mode, "status") ? 503 : 200);
    if (g_str_equal(mode, "slow") && body == NULL)
        return;
    g_string_truncate(reply->headers, 0);
    if (g_str_equal(mode, "html"))
        reply_html(reply, status, body != NULL ? body : page);
    else
        reply_text(reply, status, "application/json; charset=utf-8", body != NULL ? body : "");
    if (g_str_equal(mode, "garbage")) {
        g_string_truncate(reply->body, 0);
        for (int i = 0; i < 256; i++)
            g_string_append_c(reply->body, (char)g_random_int_range(0, 256));
    }
    const cJSON *header = NULL;
    cJSON_ArrayForEach (header, cJSON_GetObjectItemCaseSensitive(settings, "headers"))
        if (cJSON_IsString(header))
            reply_header(reply, header->string, header->valuestring);
}

/* FALSE when the connection is to be closed at once. */
static gboolean send_reply(Channel *channel, const Request *request, const Reply *reply,
                           const cJSON *settings)
{
    const char *mode = settings != NULL ? json_text(settings, "mode") : "";
    GString *bytes = reply_bytes(request, reply);
    gboolean good = TRUE;
    if (g_str_equal(mode, "slow")) {
        gint64 delay_ms = json_number(settings, "delay_ms", SLOW_MS);
        good = channel_write_slowly(channel, bytes->str, bytes->len, delay_ms);
    } else if (g_str_equal(mode, "cut")) {
        channel_write(channel, bytes->str, bytes->len - reply->body->len / 2 - 1);
        (void)channel_flush(channel); /* closed next, whatever it says */
        good = FALSE;
    } else {
        channel_write(channel, bytes->str, bytes->len);
        good = channel_flush(channel);
    }
    g_string_free(bytes, TRUE);
    return good;
}

/* Lets a rule wait as it says. FALSE when the connection ends here. */
static gboolean obey_waits(Channel *channel, const Rule *rule)
{
    const char *mode = json_text(rule->settings, "mode");
    gint64 delay_ms = json_number(rule->settings, "delay_ms", 0);
    if (g_str_equal(mode, "drop"))
        return FALSE;
    if (g_str_equal(mode, "hang")) {
        (void)channel_wait(channel, -1, rule->gate_fd); /* nothing is said, however it ends */
        return FALSE;
    }
    if (g_str_equal(mode, "hold")) {
        count_by("http.held", 1);
        return channel_wait(channel, -1, rule->gate_fd) != WAIT_GONE;
    }
    if (delay_ms > 0 && !g_str_equal(mode, "slow"))
        return channel_wait(channel, delay_ms, rule->gate_fd) != WAIT_GONE;
    return TRUE;
}

/* The answer as a rule wants it. Whether the endpoint does its work for it: yes where its own
 * answer is sent in some odd manner, and where the rule says "processed". */
static gboolean answer_by_rule(Channel *channel, const Request *request, const Endpoint *endpoint,
                               const Rule *rule)
{
    static const char *const own_answer[] = {"slow", "hold", "cut", NULL};
    const char *mode = json_text(rule->settings, "mode");
    gboolean keeps_answer = g_strv_contains(own_answer, mode);
    gboolean works = keeps_answer || json_is_on(rule->settings, "processed");
    gboolean waits_first = !json_is_on(rule->settings, "processed");
    g_autoptr(Reply) reply = reply_new();
    count_by("http.failed", 1);
    if (waits_first && !obey_waits(channel, rule))
        return FALSE;
    if (works)
        endpoint->answer(request, reply);
    if (!waits_first && !obey_waits(channel, rule))
        return FALSE;
    if (!keeps_answer || g_str_equal(mode, "slow"))
        replace_reply(reply, rule->settings);
    record("http %s %s: %u by a rule (%s)", request->method, request->path, reply->status, mode);
    return send_reply(channel, request, reply, rule->settings) && request->keep_alive;
}

/* FALSE when the connection ends here. */
static gboolean answer(Channel *channel, const Request *request)
{
    const Endpoint *endpoint = endpoint_find(request->path);
    g_autofree char *names = form_names(request->body);
    const char *grant_type = form_get(request->body, "grant_type");
    count("http", endpoint->name);
    g_autoptr(Rule) rule = rules_take_http(endpoint->name, grant_type);
    if (rule != NULL)
        return answer_by_rule(channel, request, endpoint, rule);
    g_autoptr(Reply) reply = reply_new();
    endpoint->answer(request, reply);
    record("http %s %s [%s] %s: %u", request->method, request->path, names,
           grant_type != NULL ? grant_type : "", reply->status);
    return send_reply(channel, request, reply, NULL) && request->keep_alive;
}

static void serve(Channel *channel)
{
    g_autofree char *certificate = switch_text(SWITCH_TLS_HTTPS);
    count_by("http.connections", 1);
    g_autoptr(Rule) rule = rules_take_http("connection", NULL);
    if (rule != NULL && !obey_waits(channel, rule))
        return;
    if (!channel_start_tls(channel, ca_credentials(certificate))) {
        count_by("http.tls_failed", 1);
        return;
    }
    gboolean goes_on = TRUE;
    while (goes_on) {
        g_autoptr(Request) request = request_read(channel);
        goes_on = request != NULL && answer(channel, request);
        if (request != NULL && !request->keep_alive)
            channel_finish(channel);
    }
}

void http_serve(Channel *channel)
{
    gauge_add(GAUGE_HTTP, 1);
    serve(channel);
    gauge_add(GAUGE_HTTP, -1);
}

#include "http.h"

#include "errors.h"
#include "fileio.h"
#include "http_failure.h"
#include "timer.h"

#include <glib-unix.h>
#include <string.h>

/* All header lines of an answer together. */
#define HEADERS_MAX ((gsize)64 * 1024)
/* Nobody is told to come back later than this. */
#define RETRY_AFTER_MAX_S ((gint64)30 * 24 * 3600)
#define CA_FILE_MAX ((gsize)16 * 1024 * 1024)
#define BODY_ROOM_MIN ((gsize)4096)

struct HttpClient {
    CURLM *multi;
    guint timer;
    GHashTable *watches; /* descriptor -> source id */
    GQueue calls;        /* of HttpCall, not yet done */
    gboolean clock_known;
    gint64 clock_ahead_s; /* of ours, beside that of the last server that told its own */
};

struct HttpCall {
    HttpClient *client;
    GList *place; /* in client->calls; NULL once done runs */
    HttpDone done;
    gpointer data;
    Timer *deadline;
    guint idle; /* source that will deliver the outcome */

    CURL *easy; /* in the multi handle until the outcome is known */
    struct curl_slist *headers;
    Secret *form;
    char *host; /* for the texts of errors */
    char words[CURL_ERROR_SIZE];
    GError *error;

    guint status;
    char *body; /* grown by hand: a realloc() would leave copies */
    gsize body_len, body_room;
    gsize headers_len;
    gint64 retry_after_s, retry_at, date;
};

/* ---- the end of a call ---- */

/* Takes the request from the line; everything that was sent or received stays until call_free(). */
static void call_stop(HttpCall *call)
{
    timer_cancel(call->deadline);
    call->deadline = NULL;
    if (!call->easy)
        return;
    /* Fails only for a handle that is not in there; then there is nothing to take out. */
    (void)curl_multi_remove_handle(call->client->multi, call->easy);
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
}

static void call_free(HttpCall *call)
{
    call_stop(call);
    if (call->idle)
        g_source_remove(call->idle);
    if (call->place)
        g_queue_delete_link(&call->client->calls, call->place);
    for (struct curl_slist *header = call->headers; header; header = header->next)
        explicit_bzero(header->data, strlen(header->data));
    curl_slist_free_all(call->headers);
    secret_free(call->form);
    secret_wipe_bytes(call->body, call->body_room);
    g_clear_error(&call->error);
    g_free(call->host);
    g_free(call);
}

/* Runs with nothing of curl on the stack: done may start, cancel or free whatever it likes. */
static gboolean deliver(gpointer data)
{
    HttpCall *call = data;
    call->idle = 0;
    g_queue_delete_link(&call->client->calls, call->place);
    call->place = NULL;
    call->client = NULL;
    if (call->error) {
        call->done(NULL, call->error, call->data);
        call_free(call);
        return G_SOURCE_REMOVE;
    }
    HttpReply reply = {
        .status = call->status,
        .body = call->body,
        .len = call->body_len,
        .retry_after_s = call->retry_after_s,
        .date = call->date,
    };
    call->done(&reply, NULL, call->data);
    call_free(call);
    return G_SOURCE_REMOVE;
}

static void finish(HttpCall *call)
{
    call_stop(call);
    call->idle = g_idle_add_full(G_PRIORITY_DEFAULT, deliver, call, NULL);
}

static void on_deadline(gpointer data)
{
    HttpCall *call = data;
    call->deadline = NULL;
    http_failure_set(&call->error, CURLE_OPERATION_TIMEDOUT, call->host, "timed out", 0);
    finish(call);
}

/* A date as Retry-After is meant by the server's clock; ours only where it sends none. */
static void settle_retry_after(HttpCall *call)
{
    if (call->retry_at >= 0) {
        gint64 now = call->date >= 0 ? call->date : g_get_real_time() / G_USEC_PER_SEC;
        call->retry_after_s = MAX(call->retry_at - now, 0);
    }
    call->retry_after_s = MIN(call->retry_after_s, RETRY_AFTER_MAX_S);
}

static void on_transfer_end(HttpCall *call, CURLcode code)
{
    long status = 0, verify_result = 0;
    /* What cannot be learned stays 0. */
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &verify_result);
    if (code == CURLE_OK) {
        call->status = (guint)status;
        settle_retry_after(call);
    } else {
        http_failure_set(&call->error, code, call->host, call->words, (guint)verify_result);
    }
    finish(call);
}

/* ---- curl on the main loop ---- */

static void collect_ended(HttpClient *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        char *call = NULL;
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call) != CURLE_OK)
            g_error("curl lost a request");
        on_transfer_end((HttpCall *)(gpointer)call, code);
    }
}

static void advance(HttpClient *client, curl_socket_t fd, int events)
{
    int running;
    CURLMcode code = curl_multi_socket_action(client->multi, fd, events, &running);
    if (code != CURLM_OK)
        g_warning("curl: %s", curl_multi_strerror(code)); /* each call ends by its deadline */
    collect_ended(client);
}

static gboolean on_socket(gint fd, GIOCondition condition, gpointer data)
{
    int events = 0;
    if (condition & G_IO_IN)
        events |= CURL_CSELECT_IN;
    if (condition & G_IO_OUT)
        events |= CURL_CSELECT_OUT;
    if (condition & (G_IO_ERR | G_IO_HUP))
        events |= CURL_CSELECT_ERR;
    advance(data, fd, events);
    return G_SOURCE_CONTINUE; /* where curl dropped the socket, the source is destroyed already */
}

static void unwatch(gpointer source)
{
    g_source_remove(GPOINTER_TO_UINT(source));
}

static int watch_socket(G_GNUC_UNUSED CURL *easy, curl_socket_t fd, int what, void *data,
                        G_GNUC_UNUSED void *socket_data)
{
    HttpClient *client = data;
    GIOCondition condition = G_IO_ERR | G_IO_HUP;
    if (what == CURL_POLL_REMOVE) {
        g_hash_table_remove(client->watches, GINT_TO_POINTER(fd));
        return 0;
    }
    if (what & CURL_POLL_IN)
        condition |= G_IO_IN;
    if (what & CURL_POLL_OUT)
        condition |= G_IO_OUT;
    guint source = g_unix_fd_add(fd, condition, on_socket, client);
    g_hash_table_replace(client->watches, GINT_TO_POINTER(fd), GUINT_TO_POINTER(source));
    return 0;
}

static gboolean on_curl_timer(gpointer data)
{
    HttpClient *client = data;
    client->timer = 0;
    advance(client, CURL_SOCKET_TIMEOUT, 0);
    return G_SOURCE_REMOVE;
}

static int set_curl_timer(G_GNUC_UNUSED CURLM *multi, long timeout_ms, void *data)
{
    HttpClient *client = data;
    if (client->timer)
        g_source_remove(client->timer);
    client->timer =
        timeout_ms < 0 ? 0 : g_timeout_add((guint)MIN(timeout_ms, G_MAXINT), on_curl_timer, client);
    return 0;
}

/* ---- what arrives ---- */

static size_t on_body(char *bytes, size_t one, size_t count, void *data)
{
    HttpCall *call = data;
    gsize len = one * count;
    if (len > HTTP_BODY_MAX - call->body_len)
        return 0; /* ends the transfer */
    if (call->body_len + len + 1 > call->body_room) {
        gsize room = call->body_room;
        while (room < call->body_len + len + 1)
            room *= 2;
        char *larger = g_malloc(room);
        memcpy(larger, call->body, call->body_len);
        secret_wipe_bytes(call->body, call->body_room);
        call->body = larger;
        call->body_room = room;
    }
    memcpy(call->body + call->body_len, bytes, len);
    call->body_len += len;
    call->body[call->body_len] = '\0';
    return len;
}

/* Seconds, or a date. */
static void read_retry_after(HttpCall *call, const char *value)
{
    guint64 seconds;
    if (g_ascii_string_to_unsigned(value, 10, 0, (guint64)RETRY_AFTER_MAX_S, &seconds, NULL))
        call->retry_after_s = (gint64)seconds;
    else if (value[0] && strspn(value, "0123456789") == strlen(value))
        call->retry_after_s = RETRY_AFTER_MAX_S;
    else
        call->retry_at = curl_getdate(value, NULL);
}

/* Our clock is compared at once: a body may be long in coming. */
static void read_date(HttpCall *call, const char *value)
{
    call->date = curl_getdate(value, NULL);
    if (call->date < 0)
        return;
    call->client->clock_known = TRUE;
    call->client->clock_ahead_s = g_get_real_time() / G_USEC_PER_SEC - call->date;
}

static size_t on_header(char *bytes, size_t one, size_t count, void *data)
{
    HttpCall *call = data;
    gsize len = one * count;
    if (len > HEADERS_MAX - call->headers_len)
        return 0; /* ends the transfer */
    call->headers_len += len;
    g_autofree char *line = g_strndup(bytes, len);
    char *colon = strchr(line, ':');
    if (g_str_has_prefix(line, "HTTP/")) /* a 1xx came first: what it said is void */
        call->retry_after_s = call->retry_at = call->date = -1;
    if (!colon)
        return len;
    *colon = '\0';
    const char *value = g_strstrip(colon + 1);
    if (g_ascii_strcasecmp(line, "Retry-After") == 0)
        read_retry_after(call, value);
    else if (g_ascii_strcasecmp(line, "Date") == 0)
        read_date(call, value);
    return len;
}

/* ---- the start of a call ---- */

#define SET(option, value) ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK

static gboolean set_rules(CURL *easy)
{
    gboolean ok = TRUE;
    SET(CURLOPT_NOSIGNAL, 1L);
    /* Without it, giving up a call waits for the resolver's thread. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    /* A connection that slept through a suspend is dead without telling; and a session that another
     * CA file vouched for must not be taken up again. One request an hour can shake hands each
     * time. */
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
    SET(CURLOPT_USERAGENT, "postkey/" POSTKEY_VERSION);
    return ok;
}

static gboolean set_request(HttpCall *call, const HttpRequest *request)
{
    CURL *easy = call->easy;
    gboolean ok = set_rules(easy);
    SET(CURLOPT_URL, request->url);
    if (request->ca_file) {
        SET(CURLOPT_CAINFO, request->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* else the system's authorities would be trusted beside it */
    }
    if (call->form) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, secret_reveal(call->form));
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)secret_len(call->form));
    }
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_ERRORBUFFER, call->words);
    SET(CURLOPT_PRIVATE, call);
    return ok;
}

static void add_header(HttpCall *call, const char *line)
{
    struct curl_slist *longer = curl_slist_append(call->headers, line);
    if (!longer)
        g_error("out of memory for a header");
    call->headers = longer;
}

static void add_headers(HttpCall *call, const HttpRequest *request)
{
    add_header(call, "Accept: application/json");
    add_header(call, "Expect:");
    if (!request->authorization)
        return;
    char *line = g_strconcat("Authorization: ", secret_reveal(request->authorization), NULL);
    add_header(call, line);
    secret_wipe_string(line);
}

/* curl takes a file without any certificate for an empty list of authorities, and says something
 * misleading. */
static gboolean check_ca_file(HttpCall *call, const char *path)
{
    gsize len;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = fileio_read(path, CA_FILE_MAX, &len, NULL, &error);
    if (text && strstr(text, "-----BEGIN CERTIFICATE-----"))
        return TRUE;
    error_set(&call->error, POSTKEY_ERROR_CONFIGURATION, "no certificate can be checked",
              "mend ca_file= of the provider: it names a PEM file", "cannot use the CA file %s: %s",
              path, text ? "there is no certificate in it" : error->message);
    return FALSE;
}

/* Whether the request can be tried at all; learns the host. */
static gboolean check_request(HttpCall *call, const HttpRequest *request)
{
    g_autoptr(GUri) uri = g_uri_parse(request->url, G_URI_FLAGS_NONE, NULL);
    if (!uri || g_strcmp0(g_uri_get_scheme(uri), "https") != 0 || !g_uri_get_host(uri) ||
        !*g_uri_get_host(uri) || g_uri_get_userinfo(uri)) {
        error_set(&call->error, POSTKEY_ERROR_CONFIGURATION,
                  "credentials are sent over https only, and never inside of a URL",
                  "mend the endpoint in the configuration", "%s is no https URL", request->url);
        return FALSE;
    }
    call->host = g_strdup(g_uri_get_host(uri));
    return !request->ca_file || check_ca_file(call, request->ca_file);
}

static gboolean call_begin(HttpCall *call, const HttpRequest *request)
{
    if (!check_request(call, request))
        return FALSE;
    add_headers(call, request);
    call->easy = curl_easy_init();
    if (call->easy && set_request(call, request) &&
        curl_multi_add_handle(call->client->multi, call->easy) == CURLM_OK)
        return TRUE;
    error_set(&call->error, POSTKEY_ERROR_CONFIGURATION, "libcurl does not take this request",
              "mend the endpoint in the configuration", "cannot ask %s", request->url);
    return FALSE;
}

HttpCall *http_start(HttpClient *client, const HttpRequest *request, HttpDone done, gpointer data)
{
    HttpCall *call = g_new0(HttpCall, 1);
    call->client = client;
    call->done = done;
    call->data = data;
    call->retry_after_s = call->retry_at = call->date = -1;
    call->form = secret_dup(request->form);
    call->body_room = BODY_ROOM_MIN;
    call->body = g_malloc0(call->body_room);
    g_queue_push_tail(&client->calls, call);
    call->place = client->calls.tail;
    gint64 timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : HTTP_TIMEOUT_MS;
    if (call_begin(call, request))
        call->deadline = timer_start_in(timeout_ms * 1000, on_deadline, call);
    else
        finish(call);
    return call;
}

void http_cancel(HttpCall *call)
{
    if (call->place) /* else its callback is running, and frees it */
        call_free(call);
}

/* ---- the client ---- */

HttpClient *http_client_new(void)
{
    static gsize ready;
    if (g_once_init_enter(&ready)) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            g_error("libcurl does not start");
        g_once_init_leave(&ready, 1);
    }
    HttpClient *client = g_new0(HttpClient, 1);
    client->watches = g_hash_table_new_full(NULL, NULL, NULL, unwatch);
    client->multi = curl_multi_init();
    if (!client->multi ||
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_curl_timer) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client) != CURLM_OK)
        g_error("libcurl does not start");
    return client;
}

gboolean http_client_clock(const HttpClient *client, gint64 *ahead_s)
{
    if (client->clock_known)
        *ahead_s = client->clock_ahead_s;
    return client->clock_known;
}

void http_client_free(HttpClient *client)
{
    if (!client)
        return;
    while (client->calls.head)
        call_free(client->calls.head->data);
    curl_multi_cleanup(client->multi);
    if (client->timer)
        g_source_remove(client->timer);
    g_hash_table_unref(client->watches);
    g_free(client);
}

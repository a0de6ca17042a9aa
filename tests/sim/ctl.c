#include "ctl.h"

#include "json.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <string.h>

/* How the words of a verb become members of its request. */
typedef struct {
    const char *name;
    const char *positional[3]; /* members given by place */
    const char *show;          /* the member of the answer to print; NULL: nothing */
    const char *usage;
} Verb;

static const Verb verbs[] = {
    {"set", {NULL}, NULL, "KEY=VALUE…"},
    {"get", {"key"}, "value", "[KEY]"},
    {"preset", {"name"}, NULL, "standard|google"},
    {"reset", {NULL}, NULL, ""},
    {"counters", {NULL}, "counters", ""},
    {"wait", {"counter", "at_least"}, "value", "COUNTER N [timeout_ms=N]"},
    {"fail",
     {"endpoint", "mode"},
     NULL,
     "ENDPOINT MODE [status=N] [body=TEXT] [header=NAME:VALUE] [delay_ms=N] [times=N] "
     "[grant_type=TYPE] [processed=true]"},
    {"smtp",
     {"command", "action"},
     NULL,
     "COMMAND ACTION [reply=TEXT] [match=TEXT] [delay_ms=N] [times=N]"},
    {"clear", {NULL}, NULL, ""},
    {"rules", {NULL}, "rules", ""},
    {"tokens", {NULL}, "tokens", ""},
    {"expire-access", {NULL}, NULL, ""},
    {"revoke-refresh", {NULL}, NULL, ""},
    {"service-account", {"email"}, "key", "EMAIL [users=ADDRESSES] [scopes=SCOPES]"},
    {"user-codes", {NULL}, "user_codes", ""},
    {"approve", {"user_code"}, NULL, "USER_CODE [--as ADDRESS] [--untick SCOPE]"},
    {"deny", {"user_code"}, NULL, "USER_CODE"},
    {"press", {"url"}, "redirect", "URL [deny] [--no-follow] [--as ADDRESS] [--untick SCOPE]"},
    {"json", {NULL}, "", "REQUEST"},
};

static int usage(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        g_printerr("small-google ctl DIR %s %s\n", verbs[i].name, verbs[i].usage);
    return 2;
}

static void add_value(cJSON *request, const char *key, const char *text)
{
    static const char *const numbers[] = {"at_least", "timeout_ms", "status",
                                          "delay_ms", "times",      NULL};
    gint64 number = 0;
    if (g_strv_contains(numbers, key) &&
        g_ascii_string_to_signed(text, 10, 0, G_MAXINT32, &number, NULL)) {
        cJSON_AddNumberToObject(request, key, (double)number);
    } else if (g_str_equal(key, "processed")) {
        cJSON_AddBoolToObject(request, key, g_str_equal(text, "true"));
    } else if (g_str_equal(key, "reply") || g_str_equal(key, "body")) {
        g_autofree char *plain = g_strcompress(text);
        cJSON_AddStringToObject(request, key, plain);
    } else {
        cJSON_AddStringToObject(request, key, text);
    }
}

static void add_to(cJSON *request, const char *key, cJSON *fresh, const char *name,
                   const char *value)
{
    cJSON *parent = cJSON_GetObjectItemCaseSensitive(request, key);
    if (parent == NULL) {
        cJSON_AddItemToObject(request, key, fresh);
        parent = fresh;
    } else {
        cJSON_Delete(fresh);
    }
    if (name != NULL)
        cJSON_AddStringToObject(parent, name, value);
    else
        cJSON_AddItemToArray(parent, cJSON_CreateString(value));
}

/* NAME=VALUE, an option or a flag. FALSE where it is none of these. */
static gboolean add_word(cJSON *request, const Verb *verb, char **words, gsize *i)
{
    char *word = words[*i];
    char *equals = strchr(word, '=');
    gboolean is_option = g_str_equal(word, "--as") || g_str_equal(word, "--untick");
    if (is_option && words[*i + 1] == NULL)
        return FALSE;
    if (g_str_equal(word, "--as")) {
        cJSON_AddStringToObject(request, "as", words[++*i]);
    } else if (g_str_equal(word, "--untick")) {
        add_to(request, "untick", cJSON_CreateArray(), NULL, words[++*i]);
    } else if (g_str_equal(word, "--no-follow")) {
        cJSON_AddFalseToObject(request, "follow");
    } else if (g_str_equal(word, "deny") || g_str_equal(word, "--deny")) {
        cJSON_AddTrueToObject(request, "deny");
    } else if (equals == NULL) {
        return FALSE;
    } else {
        *equals = '\0';
        char *colon = strchr(equals + 1, ':');
        if (g_str_equal(verb->name, "set")) {
            add_to(request, "values", cJSON_CreateObject(), word, equals + 1);
        } else if (g_str_equal(word, "header") && colon != NULL) {
            *colon = '\0';
            add_to(request, "headers", cJSON_CreateObject(), equals + 1, g_strstrip(colon + 1));
        } else {
            add_value(request, word, equals + 1);
        }
    }
    return TRUE;
}

/* Owned, or NULL for wrong usage. */
static char *request_from_words(const Verb *verb, char **words)
{
    g_autoptr(cJSON) request = cJSON_CreateObject();
    gsize place = 0;
    cJSON_AddStringToObject(request, "do", verb->name);
    for (gsize i = 0; words[i] != NULL; i++) {
        if (place < G_N_ELEMENTS(verb->positional) && verb->positional[place] != NULL)
            add_value(request, verb->positional[place++], words[i]);
        else if (!add_word(request, verb, words, &i))
            return NULL;
    }
    return json_line(request);
}

/* The answer, owned, or NULL with error. */
static cJSON *call(const char *dir, const char *request, GError **error)
{
    g_autofree char *path = g_build_filename(dir, "control", NULL);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, error);
    if (connection == NULL)
        return NULL;
    g_autofree char *line = g_strconcat(request, "\n", NULL);
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_autoptr(GDataInputStream) in =
        g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
    if (!g_output_stream_write_all(out, line, strlen(line), NULL, NULL, error))
        return NULL;
    g_autofree char *answer = g_data_input_stream_read_line(in, NULL, NULL, error);
    if (answer == NULL) {
        if (error != NULL && *error == NULL)
            g_set_error(error, SIM_ERROR, 0, "the small Google hung up");
        return NULL;
    }
    return json_parse_object(answer, error);
}

static void show(const cJSON *value)
{
    if (value == NULL)
        return;
    char *text = cJSON_IsString(value) ? NULL : cJSON_Print(value);
    printf("%s\n", text != NULL ? text : value->valuestring);
    cJSON_free(text);
}

int ctl_main(int n_arguments, char **arguments)
{
    if (n_arguments < 2)
        return usage();
    const Verb *verb = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (g_str_equal(verbs[i].name, arguments[1]))
            verb = &verbs[i];
    if (verb == NULL)
        return usage();
    gboolean is_raw = g_str_equal(verb->name, "json");
    g_autofree char *request =
        is_raw ? g_strdup(arguments[2]) : request_from_words(verb, arguments + 2);
    if (request == NULL)
        return usage();
    g_autoptr(GError) error = NULL;
    g_autoptr(cJSON) answer = call(arguments[0], request, &error);
    if (answer == NULL) {
        g_printerr("small-google: %s\n", error->message);
        return 1;
    }
    gboolean good = json_is_on(answer, "ok");
    if (is_raw)
        show(answer);
    else if (verb->show != NULL)
        show(cJSON_GetObjectItemCaseSensitive(answer, verb->show));
    if (good && g_str_equal(verb->name, "get"))
        show(cJSON_GetObjectItemCaseSensitive(answer, "values"));
    if (!good && !is_raw)
        g_printerr("small-google: %s\n", json_text(answer, "error"));
    return good ? 0 : 1;
}

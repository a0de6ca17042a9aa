#include "rules.h"

#include "guard.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
    cJSON *settings;
    int gate_fd;
    gboolean is_limited;
    gint64 times;
} Order;

static const char *const http_members[] = {"do",         "endpoint",  "mode",     "status",
                                           "body",       "headers",   "delay_ms", "times",
                                           "grant_type", "processed", NULL};
static const char *const endpoints[] = {"discovery", "device",     "device_page",   "authorization",
                                        "token",     "revocation", "userinfo",      "jwks",
                                        "any",       "connection", "introspection", NULL};
static const char *const modes[] = {"status", "html", "garbage", "slow", "hang",
                                    "drop",   "body", "hold",    "cut",  NULL};

static const char *const smtp_members[] = {"do",    "command",  "match", "action",
                                           "reply", "delay_ms", "times", NULL};
static const char *const commands[] = {"CONNECT",      "TLS",  "EHLO", "HELO", "STARTTLS", "AUTH",
                                       "AUTH-VERDICT", "MAIL", "RCPT", "DATA", "BDAT",     "BODY",
                                       "RSET",         "NOOP", "QUIT", NULL};
static const char *const actions[] = {"reply",        "drop", "hang", "hold", "close_after_reply",
                                      "reply_slowly", NULL};

static GMutex mutex;
static GPtrArray *http_orders;
static GPtrArray *smtp_orders;

static void order_free(void *data)
{
    Order *order = data;
    /* Nobody reads it, so it stays readable for every thread that holds a copy of the descriptor.
     */
    (void)eventfd_write(order->gate_fd, 1);
    close(order->gate_fd);
    cJSON_Delete(order->settings);
    g_free(order);
}

void rule_free(Rule *rule)
{
    close(rule->gate_fd);
    cJSON_Delete(rule->settings);
    g_free(rule);
}

void rules_init(void)
{
    http_orders = g_ptr_array_new_with_free_func(order_free);
    smtp_orders = g_ptr_array_new_with_free_func(order_free);
}

void rules_clear(void)
{
    g_clear_pointer(&http_orders, g_ptr_array_unref);
    g_clear_pointer(&smtp_orders, g_ptr_array_unref);
}

static gboolean is_one_of(const cJSON *order, const char *key, const char *const *words,
                          GError **error)
{
    const char *word = json_text(order, key);
    if (word != NULL && g_strv_contains(words, word))
        return TRUE;
    g_set_error(error, SIM_ERROR, 0, "%s: \"%s\" is not known", key, word != NULL ? word : "");
    return FALSE;
}

static gboolean types_are_right(const cJSON *order, GError **error)
{
    static const char *const numbers[] = {"status", "delay_ms", "times", NULL};
    static const char *const texts[] = {"body", "reply", "match", "grant_type", NULL};
    const cJSON *member = NULL;
    cJSON_ArrayForEach (member, order) {
        const char *key = member->string;
        gboolean is_count = cJSON_IsNumber(member) && member->valuedouble >= 0;
        gboolean good = (!g_strv_contains(numbers, key) || is_count) &&
                        (!g_strv_contains(texts, key) || cJSON_IsString(member)) &&
                        (!g_str_equal(key, "headers") || cJSON_IsObject(member)) &&
                        (!g_str_equal(key, "processed") || cJSON_IsBool(member));
        if (!good) {
            g_set_error(error, SIM_ERROR, 0, "%s cannot have this value", key);
            return FALSE;
        }
    }
    return TRUE;
}

static void add(GPtrArray *orders, const cJSON *settings)
{
    Order *order = g_new0(Order, 1);
    order->settings = cJSON_Duplicate(settings, TRUE);
    order->gate_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    order->is_limited = cJSON_HasObjectItem(settings, "times") != 0;
    order->times = json_number(settings, "times", 0);
    GUARD(&mutex);
    g_ptr_array_add(orders, order);
}

gboolean rules_add_http(const cJSON *order, GError **error)
{
    if (!json_only_has(order, http_members, error) || !types_are_right(order, error) ||
        !is_one_of(order, "endpoint", endpoints, error) || !is_one_of(order, "mode", modes, error))
        return FALSE;
    add(http_orders, order);
    return TRUE;
}

/* Each line of a reply needs its code; "-" behind it on all lines but the last. */
static gboolean is_reply(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (gsize i = 0; lines[i] != NULL; i++) {
        const char *line = lines[i];
        if (!g_ascii_isdigit(line[0]) || !g_ascii_isdigit(line[1]) || !g_ascii_isdigit(line[2]))
            return FALSE;
        if (lines[i + 1] != NULL ? line[3] != '-' : line[3] != ' ' && line[3] != '\0')
            return FALSE;
    }
    return lines[0] != NULL;
}

gboolean rules_add_smtp(const cJSON *order, GError **error)
{
    if (!json_only_has(order, smtp_members, error) || !types_are_right(order, error) ||
        !is_one_of(order, "command", commands, error) ||
        !is_one_of(order, "action", actions, error))
        return FALSE;
    const char *reply = json_text(order, "reply");
    const char *action = json_text(order, "action");
    if (reply == NULL &&
        (g_str_equal(action, "reply") || g_str_equal(action, "close_after_reply"))) {
        g_set_error(error, SIM_ERROR, 0, "the action \"%s\" needs a reply", action);
        return FALSE;
    }
    if (reply != NULL && !is_reply(reply)) {
        g_set_error(error, SIM_ERROR, 0, "reply: not an SMTP reply, lines separated by \\n");
        return FALSE;
    }
    add(smtp_orders, order);
    return TRUE;
}

void rules_release(void)
{
    GUARD(&mutex);
    g_ptr_array_set_size(http_orders, 0);
    g_ptr_array_set_size(smtp_orders, 0);
}

static void list_into(cJSON *list, const GPtrArray *orders)
{
    for (guint i = 0; i < orders->len; i++) {
        const Order *order = orders->pdata[i];
        cJSON *copy = cJSON_Duplicate(order->settings, TRUE);
        cJSON_DeleteItemFromObject(copy, "times");
        if (order->is_limited)
            cJSON_AddNumberToObject(copy, "times", (double)order->times);
        cJSON_AddItemToArray(list, copy);
    }
}

cJSON *rules_list(void)
{
    cJSON *list = cJSON_CreateArray();
    GUARD(&mutex);
    list_into(list, http_orders);
    list_into(list, smtp_orders);
    return list;
}

/* Called under the lock. Used-up orders stay, so that the gate of those they hold still has an
 * owner. */
static Rule *use(Order *order)
{
    if (order->is_limited)
        order->times--;
    Rule *rule = g_new0(Rule, 1);
    rule->settings = cJSON_Duplicate(order->settings, TRUE);
    rule->gate_fd = dup(order->gate_fd);
    return rule;
}

Rule *rules_take_http(const char *endpoint, const char *grant_type)
{
    GUARD(&mutex);
    for (guint i = 0; i < http_orders->len; i++) {
        Order *order = http_orders->pdata[i];
        const char *wanted = json_text(order->settings, "endpoint");
        const char *type = json_text(order->settings, "grant_type");
        gboolean any = g_str_equal(wanted, "any") && !g_str_equal(endpoint, "connection");
        if ((!any && !g_str_equal(wanted, endpoint)) ||
            (type != NULL && g_strcmp0(type, grant_type) != 0) ||
            (order->is_limited && order->times <= 0))
            continue;
        return use(order);
    }
    return NULL;
}

Rule *rules_take_smtp(const char *command, const char *line)
{
    GUARD(&mutex);
    for (guint i = 0; i < smtp_orders->len; i++) {
        Order *order = smtp_orders->pdata[i];
        const char *match = json_text(order->settings, "match");
        if (!g_str_equal(json_text(order->settings, "command"), command) ||
            (match != NULL && strstr(line, match) == NULL) ||
            (order->is_limited && order->times <= 0))
            continue;
        return use(order);
    }
    return NULL;
}

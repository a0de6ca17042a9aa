#include "check.h"

#include "account_session.h"
#include "address.h"
#include "errors.h"
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is found out. */
typedef struct {
    const Route *route;
    const char *sender;
    GPtrArray *recipients; /* of const char * */
    const Message *message;
    char **changes;
} Findings;

static const char *tls_words(SmtpTls tls)
{
    return tls == SMTP_TLS_IMPLICIT ? "tls" : "starttls";
}

static char *server_text(const SmtpServer *server)
{
    return g_strdup_printf("%s:%u %s", server->host, server->port, tls_words(server->tls));
}

static char *as_text(const Findings *found)
{
    const Route *route = found->route;
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "account:    %s (%s)\n", route->account, route->address);
    for (guint i = 0; i < route->servers->len; i++) {
        g_autofree char *server = server_text(&g_array_index(route->servers, SmtpServer, i));
        g_string_append_printf(text, "%s %s\n", i ? "           " : "server:    ", server);
    }
    g_string_append_printf(text, "sender:     <%s>\n", found->sender);
    for (guint i = 0; i < found->recipients->len; i++)
        g_string_append_printf(text, "%s <%s>\n", i ? "           " : "recipient: ",
                               (const char *)g_ptr_array_index(found->recipients, i));
    g_string_append_printf(text, "size:       %" G_GUINT64_FORMAT "\n",
                           message_size(found->message));
    for (char **change = found->changes; *change; change++)
        g_string_append_printf(text, "%s %s\n",
                               change == found->changes ? "changed:   " : "           ", *change);
    g_string_append(text, "nothing was sent\n");
    return g_string_free(text, FALSE);
}

static char *as_json(const Findings *found)
{
    const Route *route = found->route;
    g_autoptr(cJSON) object = cJSON_CreateObject();
    g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < route->servers->len; i++)
        g_ptr_array_add(servers, server_text(&g_array_index(route->servers, SmtpServer, i)));
    g_ptr_array_add(servers, NULL);
    json_add_string(object, "account", route->account);
    json_add_string(object, "address", route->address);
    json_add_strings(object, "servers", (const char *const *)servers->pdata);
    json_add_string(object, "sender", found->sender);
    cJSON *recipients = cJSON_AddArrayToObject(object, "recipients");
    for (guint i = 0; i < found->recipients->len; i++)
        cJSON_AddItemToArray(recipients,
                             cJSON_CreateString(g_ptr_array_index(found->recipients, i)));
    cJSON_AddNumberToObject(object, "size", (double)message_size(found->message));
    cJSON_AddBoolToObject(object, "eight_bit", message_is_eight_bit(found->message));
    json_add_strings(object, "changes", (const char *const *)found->changes);
    g_autofree char *text = json_format(object);
    return g_strconcat(text, "\n", NULL);
}

/* The message as a server would get it that takes everything; what it does not take is seen only
 * when it is asked. */
static gboolean prepare(const DeliveryRequest *request, const Route *route,
                        const MachineTerms *terms, GError **error)
{
    const MessageOffer everything = {.eight_bit_mime = TRUE, .smtp_utf8 = TRUE};
    message_complete(request->message,
                     terms->sender && *terms->sender ? terms->sender : route->address,
                     terms->full_name, g_get_real_time() / G_USEC_PER_SEC);
    return message_prepare(request->message, &everything, error);
}

static gboolean print(const char *text, GError **error)
{
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return TRUE;
    error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot write to standard output: %s",
              g_strerror(errno));
    return FALSE;
}

/* Each once: several names may lead to one address. */
static GPtrArray *direct(const Route *route, const GPtrArray *addresses)
{
    GPtrArray *recipients = g_ptr_array_new();
    for (guint i = 0; i < addresses->len; i++) {
        const char *address =
            machine_recipient(route, g_get_host_name(), g_ptr_array_index(addresses, i));
        if (!g_ptr_array_find_with_equal_func(recipients, address, (GEqualFunc)address_equal, NULL))
            g_ptr_array_add(recipients, (gpointer)address);
    }
    return recipients;
}

gboolean check_print(const DeliveryRequest *request, const GPtrArray *addresses, gboolean json,
                     GError **error)
{
    const char *sender = request->sender;
    g_auto(MachineTerms) terms = {0};
    AccountRequest account = {.scope = request->scope,
                              .account = request->account,
                              .from = sender && *sender ? sender : message_from(request->message),
                              .on_behalf = ACCOUNT_SESSION_MYSELF,
                              .trace = request->trace,
                              .trace_data = request->trace_data};
    g_autoptr(AccountSession) session = account_session_open(&account, error);
    if (!session)
        return FALSE;
    const Route *route = account_session_route(session);
    machine_apply(route, sender, request->full_name, request->message, &terms);
    if (!prepare(request, route, &terms, error))
        return FALSE;
    g_autofree char *explained = message_explain(request->message);
    g_auto(GStrv) changes = g_strsplit(g_strchomp(explained), "\n", -1);
    g_autoptr(GPtrArray) recipients = direct(route, addresses);
    Findings found = {.route = route,
                      .sender = terms.sender ? terms.sender : route->address,
                      .recipients = recipients,
                      .message = request->message,
                      .changes = changes};
    g_autofree char *text = json ? as_json(&found) : as_text(&found);
    return print(text, error);
}

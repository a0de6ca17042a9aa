#include "caller.h"

#include "address.h"
#include "aliases.h"
#include "errors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void print_trace(const char *line, G_GNUC_UNUSED gpointer data)
{
    fprintf(stderr, "%s\n", line);
}

Message *caller_scan(int fd, GError **error)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (own >= 0)
        return message_scan(own, error);
    error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot open the message again: %s",
              g_strerror(errno));
    return NULL;
}

gboolean caller_expand(GPtrArray *addresses, GError **error)
{
    const char *host = g_get_host_name(), *named = g_getenv("POSTKEY_ALIASES");
    gboolean any = FALSE;
    for (guint i = 0; i < addresses->len; i++)
        any = any || address_is_local(g_ptr_array_index(addresses, i), host);
    if (!any)
        return TRUE;
    g_autoptr(Aliases) aliases = aliases_load(named && *named ? named : ALIASES_FILE, error);
    return aliases && aliases_expand(aliases, host, addresses, error);
}

DeliveryRequest caller_request(const Options *options, const char *sender, Message *message)
{
    return (DeliveryRequest){.scope = options->scope,
                             .account = options->account,
                             .sender = sender,
                             .full_name = options->full_name,
                             .message = message,
                             .dsn = {.notify = options->notify,
                                     .ret = options->ret,
                                     .envelope_id = options->envelope_id},
                             .trace = options->verbose ? print_trace : NULL};
}

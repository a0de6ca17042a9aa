#include "local_login.h"

#include "broker_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static gboolean is_near_v4(guint32 address)
{
    return address >> 24 == 127;
}

static gboolean is_near_v6(const struct in6_addr *address)
{
    guint32 mapped;
    memcpy(&mapped, address->s6_addr + 12, sizeof mapped);
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && is_near_v4(ntohl(mapped)));
}

gboolean local_login_peer_is_near(int fd, char **peer)
{
    struct sockaddr_storage storage = {0};
    socklen_t len = sizeof storage;
    char text[INET6_ADDRSTRLEN] = "?";
    if (getpeername(fd, (struct sockaddr *)&storage, &len) != 0 || storage.ss_family == AF_UNIX) {
        *peer = g_strdup("this machine");
        return TRUE; /* a pipe, a terminal */
    }
    if (storage.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&storage;
        (void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text); /* it has the room */
        *peer = g_strdup_printf("%s, port %u", text, ntohs(v4->sin_port));
        return is_near_v4(ntohl(v4->sin_addr.s_addr));
    }
    if (storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&storage;
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text); /* it has the room */
        *peer = g_strdup_printf("%s, port %u", text, ntohs(v6->sin6_port));
        return is_near_v6(&v6->sin6_addr);
    }
    *peer = g_strdup("an unknown network");
    return FALSE;
}

gboolean local_login_check(PathsScope scope, const char *name, const Secret *password,
                           char **account, GError **error)
{
    g_autoptr(BrokerClient) broker = broker_client_connect(scope, BROKER_CLIENT_QUICK_MS, error);
    if (!broker)
        return FALSE;
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "name", name);
    json_add_string(parameters, "password", secret_reveal(password));
    g_autoptr(cJSON) reply =
        broker_client_call(broker, "VerifyLocal", parameters, BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    *account = g_strdup(json_string_or(reply, "account", NULL));
    return TRUE;
}

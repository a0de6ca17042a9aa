#include "doors.h"

#include "errors.h"

/* Shorter than a sender's: a person waits. */
static const SmtpTimeouts patience = {.connect_ms = 5 * 1000,
                                      .tls_ms = 5 * 1000,
                                      .opening_ms = 8 * 1000,
                                      .greeting_ms = 6 * 1000,
                                      .reply_ms = 8 * 1000,
                                      .data_ms = 8 * 1000,
                                      .block_ms = 8 * 1000,
                                      .verdict_ms = 8 * 1000};

static DoorState state_of(const GError *error, const Diagnosis *refusal)
{
    if (refusal)
        return DOOR_UNFRIENDLY;
    return g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE) ? DOOR_BLOCKED
                                                                            : DOOR_UNTRUSTED;
}

static gpointer try_door(gpointer data)
{
    Door *door = data;
    const Diagnosis *refusal = NULL;
    door->session = smtp_open(&door->road, &refusal, &door->error);
    door->state = door->session ? DOOR_OPEN : state_of(door->error, refusal);
    return NULL;
}

Doors *doors_try(const Route *route, Deadline until)
{
    Doors *doors = g_new0(Doors, 1);
    GThread *threads[ROUTE_MAX_SERVERS];
    doors->n = route->servers->len;
    doors->doors = g_new0(Door, doors->n);
    for (guint i = 0; i < doors->n; i++) {
        Door *door = &doors->doors[i];
        door->server = &g_array_index(route->servers, SmtpServer, i);
        door->road = (SmtpRoad){.servers = door->server,
                                .n_servers = 1,
                                .provider = route->provider,
                                .ca_pem = route->ca_pem,
                                .ehlo_name = route->ehlo_name,
                                .timeouts = &patience,
                                .until = until};
        /* Where this user may have no more threads, one after the other. */
        threads[i] = g_thread_try_new("door", try_door, door, NULL);
        if (!threads[i])
            (void)try_door(door); /* the result is in the door */
    }
    for (guint i = 0; i < doors->n; i++)
        if (threads[i])
            g_thread_join(threads[i]);
    return doors;
}

void doors_free(Doors *doors)
{
    if (!doors)
        return;
    for (guint i = 0; i < doors->n; i++) {
        smtp_close(doors->doors[i].session);
        g_clear_error(&doors->doors[i].error);
    }
    g_free(doors->doors);
    g_free(doors);
}

guint doors_count(const Doors *doors, DoorState state)
{
    guint n = 0;
    for (guint i = 0; i < doors->n; i++)
        n += doors->doors[i].state == state ? 1 : 0;
    return n;
}

char *door_name(const Door *door)
{
    return g_strdup_printf("%s:%u", door->server->host, door->server->port);
}

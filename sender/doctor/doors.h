/* All doors of a route, each tried by itself and at the same time: a sender needs one, a doctor
 * wants to know of each.
 */
#pragma once

#include "route.h"

/* How far one is open. */
typedef enum {
    DOOR_OPEN,       /* a session is ready for a login */
    DOOR_BLOCKED,    /* nobody answers, or not in time */
    DOOR_UNTRUSTED,  /* somebody does, but there is no TLS with a server that can be trusted */
    DOOR_UNFRIENDLY, /* the server refuses to talk to us */
} DoorState;

typedef struct {
    const SmtpServer *server; /* of the route */
    DoorState state;
    SmtpSession *session; /* of DOOR_OPEN */
    GError *error;        /* of the others */
    SmtpRoad road;        /* that the session is on */
} Door;

typedef struct {
    Door *doors;
    guint n;
} Doors;

/* Tries all doors of route (borrowed for as long as the result lives), until a deadline. Returns
 * owned. */
Doors *doors_try(const Route *route, Deadline until);
void doors_free(Doors *doors);

/* How many are in that state. */
guint doors_count(const Doors *doors, DoorState state);

/* "smtp.gmail.com:465". Returns owned. */
char *door_name(const Door *door);

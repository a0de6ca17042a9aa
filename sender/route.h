/* The broker's first answer to OpenSession: as whom a message goes, and where to.
 */
#pragma once

#include "json.h"
#include "smtp.h"

/* More servers in one route are not tried. */
#define ROUTE_MAX_SERVERS 16

/* Where the broker does not say. */
#define ROUTE_LIFETIME_DEFAULT_S ((gint64)5 * 24 * 3600)

typedef struct {
    char *account;
    char *address;       /* the account's own; passed address_check() */
    char *provider;      /* NULL: unknown */
    gboolean own_domain; /* the address is of a domain of the provider itself */
    GArray *servers;     /* of SmtpServer, in the order to try; at least one */
    char *ca_pem;        /* NULL: the system's authorities */
    char **mechanisms;
    guint recipients_max; /* in one message; G_MAXUINT: no limit known */
    char *ehlo_name;      /* NULL: this machine's */
    char *root;           /* who gets mail to a name of this machine; NULL: the account's address */
    char **from;       /* addresses and patterns that the account may send from; NULL: not known */
    gint64 lifetime_s; /* how long mail is tried */
    char *notify_account; /* that gets the bounces of one that cannot send; NULL: none */
} Route;

/* Reads the "route" of parameters. NULL with POSTKEY_ERROR_PROTOCOL where there is none, or a
 * broken one. Returns owned. */
Route *route_parse(const cJSON *parameters, GError **error);

void route_free(Route *route);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Route, route_free)

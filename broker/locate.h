/* The provider of an address: by the configuration and the presets' domains, else by the MX records
 * of its domain.
 *
 * Who takes a domain's mail is asked of GIO's resolver (g_resolver_get_default()), which does not
 * block. An answer only chooses among the presets, so that a forged one leads to another well-known
 * provider at worst; and it is told to the person.
 */
#pragma once

#include "context.h"

typedef struct Locate Locate;

/* How long DNS may take; then the address is as one without MX records. */
#define LOCATE_TIMEOUT_S 5

/* provider (borrowed for the callback) is the name of a preset or a section, exchanger the host
 * that told it, or NULL where no DNS was needed. Or provider is NULL and the error
 * POSTKEY_ERROR_CONFIGURATION: nobody is known for the address. */
typedef void (*LocateDone)(const char *provider, const char *exchanger, const GError *error,
                           gpointer data);

/* done runs once, later, never from inside this call; the handle is valid until then. */
Locate *locate_provider(const Context *context, const char *address, LocateDone done,
                        gpointer data);

/* done will not run. NULL is fine. */
void locate_cancel(Locate *locate);

/* Why it is this provider, for the person. exchanger may be NULL. Returns owned. */
char *locate_reason(const char *provider, const char *exchanger);

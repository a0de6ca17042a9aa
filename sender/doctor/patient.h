/* Who is looked at: what was asked for, and what the checks have found out so far. A member is
 * written by the one check that is named, and read by those that run after it alone.
 */
#pragma once

#include "doors.h"
#include "json.h"
#include "paths.h"
#include "route.h"

/* Whether the provider vouches for mail of the account's domain. */
typedef enum { VOUCHING_UNKNOWN, VOUCHING_NO, VOUCHING_YES } Vouching;

typedef struct {
    /* what was asked for; borrowed */
    PathsScope scope;
    const char *account;     /* NULL: the broker chooses */
    const char *from;        /* NULL: the account's address */
    const char *selectors;   /* with commas; NULL: the provider's alone */
    const char *spf_include; /* NULL: the provider's */
    const char *blocklist;   /* NULL: none */
    const char *name_server; /* NULL: this machine's */

    /* account */
    Route *route;
    char *domain;      /* of the account's address, which the provider vouches for */
    char *from_domain; /* of From */

    /* account; then refresh, which asks again */
    cJSON *record; /* the broker's Account */
    gboolean clock_known;
    gint64 clock_ahead_s;

    /* refresh */
    gboolean refused; /* the provider does not take the credential any more */
    gboolean silent;  /* it gave no answer that can be used just now */

    /* ports; login uses up a session of theirs */
    Doors *doors;

    /* spf, dkim */
    Vouching by_spf, by_dkim;
} Patient;

void patient_clear(Patient *patient);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Patient, patient_clear)

/* Asks the broker (anew) for the account's record and the clock. The route has to be known. */
gboolean patient_look(Patient *patient, gint64 timeout_ms, GError **error);

/* Of the record: a time or number, -1 where it does not apply. */
gint64 patient_number(const Patient *patient, const char *key);

/* "run: postkey authorize ADDRESS", or what else gives this account a new credential. Returns
 * owned. */
char *patient_remedy(const Patient *patient);

/* What a check is, and all of them by name; examination.c puts them into one table.
 */
#pragma once

#include "finding.h"
#include "patient.h"

typedef struct {
    const char *name; /* one word, for programs and for the list */
    /* Names with blanks between, of checks that stand before it in the table. Of needs none may
     * have failed, or have been left out because another one had; it runs after those of after
     * whatever became of them. NULL: none. */
    const char *needs, *after;
    gint64 patience_ms;                            /* how long it may take */
    gboolean (*is_wanted)(const Patient *patient); /* NULL: always */
    void (*run)(Patient *patient, GPtrArray *findings, Deadline until);
} Check;

extern const Check check_broker, check_store, check_account;
extern const Check check_refresh, check_clock, check_authorization, check_credential, check_quota;
extern const Check check_ports, check_tls, check_ehlo, check_login;
extern const Check check_spf, check_dkim, check_dmarc, check_blocklist;
extern const Check check_queue;

/* What the parts of one broker share; all borrowed, owned by main. */
#pragma once

#include "config.h"
#include "events.h"
#include "exchanges.h"
#include "http.h"
#include "ledger.h"
#include "metrics.h"
#include "policy.h"
#include "refusals.h"
#include "state.h"
#include "store_switch.h"
#include "unsaved.h"

typedef struct {
    Config *config;           /* replaced by Reload */
    const char *config_path;  /* that it is read from */
    gboolean config_required; /* somebody named the path: it has to be there */
    Policy *policy;           /* of config, replaced with it */
    gboolean is_system;       /* the broker of the machine, not of a person */
    State *state;
    Store *store; /* the face of stores */
    StoreSwitch *stores;
    Unsaved *unsaved;
    HttpClient *http;
    Events *events;
    Exchanges *exchanges;
    Ledger *ledger;
    Metrics *metrics;
    Refusals *refusals;
    GHashTable *discovered;  /* issuer -> cJSON, the discovery documents fetched so far */
    GHashTable *authorizing; /* account name -> Authorization, those under way */
    GHashTable
        *abandoned; /* of AccountRefresh (account_refresh.h): set aside until the store answers */
} Context;

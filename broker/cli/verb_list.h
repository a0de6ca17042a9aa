/* The verbs by file, for the table alone.
 */
#pragma once

#include "verb.h"

extern const Verb verb_authorize;
extern const Verb verb_add, verb_add_service_account, verb_add_app_password;
extern const Verb verb_add_refresh_token, verb_add_client_credentials;
extern const Verb verb_token;
extern const Verb verb_git_credential;
extern const Verb verb_accounts;
extern const Verb verb_refresh, verb_revoke, verb_forget, verb_unlock, verb_reload;
extern const Verb verb_monitor, verb_metrics;
extern const Verb verb_explain, verb_doctor;
extern const Verb verb_store;
extern const Verb verb_store_status, verb_store_init, verb_store_move, verb_store_rekey;
extern const Verb verb_local, verb_local_add, verb_local_list, verb_local_remove;
extern const Verb verb_client;
extern const Verb verb_client_import, verb_client_set, verb_client_list, verb_client_remove;

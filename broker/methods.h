/* The methods of the broker's interface: one const table, from a name to a function. */
#pragma once

#include "accounts.h"
#include "call.h"
#include "rotation.h"

typedef struct {
    Context *context;
    Accounts *accounts;
    Rotation *rotation; /* told of each reload; NULL: nobody looks for old credentials */
} Methods;

/* Answers a call, now or later: finds the method, checks its parameters against the table, and runs
 * it. Also the whole of org.varlink.service. */
void methods_dispatch(Methods *methods, Call *call);

/* The policy of the context's configuration and state, by the names of this system. Returns owned.
 */
Policy *methods_policy(const Context *context);

/* Reads the configuration again; what was read before stays when it is faulty. */
gboolean methods_reload(Methods *methods, GError **error);

/* The handlers, by file. */
void method_get_token(Methods *methods, Call *call);
void method_reject_token(Methods *methods, Call *call);
void method_refresh(Methods *methods, Call *call);

void method_get_accounts(Methods *methods, Call *call);
void method_revoke(Methods *methods, Call *call);
void method_forget(Methods *methods, Call *call);

void method_authorize(Methods *methods, Call *call);
void method_complete_authorization(Methods *methods, Call *call);

void method_add_credential(Methods *methods, Call *call);

void method_import_client(Methods *methods, Call *call);
void method_get_clients(Methods *methods, Call *call);
void method_remove_client(Methods *methods, Call *call);

void method_get_route(Methods *methods, Call *call);
void method_open_session(Methods *methods, Call *call);
void method_close_session(Methods *methods, Call *call);
void method_begin_message(Methods *methods, Call *call);
void method_end_message(Methods *methods, Call *call);

void method_report_mail(Methods *methods, Call *call);

void method_get_store(Methods *methods, Call *call);
void method_init_store(Methods *methods, Call *call);
void method_move_store(Methods *methods, Call *call);
void method_rekey_store(Methods *methods, Call *call);

void method_add_local(Methods *methods, Call *call);
void method_get_locals(Methods *methods, Call *call);
void method_remove_local(Methods *methods, Call *call);
void method_verify_local(Methods *methods, Call *call);

void method_get_metrics(Methods *methods, Call *call);

void method_monitor(Methods *methods, Call *call);
void method_unlock(Methods *methods, Call *call);
void method_reload(Methods *methods, Call *call);

/* The account that the parameter "account" names; NULL when the call was answered with an error.
 * For methods that manage. */
Account *methods_find_account(Methods *methods, Call *call);

/* The same among the accounts that the peer may use in this way. */
Account *methods_find_usable(Methods *methods, Call *call, PolicyUse use);

/* Whom a filter is for, while it is used. */
typedef struct {
    const Policy *policy;
    const CallPeer *peer;
    PolicyUse use;
} MethodsViewer;

/* The accounts that the viewer (borrowed) may use. */
AccountsFilter methods_filter(const MethodsViewer *viewer);

/* call_fail() for what may be POSTKEY_ERROR_CLIENT_NOT_FOUND, which names the provider and its
 * setup page. */
void methods_fail_provider(Methods *methods, Call *call, const GError *error, const char *account,
                           const char *provider);

/* Answers with AccountNotFound, of what was asked for, or AccountAmbiguous, of the accounts that
 * fit the filter, whichever error says. */
void methods_fail_account(Methods *methods, Call *call, const AccountsFilter *filter,
                          const GError *error);

/* Where the mail of an account is submitted: the servers of its section (may be NULL), else those
 * of its provider. Borrowed. */
const GPtrArray *methods_smtp_servers(const ConfigAccount *section, const Provider *provider);

/* Servers (of ProviderServer) as the interface has them. Returns owned. */
cJSON *methods_describe_servers(const GPtrArray *servers);

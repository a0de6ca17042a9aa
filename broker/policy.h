/* Which peer may do what. Pure: who has which name is asked through PolicyNames.
 *
 * To manage is for root and the broker's own user. To use an account is for them too, and on a
 * system broker for those that the account's section names: tokens= may get tokens and send,
 * send= may only send. An account that a peer may not use does not exist for it.
 */
#pragma once

#include "call.h"
#include "config.h"

typedef struct Policy Policy;

/* Where names are looked up. Each returns FALSE for a name that is not known. */
typedef struct {
    gboolean (*user)(const char *name, uid_t *uid);
    gboolean (*group)(const char *name, gid_t *gid);
} PolicyNames;

typedef enum { POLICY_SEND, POLICY_TOKENS } PolicyUse;

/* The uid that no peer has. */
#define POLICY_NOBODY ((uid_t)-1)

/* Of a configuration: the rules are copied, names are looked up now. One that is not known allows
 * nobody, and is among the warnings. is_system: other users may connect. Returns owned. */
Policy *policy_new(const Config *config, gboolean is_system, const PolicyNames *names);
void policy_free(Policy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Policy, policy_free)

/* Which accounts local names ("postkey local") send as. The service of the SMTP port may send as
 * those, through the queue service alone: it never gets a credential itself. */
void policy_ask_locals(Policy *policy, gboolean (*lead_to)(const char *account, gconstpointer data),
                       gconstpointer data);

/* What a person has to hear about these rules, a sentence each. Borrowed. */
const char *const *policy_warnings(const Policy *policy);

/* Looked at when a connection is accepted, before a byte of it is read. */
gboolean policy_may_connect(const Policy *policy, uid_t uid);

gboolean policy_may_manage(const Policy *policy, const CallPeer *peer);

/* Whether the peer may use the account of that name, for sending or for tokens too. */
gboolean policy_may_use(const Policy *policy, const CallPeer *peer, const char *account,
                        PolicyUse use);

/* Whether the peer may hear what happens to the account: who may send by it; and who speaks for
 * others, whose mail waits for just that. */
gboolean policy_may_watch(const Policy *policy, const CallPeer *peer, const char *account);

/* Whether the peer is believed when it says on whose behalf it calls: root and the queue service.
 */
gboolean policy_may_speak_for_others(const Policy *policy, const CallPeer *peer);

/* Whether the peer may ask if a local name's password is right: root, the broker's own user and the
 * service of the SMTP port. Others could guess. */
gboolean policy_may_verify_local(const Policy *policy, const CallPeer *peer);

/* Whether an app password may be handed to the peer, in a session: the broker's own user and the
 * queue service. A token ends by itself; whoever a password is shown to has the account. */
gboolean policy_may_have_password(const Policy *policy, const CallPeer *peer);

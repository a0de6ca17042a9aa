#include "policy.h"

#include <string.h>
#include <unistd.h>

typedef struct {
    GArray *uids; /* of uid_t */
    GArray *gids; /* of gid_t */
} Members;

/* Of one account. */
typedef struct {
    Members tokens, send;
} Rules;

struct Policy {
    gboolean is_system;
    uid_t queue_uid;
    uid_t smtp_uid; /* of the SMTP port's service */
    gboolean (*locals_lead_to)(const char *account, gconstpointer data); /* NULL: to none */
    gconstpointer locals_data;
    GHashTable *accounts; /* name -> Rules */
    GPtrArray *warnings;  /* of char */
};

/* ---- from the configuration ---- */

static void warn_unknown(const Policy *policy, const char *account, const char *kind,
                         const char *name)
{
    g_ptr_array_add(
        policy->warnings,
        g_strdup_printf("%s: there is no %s%s; it allows nobody until a reload finds it", account,
                        kind, name));
}

static void add_member(const Policy *policy, Members *members, const char *member,
                       const char *account, const PolicyNames *names)
{
    uid_t uid;
    gid_t gid;
    if (g_str_has_prefix(member, "uid:")) {
        uid = (uid_t)g_ascii_strtoull(member + strlen("uid:"), NULL, 10);
        g_array_append_val(members->uids, uid);
    } else if (g_str_has_prefix(member, "group:")) {
        if (names->group(member + strlen("group:"), &gid))
            g_array_append_val(members->gids, gid);
        else
            warn_unknown(policy, account, "", member);
    } else if (names->user(member, &uid)) {
        g_array_append_val(members->uids, uid);
    } else {
        warn_unknown(policy, account, "user ", member);
    }
}

static void read_members(const Policy *policy, Members *members, char **list, const char *account,
                         const PolicyNames *names)
{
    members->uids = g_array_new(FALSE, FALSE, sizeof(uid_t));
    members->gids = g_array_new(FALSE, FALSE, sizeof(gid_t));
    for (char **member = list; member && *member; member++)
        add_member(policy, members, *member, account, names);
}

static void clear_members(Members *members)
{
    g_array_unref(members->uids);
    g_array_unref(members->gids);
}

static void rules_free(gpointer data)
{
    Rules *rules = data;
    clear_members(&rules->tokens);
    clear_members(&rules->send);
    g_free(rules);
}

Policy *policy_new(const Config *config, gboolean is_system, const PolicyNames *names)
{
    Policy *policy = g_new0(Policy, 1);
    policy->is_system = is_system;
    policy->warnings = g_ptr_array_new_with_free_func(g_free);
    policy->accounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, rules_free);
    if (!is_system || !names->user(config->queue_user, &policy->queue_uid))
        policy->queue_uid = POLICY_NOBODY;
    if (!is_system || !names->user(config->smtp_user, &policy->smtp_uid))
        policy->smtp_uid = POLICY_NOBODY;
    for (guint i = 0; is_system && i < config->accounts->len; i++) {
        const ConfigAccount *section = g_ptr_array_index(config->accounts, i);
        Rules *rules = g_new0(Rules, 1);
        read_members(policy, &rules->tokens, section->tokens, section->name, names);
        read_members(policy, &rules->send, section->send, section->name, names);
        g_hash_table_insert(policy->accounts, g_strdup(section->name), rules);
    }
    g_ptr_array_add(policy->warnings, NULL);
    return policy;
}

void policy_free(Policy *policy)
{
    if (!policy)
        return;
    g_hash_table_unref(policy->accounts);
    g_ptr_array_unref(policy->warnings);
    g_free(policy);
}

void policy_ask_locals(Policy *policy, gboolean (*lead_to)(const char *account, gconstpointer data),
                       gconstpointer data)
{
    policy->locals_lead_to = lead_to;
    policy->locals_data = data;
}

/* ---- questions ---- */

const char *const *policy_warnings(const Policy *policy)
{
    return (const char *const *)policy->warnings->pdata;
}

static gboolean is_manager(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

gboolean policy_may_connect(const Policy *policy, uid_t uid)
{
    return policy->is_system || is_manager(uid);
}

gboolean policy_may_manage(G_GNUC_UNUSED const Policy *policy, const CallPeer *peer)
{
    return is_manager(peer->uid);
}

static gboolean is_member(const Members *members, const CallPeer *peer)
{
    for (guint i = 0; i < members->uids->len; i++)
        if (g_array_index(members->uids, uid_t, i) == peer->uid)
            return TRUE;
    for (guint i = 0; i < members->gids->len; i++)
        for (guint j = 0; j < peer->groups_len; j++)
            if (g_array_index(members->gids, gid_t, i) == peer->groups[j])
                return TRUE;
    return FALSE;
}

static gboolean is_smtp_service(const Policy *policy, const CallPeer *peer)
{
    return policy->smtp_uid != POLICY_NOBODY && peer->uid == policy->smtp_uid;
}

/* It read a name and a password, and the queue service has its message. */
static gboolean sends_for_locals(const Policy *policy, const CallPeer *peer, const char *account)
{
    return peer->is_represented && is_smtp_service(policy, peer) && policy->locals_lead_to &&
           policy->locals_lead_to(account, policy->locals_data);
}

gboolean policy_may_use(const Policy *policy, const CallPeer *peer, const char *account,
                        PolicyUse use)
{
    if (is_manager(peer->uid))
        return TRUE;
    if (use == POLICY_SEND && sends_for_locals(policy, peer, account))
        return TRUE;
    const Rules *rules = g_hash_table_lookup(policy->accounts, account);
    return rules && (is_member(&rules->tokens, peer) ||
                     (use == POLICY_SEND && is_member(&rules->send, peer)));
}

static gboolean is_queue_service(const Policy *policy, const CallPeer *peer)
{
    return policy->queue_uid != POLICY_NOBODY && peer->uid == policy->queue_uid;
}

gboolean policy_may_speak_for_others(const Policy *policy, const CallPeer *peer)
{
    return peer->uid == 0 || is_queue_service(policy, peer);
}

gboolean policy_may_verify_local(const Policy *policy, const CallPeer *peer)
{
    return is_manager(peer->uid) || is_smtp_service(policy, peer);
}

gboolean policy_may_have_password(const Policy *policy, const CallPeer *peer)
{
    return peer->uid == geteuid() || is_queue_service(policy, peer);
}

gboolean policy_may_watch(const Policy *policy, const CallPeer *peer, const char *account)
{
    return policy_may_speak_for_others(policy, peer) ||
           policy_may_use(policy, peer, account, POLICY_SEND);
}

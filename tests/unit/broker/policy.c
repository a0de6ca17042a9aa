#include "policy.h"

#include "log.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(policy, .timeout = 60);

enum { MAIL = 8, STAFF = 50, QUEUE_UID = 901, SMTP_UID = 902, ALICE = 1001 };

static gboolean known_user(const char *name, uid_t *uid)
{
    static const struct {
        const char *name;
        uid_t uid;
    } users[] = {{"alice", ALICE}, {"_postkeyq", QUEUE_UID}, {"_postkeysmtp", SMTP_UID}};
    for (gsize i = 0; i < G_N_ELEMENTS(users); i++)
        if (strcmp(users[i].name, name) == 0) {
            *uid = users[i].uid;
            return TRUE;
        }
    return FALSE;
}

static gboolean known_group(const char *name, gid_t *gid)
{
    *gid = strcmp(name, "mail") == 0 ? MAIL : STAFF;
    return strcmp(name, "mail") == 0 || strcmp(name, "staff") == 0;
}

static const PolicyNames names = {.user = known_user, .group = known_group};

static const char *const text = "[account work]\naddress=a@example.com\nprovider=google\n"
                                "tokens=uid:1000;group:staff\nsend=group:mail;uid:33;alice\n"
                                "[account home]\naddress=b@example.com\nprovider=google\n"
                                "[account typo]\naddress=c@example.com\nprovider=google\n"
                                "tokens=nobody-knows;group:unheard-of\n";

static Policy *make(gboolean is_system)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("postkey-policy-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "postkey.conf", NULL);
    log_open("test", LOG_LEVEL_ERROR);
    cr_assert(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    g_autoptr(Config) config = config_load(path, TRUE, &error);
    cr_assert_not_null(config, "%s", error ? error->message : "");
    cr_expect_eq(g_unlink(path), 0);
    cr_expect_eq(g_rmdir(folder), 0);
    return policy_new(config, is_system, &names);
}

/* Three groups at most; 0 ends them. */
typedef struct {
    uid_t uid;
    gid_t groups[4];
    const char *account;
    gboolean tokens, send;
} Row;

static const Row table[] = {
    {0, {0}, "work", TRUE, TRUE},
    {0, {0}, "no-section", TRUE, TRUE},
    {1000, {7}, "work", TRUE, TRUE},
    {1000, {7}, "home", FALSE, FALSE},
    {1000, {7}, "no-section", FALSE, FALSE},
    {33, {33}, "work", FALSE, TRUE},
    {ALICE, {7}, "work", FALSE, TRUE},
    {2000, {7, MAIL}, "work", FALSE, TRUE},
    {2000, {7, 9, STAFF}, "work", TRUE, TRUE},
    {2000, {7, 9, 10}, "work", FALSE, FALSE},
    {2000, {0}, "work", FALSE, FALSE},
    {2000, {7, MAIL, STAFF}, "typo", FALSE, FALSE},
    /* a uid is no gid, nor the reverse */
    {MAIL, {7}, "work", FALSE, FALSE},
    {2000, {33}, "work", FALSE, FALSE},
    {QUEUE_UID, {7}, "work", FALSE, FALSE},
};

static CallPeer peer_of(const Row *row)
{
    CallPeer peer = {.uid = row->uid, .groups = row->groups};
    while (peer.groups_len < 3 && row->groups[peer.groups_len])
        peer.groups_len++;
    return peer;
}

Test(policy, who_may_use_what_on_a_system_broker)
{
    g_autoptr(Policy) policy = make(TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        const Row *row = &table[i];
        CallPeer peer = peer_of(row);
        cr_expect_eq(policy_may_use(policy, &peer, row->account, POLICY_TOKENS), row->tokens,
                     "row %zu", i);
        cr_expect_eq(policy_may_use(policy, &peer, row->account, POLICY_SEND), row->send, "row %zu",
                     i);
        cr_expect_eq(policy_may_manage(policy, &peer), row->uid == 0, "row %zu", i);
        cr_expect(policy_may_connect(policy, row->uid));
    }
}

Test(policy, a_persons_broker_serves_its_own_user_and_root_alone)
{
    g_autoptr(Policy) policy = make(FALSE);
    const CallPeer named = {.uid = 1000}, own = {.uid = geteuid()};
    cr_expect(policy_may_connect(policy, 0));
    cr_expect(policy_may_connect(policy, geteuid()));
    cr_expect_not(policy_may_connect(policy, 1000));
    cr_expect_not(policy_may_use(policy, &named, "work", POLICY_SEND));
    cr_expect(policy_may_use(policy, &own, "anything", POLICY_TOKENS));
    cr_expect(policy_may_manage(policy, &own));
}

Test(policy, a_password_is_for_the_broker_and_the_queue_service)
{
    g_autoptr(Policy) policy = make(TRUE);
    g_autoptr(Policy) persons = make(FALSE);
    const CallPeer own = {.uid = geteuid()}, queue = {.uid = QUEUE_UID}, alice = {.uid = ALICE};
    cr_expect(policy_may_have_password(policy, &own));
    cr_expect(policy_may_have_password(persons, &own));
    cr_expect(policy_may_have_password(policy, &queue));
    cr_expect_not(policy_may_have_password(persons, &queue));
    cr_expect_not(policy_may_have_password(policy, &alice));
}

Test(policy, root_and_the_queue_service_speak_for_others)
{
    g_autoptr(Policy) policy = make(TRUE);
    g_autoptr(Policy) persons = make(FALSE);
    const CallPeer root = {.uid = 0}, queue = {.uid = QUEUE_UID}, alice = {.uid = ALICE};
    cr_expect(policy_may_speak_for_others(policy, &root));
    cr_expect(policy_may_speak_for_others(policy, &queue));
    cr_expect_not(policy_may_speak_for_others(policy, &alice));
    cr_expect_not(policy_may_speak_for_others(persons, &queue));
}

Test(policy, names_that_there_are_not_are_warned_of)
{
    g_autoptr(Policy) policy = make(TRUE);
    g_autoptr(Policy) own = make(FALSE);
    const char *const *warnings = policy_warnings(policy);
    cr_assert_eq(g_strv_length((char **)warnings), 2);
    cr_expect_not_null(strstr(warnings[0], "typo: there is no user nobody-knows"));
    cr_expect_not_null(strstr(warnings[1], "typo: there is no group:unheard-of"));
    cr_expect_null(policy_warnings(own)[0]);
}

static gboolean leads_to_home(const char *account, gconstpointer data)
{
    return strcmp(account, data) == 0;
}

Test(policy, the_smtp_service_sends_through_the_queue_as_accounts_with_a_local_name)
{
    const CallPeer itself = {.uid = SMTP_UID},
                   represented = {.uid = SMTP_UID, .is_represented = TRUE},
                   other = {.uid = 2000, .is_represented = TRUE};
    g_autoptr(Policy) policy = make(TRUE);
    cr_expect_not(policy_may_use(policy, &represented, "home", POLICY_SEND), "no names yet");
    policy_ask_locals(policy, leads_to_home, "home");
    cr_expect(policy_may_use(policy, &represented, "home", POLICY_SEND));
    cr_expect_not(policy_may_use(policy, &represented, "home", POLICY_TOKENS));
    cr_expect_not(policy_may_use(policy, &represented, "work", POLICY_SEND));
    cr_expect_not(policy_may_use(policy, &itself, "home", POLICY_SEND), "no credential for itself");
    cr_expect_not(policy_may_use(policy, &other, "home", POLICY_SEND));
    cr_expect(policy_may_verify_local(policy, &itself));
    cr_expect_not(policy_may_verify_local(policy, &(CallPeer){.uid = QUEUE_UID}));
    cr_expect_not(policy_may_verify_local(policy, &(CallPeer){.uid = ALICE}));
    g_autoptr(Policy) of_a_person = make(FALSE);
    cr_expect_not(policy_may_verify_local(of_a_person, &itself));
}

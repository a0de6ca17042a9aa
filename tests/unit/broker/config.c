#include "config.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder; /* of this test alone */
static char *path;   /* of its postkey.conf */

static void make_folder(void)
{
    umask(022);
    folder = g_dir_make_tmp("postkey-config-XXXXXX", NULL);
    cr_assert_not_null(folder);
    path = g_build_filename(folder, "postkey.conf", NULL);
}

static void remove_folder(void)
{
    if (!folder)
        return;
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", folder);
    cr_assert(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(folder);
    g_free(path);
}

/* Criterion leaves a skipped test without its .fini. */
static void skip(const char *why)
{
    remove_folder();
    folder = path = NULL;
    cr_skip("%s", why);
}

TestSuite(config, .init = make_folder, .fini = remove_folder);

static void write_file(const char *file, const char *text, mode_t mode)
{
    cr_assert(g_file_set_contents(file, text, -1, NULL));
    cr_assert_eq(chmod(file, mode), 0);
}

/* Writes name into postkey.conf.d. */
static void write_drop_in(const char *name, const char *text)
{
    g_autofree char *dir = g_strconcat(path, ".d", NULL);
    g_autofree char *file = g_build_filename(dir, name, NULL);
    cr_assert_eq(g_mkdir_with_parents(dir, 0755), 0);
    write_file(file, text, 0600);
}

static Config *load(const char *text)
{
    g_autoptr(GError) error = NULL;
    write_file(path, text, 0600);
    Config *config = config_load(path, TRUE, &error);
    cr_assert_not_null(config, "%s: %s", text, error ? error->message : "");
    return config;
}

/* What is wrong with the text: the message behind the path, as ":LINE: ...". */
static char *refusal(const char *text)
{
    g_autoptr(GError) error = NULL;
    write_file(path, text, 0600);
    g_autoptr(Config) config = config_load(path, TRUE, &error);
    cr_assert_null(config, "%s", text);
    cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION), "%s", text);
    cr_assert(g_str_has_prefix(error->message, path), "%s", error->message);
    cr_expect_not_null(error_remedy(error), "%s", error->message);
    return g_strdup(error->message + strlen(path));
}

/* ---- what is there ---- */

Test(config, no_file_is_an_empty_configuration)
{
    g_autoptr(Config) config = config_load(path, FALSE, NULL);
    cr_assert_not_null(config);
    cr_expect_null(config->default_account);
    cr_expect_eq(config->keep_alive_s, 7 * 24 * 3600);
    cr_expect_eq(config->sender_lifetime_s, 5 * 24 * 3600);
    cr_expect_eq(g_hash_table_size(config->providers), 0);
    cr_expect_eq(config->accounts->len, 0);
    g_autoptr(Provider) google = config_provider(config, "google");
    cr_expect_str_eq(google->token_endpoint, "https://oauth2.googleapis.com/token");
    cr_expect_null(config_provider(config, "example"));
}

Test(config, a_file_that_is_required_and_missing_is_an_error)
{
    g_autoptr(GError) error = NULL;
    cr_expect_null(config_load(path, TRUE, &error));
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
}

Test(config, an_empty_file_and_one_of_comments_are_empty_configurations)
{
    static const char *const texts[] = {"", "\n", "# only a comment", "  \r\n\t# x\r\n",
                                        "[broker]\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        config_free(load(texts[i]));
}

Test(config, everything_of_the_manual_is_read)
{
    g_autoptr(Config) config = load(
        "[broker]\n# or secret-service\nstore=sealed-file\nkey_file=/etc/postkey/store.key\n"
        "default_account=you@gmail.com\n"
        "keep_alive=12h\nqueue_user=mailer\nsmtp_user=port\n\n"
        "[provider example]\nissuer=https://id.example.com\n"
        "device_authorization_endpoint=https://id.example.com/d\n"
        "authorization_endpoint=https://id.example.com/a\n"
        "token_endpoint=https://id.example.com/t\nrevocation_endpoint=https://id.example.com/r\n"
        "userinfo_endpoint=https://id.example.com/u\nauthorization_parameters=a=b%20c&d=e\n"
        "setup_uri=https://id.example.com/clients\nclient_id=id\nclient_secret=s e c\n"
        "client_authentication=basic\nscopes=https://mail.google.com/ openid;email\n"
        "domains=example.com;Example.ORG\nredirect_host=localhost\nca_file=/etc/my ca.pem\n"
        "smtp=smtp.example.com:465 tls;smtp.example.com:587 starttls;\n"
        "imap=imap.example.com:143 starttls\nmechanisms=XOAUTH2\n"
        "daily_messages=1\ndaily_recipients=2\nmessages_per_minute=0\n"
        "recipients_per_message=3\nconnections=4\n\n"
        "[account work]\naddress=you@example.com\nprovider=example\n"
        "from=you@example.com;*@lists.example.com\ntokens=uid:1000;alice\nsend=group:mail; uid:33\n"
        "smtp=other.example.com:587 starttls\nconnections=0\nrotate_after=90d\n\n"
        "[sender]\nroot=admin@example.com\nehlo_name=\nlifetime=3d\n\n"
        "[notify]\ncommand=/usr/bin/notify-send 'post key'\naccount=work\n");
    cr_expect_str_eq(config->default_account, "you@gmail.com");
    cr_expect_eq(config->keep_alive_s, 12 * 3600);
    cr_expect_str_eq(config->queue_user, "mailer");
    cr_expect_str_eq(config->smtp_user, "port");
    cr_expect_str_eq(config->sender_root, "admin@example.com");
    cr_expect_null(config->sender_ehlo_name);
    cr_expect_eq(config->sender_lifetime_s, 3 * 24 * 3600);
    cr_expect_str_eq(config->notify_command[0], "/usr/bin/notify-send");
    cr_expect_str_eq(config->notify_command[1], "post key");
    cr_expect_null(config->notify_command[2]);
    cr_expect_str_eq(config->notify_account, "work");

    g_autoptr(Provider) provider = config_provider(config, "example");
    cr_expect_str_eq(provider->issuer, "https://id.example.com");
    cr_expect_str_eq(provider->device_authorization_endpoint, "https://id.example.com/d");
    cr_expect_str_eq(provider->authorization_endpoint, "https://id.example.com/a");
    cr_expect_str_eq(provider->token_endpoint, "https://id.example.com/t");
    cr_expect_str_eq(provider->revocation_endpoint, "https://id.example.com/r");
    cr_expect_str_eq(provider->userinfo_endpoint, "https://id.example.com/u");
    cr_expect_str_eq(provider->authorization_parameters, "a=b%20c&d=e");
    cr_expect_str_eq(provider->setup_uri, "https://id.example.com/clients");
    cr_expect_str_eq(provider->client_id, "id");
    cr_expect_str_eq(secret_reveal(provider->client_secret), "s e c");
    cr_expect_eq(provider->client_authentication, PROVIDER_CLIENT_BASIC);
    g_autofree char *scopes = g_strjoinv(" ", provider->scopes);
    cr_expect_str_eq(scopes, "https://mail.google.com/ openid email");
    cr_expect_str_eq(provider->redirect_host, "localhost");
    cr_expect_str_eq(provider->ca_file, "/etc/my ca.pem");
    cr_expect_eq(provider->servers->len, 2);
    cr_expect_eq(((ProviderServer *)provider->servers->pdata[1])->port, 587);
    cr_assert_eq(provider->imap_servers->len, 1);
    cr_expect_eq(((ProviderServer *)provider->imap_servers->pdata[0])->port, 143);
    cr_expect_str_eq(provider->mechanisms[0], "XOAUTH2");
    cr_expect_null(provider->mechanisms[1]);
    cr_expect_eq(provider->daily_messages, 1);
    cr_expect_eq(provider->connections, 4);

    const ConfigAccount *account = config_account(config, "work");
    cr_assert_not_null(account);
    cr_expect_str_eq(account->address, "you@example.com");
    cr_expect_str_eq(account->provider, "example");
    cr_expect_str_eq(account->from[1], "*@lists.example.com");
    cr_expect_str_eq(account->tokens[0], "uid:1000");
    cr_expect_str_eq(account->send[1], "uid:33");
    cr_expect_eq(account->rotate_after_s, 90 * 24 * 3600);
    cr_expect_eq(account->servers->len, 1);
    cr_expect_eq(account->connections, 0);
    cr_expect_eq(account->daily_messages, -1);
    cr_expect_null(config_account(config, "play"));
}

Test(config, a_section_lies_over_the_preset_of_its_name)
{
    g_autoptr(Config) config = load("[provider google]\nclient_id=mine\ndaily_messages=2000\n"
                                    "device_authorization_endpoint=\n");
    g_autoptr(Provider) google = config_provider(config, "google");
    cr_expect_str_eq(google->client_id, "mine");
    cr_expect_eq(google->daily_messages, 2000);
    cr_expect_null(google->device_authorization_endpoint);
    cr_expect_str_eq(google->token_endpoint, "https://oauth2.googleapis.com/token");
    cr_expect_eq(google->servers->len, 2);
}

Test(config, another_issuer_takes_the_presets_endpoints_away)
{
    g_autoptr(Config) config = load("[provider google]\nissuer=https://localhost:8443\n"
                                    "revocation_endpoint=https://localhost:8443/r\n");
    g_autoptr(Provider) google = config_provider(config, "google");
    cr_expect_null(google->token_endpoint);
    cr_expect_null(google->authorization_endpoint);
    cr_expect_null(google->device_authorization_endpoint);
    cr_expect_str_eq(google->revocation_endpoint, "https://localhost:8443/r");
    cr_expect(provider_needs_discovery(google));
}

Test(config, drop_ins_override_in_the_order_of_their_names)
{
    write_drop_in("20-second.conf",
                  "[broker]\ndefault_account=second\n[provider example]\nscopes=b\n");
    write_drop_in("10-first.conf", "[broker]\ndefault_account=first\nkeep_alive=1d\n");
    write_drop_in("30-not-this.conf.bak", "nonsense");
    write_drop_in(".hidden.conf", "nonsense");
    g_autoptr(Config) config =
        load("[broker]\ndefault_account=main\nkeep_alive=9d\n"
             "[provider example]\nissuer=https://id.example.com\nscopes=a\n");
    cr_expect_str_eq(config->default_account, "second");
    cr_expect_eq(config->keep_alive_s, 24 * 3600);
    g_autoptr(Provider) provider = config_provider(config, "example");
    cr_expect_str_eq(provider->issuer, "https://id.example.com");
    cr_expect_str_eq(provider->scopes[0], "b");
}

Test(config, the_last_of_many_drop_ins_wins_whatever_the_folders_order)
{
    for (int i = 0; i < 40; i++) {
        int number = i * 17 % 40;
        g_autofree char *name = g_strdup_printf("%02d.conf", number);
        g_autofree char *text = g_strdup_printf("[broker]\ndefault_account=a%d\n", number);
        write_drop_in(name, text);
    }
    g_autoptr(Config) config = config_load(path, FALSE, NULL);
    cr_assert_not_null(config);
    cr_expect_str_eq(config->default_account, "a39");
}

Test(config, drop_ins_count_without_the_main_file)
{
    write_drop_in("a.conf", "[broker]\ndefault_account=a\n");
    g_autoptr(Config) config = config_load(path, FALSE, NULL);
    cr_assert_not_null(config);
    cr_expect_str_eq(config->default_account, "a");
}

Test(config, an_error_in_a_drop_in_names_it)
{
    write_drop_in("a.conf", "\n\n[brokers]\n");
    g_autofree char *wrong = refusal("[broker]\n");
    cr_expect_str_eq(wrong, ".d/a.conf:3: [brokers] is no section of postkey");
}

/* ---- what is refused, and in which line ---- */

static const struct {
    const char *text, *refusal;
} refusals[] = {
    {"[brokers]\n", ":1: [brokers] is no section of postkey"},
    {"\n# x\n[Broker]\n", ":3: [Broker] is no section of postkey"},
    {"[broker x]\n", ":1: [broker] has a name that it cannot have"},
    {"[provider]\n", ":1: [provider] has no name"},
    {"[provider ]\n", ":1: [provider] has a name that it cannot have"},
    {"[provider a b]\n", ":1: [provider] has a name that it cannot have"},
    {"[provider ../x]\n", ":1: [provider] has a name that it cannot have"},
    {"[account .x]\n", ":1: [account] has a name that it cannot have"},
    {"[account a/b]\n", ":1: [account] has a name that it cannot have"},
    {"[]\n", ":1: this is no section's head"},
    {"[broker] # x\n", ":1: this is no section's head"},
    {"[broker\n", ":1: this is no section's head"},
    {"[[broker]]\n", ":1: this is no section's head"},
    {"[bro\tker]\n", ":1: this is no section's head"},
    {"store=secret-service\n", ":1: a key stands before the first section"},
    {"[broker]\nstore\n", ":2: this is neither a section nor a key nor a comment"},
    {"[broker]\n=x\n", ":2: this is neither a section nor a key nor a comment"},
    {"[broker]\nsto re=x\n", ":2: this is neither a section nor a key nor a comment"},
    {"[broker]\nstore[de]=x\n", ":2: this is neither a section nor a key nor a comment"},
    {"[broker]\n; x=1\n", ":2: this is neither a section nor a key nor a comment"},
    {"[broker]\nstore=secret-service\n\n[sender]\n[broker]\n",
     ":5: [broker] is given twice, first in line 1"},
    {"[provider a]\nissuer=https://a.example\n[provider a]\n",
     ":3: [provider a] is given twice, first in line 1"},
    {"[broker]\nkeep_alive=1d\n# x\n keep_alive = 1d\n",
     ":4: keep_alive is given twice, first in line 2"},
    {"[broker]\nKeep_alive=1d\n", ":2: [broker] has no key Keep_alive"},
    {"[broker]\nclient_id=x\n", ":2: [broker] has no key client_id"},
    {"[account a]\naddress=a@b\nclient_id=x\n", ":3: [account] has no key client_id"},
    {"[broker]\n\xff=1\n", ":2: this is no UTF-8 text"},

    {"[broker]\nstore=sealed\n", ":2: store=sealed is wrong"},
    {"[broker]\nkey_file=store.key\n", ":2: key_file=store.key is wrong"},
    {"[broker]\nstore=\n", ":2: store= is wrong"},
    {"[broker]\ndefault_account=a b\n", ":2: default_account=a b is wrong"},
    {"[broker]\ndefault_account=a\\nb\n", ":2: default_account=a\\nb is wrong"},
    {"[broker]\ndefault_account=a\\qb\n", ":2: default_account=a\\qb is wrong"},
    {"[provider a]\nscopes=a\\qb\n", ":2: scopes=a\\qb is wrong"},
    {"[broker]\nkeep_alive=5d # five\n", ":2: keep_alive=5d # five is wrong"},
    {"[broker]\nkeep_alive=5\n", ":2: keep_alive=5 is wrong"},
    {"[broker]\nkeep_alive=d\n", ":2: keep_alive=d is wrong"},
    {"[broker]\nkeep_alive=-5d\n", ":2: keep_alive=-5d is wrong"},
    {"[broker]\nkeep_alive=0d\n", ":2: keep_alive=0d is wrong"},
    {"[broker]\nkeep_alive=5 d\n", ":2: keep_alive=5 d is wrong"},
    {"[broker]\nkeep_alive=5w\n", ":2: keep_alive=5w is wrong"},
    {"[broker]\nkeep_alive=99999999999999999999d\n",
     ":2: keep_alive=99999999999999999999d is wrong"},
    {"[provider a]\nissuer=http://a.example\n", ":2: issuer=http://a.example is wrong"},
    {"[provider a]\ntoken_endpoint=https://u:p@a.example\n",
     ":2: token_endpoint=https://u:p@a.example is wrong"},
    {"[provider a]\nauthorization_parameters=a\n", ":2: authorization_parameters=a is wrong"},
    {"[provider a]\nauthorization_parameters=a=1&&b=2\n",
     ":2: authorization_parameters=a=1&&b=2 is wrong"},
    {"[provider a]\nauthorization_parameters=a=%2\n", ":2: authorization_parameters=a=%2 is wrong"},
    {"[provider a]\nauthorization_parameters=state=x\n",
     ":2: authorization_parameters=state=x is wrong"},
    {"[provider a]\nauthorization_parameters=x=1#y\n",
     ":2: authorization_parameters=x=1#y is wrong"},
    {"[provider a]\nclient_secret=s\xc3\xa4"
     "cret\n",
     ":2: the value of client_secret is wrong"},
    {"[provider a]\nclient_authentication=none\n", ":2: client_authentication=none is wrong"},
    {"[provider a]\nscopes=a \"b\"\n", ":2: scopes=a \"b\" is wrong"},
    {"[provider a]\ndomains=localhost\n", ":2: domains=localhost is wrong"},
    {"[provider a]\ndomains=a.example;@b.example\n", ":2: domains=a.example;@b.example is wrong"},
    {"[provider a]\nredirect_host=0.0.0.0\n", ":2: redirect_host=0.0.0.0 is wrong"},
    {"[provider a]\nredirect_host=\n", ":2: redirect_host= is wrong"},
    {"[provider a]\nca_file=ca.pem\n", ":2: ca_file=ca.pem is wrong"},
    {"[provider a]\nsmtp=a.example:465\n", ":2: smtp=a.example:465 is wrong"},
    {"[provider a]\nsmtp=\n", ":2: smtp= is wrong"},
    {"[provider a]\nsmtp=;\n", ":2: smtp=; is wrong"},
    {"[provider a]\nmechanisms=PLAIN\n", ":2: mechanisms=PLAIN is wrong"},
    {"[provider a]\nmechanisms=\n", ":2: mechanisms= is wrong"},
    {"[provider a]\nconnections=-1\n", ":2: connections=-1 is wrong"},
    {"[provider a]\nconnections=1e3\n", ":2: connections=1e3 is wrong"},
    {"[provider a]\nconnections=\n", ":2: connections= is wrong"},
    {"[provider a]\nconnections=9999999999\n", ":2: connections=9999999999 is wrong"},
    {"[account a]\naddress=you\n", ":2: address=you is wrong"},
    {"[account a]\naddress=you@a@b\n", ":2: address=you@a@b is wrong"},
    {"[account a]\naddress=you@b\\rc\n", ":2: address=you@b\\rc is wrong"},
    {"[account a]\nfrom=you@b;lists\n", ":2: from=you@b;lists is wrong"},
    {"[account a]\ntokens=1000\n", ":2: tokens=1000 is wrong"},
    {"[account a]\ntokens=uid:www-data\n", ":2: tokens=uid:www-data is wrong"},
    {"[account a]\nsend=group:\n", ":2: send=group: is wrong"},
    {"[sender]\nroot=admin\n", ":2: root=admin is wrong"},
    {"[sender]\nehlo_name=a b\n", ":2: ehlo_name=a b is wrong"},
    {"[sender]\nlifetime=forever\n", ":2: lifetime=forever is wrong"},
    {"[notify]\ncommand='\n", ":2: command=' is wrong"},

    {"\n[provider a]\nscopes=x\n", ":2: [provider a] says neither its issuer nor its endpoints"},
    {"\n[account a]\nprovider=google\n", ":2: [account a] has no address"},
    {"[account a]\naddress=a@b\nprovider=c\n", ":3: provider=c is not known"},
};

Test(config, each_mistake_is_told_with_its_line)
{
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *wrong = refusal(refusals[i].text);
        cr_expect_str_eq(wrong, refusals[i].refusal);
    }
}

Test(config, a_comment_behind_a_value_has_its_own_mend)
{
    g_autoptr(GError) error = NULL;
    write_file(path, "[broker]\nkeep_alive=5d # five\n", 0600);
    cr_expect_null(config_load(path, TRUE, &error));
    cr_expect_not_null(strstr(error_remedy(error), "a comment needs a line of its own"));
}

Test(config, a_nul_is_no_text)
{
    cr_assert(g_file_set_contents(path, "[broker]\n\0[sender]\n", 19, NULL));
    g_autoptr(GError) error = NULL;
    cr_expect_null(config_load(path, TRUE, &error));
    cr_expect_not_null(strstr(error->message, "postkey.conf:2: this is no UTF-8 text"));
}

Test(config, no_secret_is_in_an_error)
{
    static const char *const texts[] = {
        "[provider a]\nclient_secret=planted\\q\n",
        "[provider a]\nclient_secret=planted\nclient_secret=planted\n",
        "[provider a]\nclient_secrets=planted\n",
        "client_secret=planted\n",
        "[provider a]\nclient_secret planted\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        write_file(path, texts[i], 0600);
        cr_expect_null(config_load(path, TRUE, &error));
        g_autofree char *told = error_explain("postkey", error);
        cr_expect_null(strstr(told, "planted"), "%s", told);
    }
}

/* ---- modes ---- */

static gboolean loads_with_mode(const char *text, mode_t mode)
{
    g_autoptr(GError) error = NULL;
    write_file(path, text, mode);
    g_autoptr(Config) config = config_load(path, TRUE, &error);
    if (!config)
        cr_expect_not_null(strstr(error_remedy(error), "chmod"), "%s", error->message);
    return config != NULL;
}

Test(config, a_file_that_others_can_write_is_refused)
{
    cr_expect(loads_with_mode("[broker]\n", 0600));
    cr_expect(loads_with_mode("[broker]\n", 0644));
    cr_expect_not(loads_with_mode("[broker]\n", 0664));
    cr_expect_not(loads_with_mode("[broker]\n", 0646));
    cr_expect_not(loads_with_mode("[broker]\n", 0602));
}

Test(config, a_client_secret_wants_a_file_that_nobody_else_can_read)
{
    const char *text = "[provider google]\nclient_secret=s\n";
    cr_expect(loads_with_mode(text, 0600));
    cr_expect(loads_with_mode(text, 0400));
    cr_expect_not(loads_with_mode(text, 0604));
    cr_expect_not(loads_with_mode(text, 0644));
    /* Root's own group may: it is how a service reads /etc. */
    cr_expect_eq(loads_with_mode(text, 0640), geteuid() == 0 && getegid() == 0);
}

Test(config, a_file_of_another_owner_is_refused)
{
    if (geteuid() != 0)
        skip("only root can give files away");
    write_file(path, "[broker]\n", 0644);
    cr_assert_eq(chown(path, 65534, 65534), 0);
    g_autoptr(GError) error = NULL;
    cr_expect_null(config_load(path, TRUE, &error));
    cr_expect_not_null(strstr(error_remedy(error), "chown"));
}

Test(config, what_is_no_regular_file_is_refused_and_not_waited_for)
{
    g_autoptr(GError) fifo = NULL;
    g_autoptr(GError) dir = NULL;
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_null(config_load(path, FALSE, &fifo));
    cr_expect(g_error_matches(fifo, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    cr_expect_null(config_load(folder, FALSE, &dir));
    cr_expect(g_error_matches(dir, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
}

Test(config, a_file_beyond_the_maximum_is_refused)
{
    g_autofree char *fill = g_strnfill(1024 * 1024, '#');
    g_autofree char *wrong = refusal(fill);
    cr_expect(g_str_has_prefix(wrong, ": cannot read the configuration: "), "%s", wrong);
}

/* ---- which provider ---- */

static void expect_provider(const Config *config, const char *address, const char *expected)
{
    const char *name = config_provider_of_address(config, address);
    if (expected && name)
        cr_expect_str_eq(name, expected, "%s: %s", address, name);
    else
        cr_expect_eq(name, expected, "%s: %s", address, name ? name : "none");
}

Test(config, the_provider_of_an_address_is_found)
{
    g_autoptr(Config) config = load("[provider a]\nissuer=https://a.example\ndomains=a.example\n"
                                    "[provider b]\nissuer=https://b.example\n"
                                    "[account x]\naddress=x@a.example\nprovider=b\n"
                                    "[account y]\naddress=y.y@gmail.com\nprovider=b\n"
                                    "[account z@gmail.com]\ndaily_messages=1\n");
    expect_provider(config, "X@A.example", "b");
    expect_provider(config, "yy@gmail.com", "b");
    expect_provider(config, "you@A.Example", "a");
    expect_provider(config, "you@gmail.com", "google");
    expect_provider(config, "z@gmail.com", "google");
    expect_provider(config, "you@other.example", NULL);
    expect_provider(config, "you", NULL);
    cr_expect_str_eq(config_account(config, "z@gmail.com")->address, "z@gmail.com");
}

Test(config, the_only_provider_section_serves_whoever_no_preset_does)
{
    g_autoptr(Config) config = load("[provider a]\nissuer=https://a.example\n");
    expect_provider(config, "you@other.example", "a");
    expect_provider(config, "you@gmail.com", "google");
}

Test(config, domains_of_a_section_win_over_a_preset)
{
    g_autoptr(Config) config = load("[provider a]\nissuer=https://a.example\ndomains=gmail.com\n");
    expect_provider(config, "you@gmail.com", "a");
}

/* ---- hostile files ---- */

Test(config, two_thousand_hostile_files_are_read_or_refused)
{
    static const char odd[] = "[]=#;\\\n\r \xff\xc3\0a";
    const char *seed = "[broker]\nkeep_alive=5d\n[provider a]\nissuer=https://a.example\n"
                       "smtp=a.example:465 tls;b:587 starttls\nscopes=a b;c\n"
                       "[account b]\naddress=a@b\n";
    g_autoptr(GRand) random = g_rand_new_with_seed(2);
    for (int i = 0; i < 2000; i++) {
        g_autofree char *text = g_strdup(seed);
        for (int j = g_rand_int_range(random, 1, 4); j > 0; j--)
            text[g_rand_int_range(random, 0, (gint32)strlen(seed))] =
                odd[g_rand_int_range(random, 0, sizeof odd - 1)];
        cr_assert(g_file_set_contents(path, text, (gssize)strlen(seed), NULL));
        g_autoptr(GError) error = NULL;
        g_autoptr(Config) config = config_load(path, TRUE, &error);
        cr_assert_neq(config != NULL, error != NULL);
    }
}

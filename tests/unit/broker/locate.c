#include "locate.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <gio/gio.h>
#include <string.h>

/* ---- a DNS of our own ---- */

typedef struct {
    GResolver parent;
    const char *domain;         /* the one that it knows */
    const char *const *records; /* "10 host" */
    gboolean silent;            /* answers only when it is cancelled */
    guint questions;
} TestResolver;

typedef struct {
    GResolverClass parent;
} TestResolverClass;

G_DEFINE_TYPE(TestResolver, test_resolver, G_TYPE_RESOLVER)

static void give_up(GCancellable *cancellable, gpointer data)
{
    g_autoptr(GTask) task = data;
    (void)g_task_return_error_if_cancelled(task); /* it is */
    (void)cancellable;                            /* the task has it */
}

static void lookup_records(GResolver *resolver, const char *name, GResolverRecordType type,
                           GCancellable *cancellable, GAsyncReadyCallback done, gpointer data)
{
    TestResolver *dns = (TestResolver *)resolver;
    GTask *task = g_task_new(resolver, cancellable, done, data);
    dns->questions++;
    cr_assert_eq(type, G_RESOLVER_RECORD_MX);
    if (dns->silent) {
        g_signal_connect(cancellable, "cancelled", G_CALLBACK(give_up), task);
        return;
    }
    GList *records = NULL;
    for (const char *const *text = dns->records; strcmp(name, dns->domain) == 0 && *text; text++)
        records = g_list_append(records, g_variant_ref_sink(g_variant_new(
                                             "(qs)", (guint16)g_ascii_strtoull(*text, NULL, 10),
                                             strchr(*text, ' ') + 1)));
    if (records)
        g_task_return_pointer(task, records, NULL);
    else
        g_task_return_new_error(task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "none");
    g_object_unref(task);
}

static GList *lookup_records_finish(GResolver *resolver, GAsyncResult *result, GError **error)
{
    (void)resolver; /* the task knows */
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void test_resolver_class_init(TestResolverClass *class)
{
    G_RESOLVER_CLASS(class)->lookup_records_async = lookup_records;
    G_RESOLVER_CLASS(class)->lookup_records_finish = lookup_records_finish;
}

static void test_resolver_init(G_GNUC_UNUSED TestResolver *dns)
{
}

/* ---- asking ---- */

typedef struct {
    char *provider, *exchanger;
    int code; /* of the error; -1: none */
    gboolean done;
} Found;

static void located(const char *provider, const char *exchanger, const GError *error, gpointer data)
{
    Found *found = data;
    *found = (Found){.provider = g_strdup(provider),
                     .exchanger = g_strdup(exchanger),
                     .code = error ? error->code : -1,
                     .done = TRUE};
}

static void found_clear(Found *found)
{
    g_free(found->provider);
    g_free(found->exchanger);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Found, found_clear)

static TestResolver *dns;
static Config *config;
static Context context;

static void begin(void)
{
    dns = g_object_new(test_resolver_get_type(), NULL);
    dns->domain = "example.com";
    g_resolver_set_default(G_RESOLVER(dns));
    config = config_load("/nonexistent/postkey.conf", FALSE, NULL);
    context = (Context){.config = config};
}

static void end(void)
{
    config_free(config);
    g_object_unref(dns);
}

TestSuite(locate, .init = begin, .fini = end);

static Found locate(const char *address, const char *const *records)
{
    Found found = {0};
    dns->records = records;
    (void)locate_provider(&context, address, located, &found);
    while (!found.done)
        g_main_context_iteration(NULL, TRUE);
    return found;
}

Test(locate, a_known_domain_asks_no_dns)
{
    g_auto(Found) found = locate("you@gmail.com", NULL);
    cr_expect_str_eq(found.provider, "google");
    cr_expect_null(found.exchanger);
    cr_expect_eq(dns->questions, 0);
}

Test(locate, mx_records_tell_the_provider_of_a_domain)
{
    static const char *const google[] = {"5 alt1.aspmx.l.google.com", "1 ASPMX.L.GOOGLE.COM.",
                                         NULL};
    g_auto(Found) found = locate("you@example.com", google);
    cr_expect_str_eq(found.provider, "google");
    cr_expect_str_eq(found.exchanger, "ASPMX.L.GOOGLE.COM.");
    g_autofree char *reason = locate_reason(found.provider, found.exchanger);
    cr_expect_not_null(strstr(reason, "ASPMX.L.GOOGLE.COM"));
}

Test(locate, the_best_exchanger_that_is_known_counts)
{
    static const char *const mixed[] = {"0 filter.example.net", "20 in1-smtp.messagingengine.com",
                                        "10 example-com.mail.protection.outlook.com", NULL};
    g_auto(Found) found = locate("you@example.com", mixed);
    cr_expect_str_eq(found.provider, "microsoft");
}

Test(locate, nobody_is_known_for_the_rest)
{
    static const char *const own[] = {"10 mail.example.com", NULL};
    g_auto(Found) first = locate("you@example.com", own);
    cr_expect_null(first.provider);
    cr_expect_eq(first.code, POSTKEY_ERROR_CONFIGURATION);
    g_auto(Found) second = locate("you@elsewhere.test", own);
    cr_expect_eq(second.code, POSTKEY_ERROR_CONFIGURATION);
}

Test(locate, the_only_section_is_next_after_dns)
{
    g_hash_table_insert(config->providers, g_strdup("example"), provider_new("example"));
    static const char *const none[] = {NULL};
    g_auto(Found) found = locate("you@example.com", none);
    cr_expect_str_eq(found.provider, "example");
    cr_expect_null(found.exchanger);
    cr_expect_eq(dns->questions, 1);
}

Test(locate, a_dns_that_is_silent_is_given_up)
{
    dns->silent = TRUE;
    g_auto(Found) found = locate("you@example.com", NULL);
    cr_expect_eq(found.code, POSTKEY_ERROR_CONFIGURATION);
}

Test(locate, who_gives_up_hears_nothing)
{
    Found found = {0};
    dns->silent = TRUE;
    locate_cancel(locate_provider(&context, "you@example.com", located, &found));
    Locate *asked = locate_provider(&context, "you@example.com", located, &found);
    while (dns->questions == 0)
        g_main_context_iteration(NULL, TRUE);
    locate_cancel(asked);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_expect_not(found.done);
    locate_cancel(NULL);
}

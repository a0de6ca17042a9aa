#include "scripted.h"
#include "smtp.h"

#include "errors.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two doors, the second of which leads in, unless a test says otherwise. */
typedef struct {
    Scripted *scripted[2];
    SmtpServer servers[2];
    SmtpTimeouts timeouts;
    SmtpRoad road;
    GString *trace;
    SmtpSession *session;
    const Diagnosis *refusal;
    GError *error;
} Doors;

static const Step good_steps[] = {{.says = "220 script\r\n"},
                                  {.hears = "EHLO me\r\n", .says = "250 AUTH XOAUTH2\r\n"}};
static const Step silent_steps[] = {{.hears = "never", .stalls = TRUE}};

static void note_trace(const char *line, gpointer data)
{
    g_string_append_printf(((Doors *)data)->trace, "%s\n", line);
}

static void set_door(Doors *doors, guint at, Scripted *scripted, SmtpTls tls)
{
    doors->scripted[at] = scripted;
    doors->servers[at] =
        (SmtpServer){.host = (char *)"127.0.0.1", .port = scripted_port(scripted), .tls = tls};
}

static void set_good_door(Doors *doors, guint at)
{
    set_door(doors, at, scripted_start(good_steps, G_N_ELEMENTS(good_steps), TRUE),
             SMTP_TLS_IMPLICIT);
}

static void open_doors(Doors *doors)
{
    doors->timeouts = smtp_timeouts;
    doors->timeouts.opening_ms = 300;
    doors->trace = g_string_new(NULL);
    doors->road = (SmtpRoad){.servers = doors->servers,
                             .n_servers = 2,
                             .ca_pem = scripted_ca(),
                             .ehlo_name = "me",
                             .timeouts = &doors->timeouts,
                             .trace = note_trace,
                             .trace_data = doors};
    doors->session = smtp_open(&doors->road, &doors->refusal, &doors->error);
}

/* wanted: the door that the session went through; 2: none. */
static void expect_door(Doors *doors, guint wanted)
{
    if (wanted == 2)
        cr_expect_null(doors->session);
    else
        cr_assert_not_null(doors->session, "%s", doors->error ? doors->error->message : "");
    if (doors->session)
        cr_expect_eq(smtp_server(doors->session), &doors->servers[wanted], "%s", doors->trace->str);
}

static void leave_doors(Doors *doors)
{
    smtp_close(doors->session);
    for (guint i = 0; i < 2; i++)
        if (doors->scripted[i])
            g_free(scripted_end(doors->scripted[i]));
    g_string_free(doors->trace, TRUE);
    g_clear_error(&doors->error);
}

Test(race, the_first_door_is_taken_when_both_are_open)
{
    Doors doors = {0};
    set_good_door(&doors, 0);
    set_good_door(&doors, 1);
    open_doors(&doors);
    expect_door(&doors, 0);
    leave_doors(&doors);
}

Test(race, a_port_that_takes_connections_and_stalls_leads_to_the_next)
{
    static const SmtpTls kinds[] = {SMTP_TLS_IMPLICIT, SMTP_TLS_STARTTLS};
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        Doors doors = {0};
        set_door(&doors, 0, scripted_start(silent_steps, 1, FALSE), kinds[i]);
        set_good_door(&doors, 1);
        open_doors(&doors);
        expect_door(&doors, 1);
        leave_doors(&doors);
    }
}

/* A socket whose queue is full: Linux drops what else wants to connect, as a firewall does. */
typedef struct {
    int listener;
    int waiting[8];
    guint port;
} Swallows;

static void swallow(Swallows *swallows)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    swallows->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(swallows->listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(swallows->listener, 0), 0);
    cr_assert_eq(getsockname(swallows->listener, (struct sockaddr *)&address, &len), 0);
    swallows->port = ntohs(address.sin_port);
    for (gsize i = 0; i < G_N_ELEMENTS(swallows->waiting); i++) {
        swallows->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(swallows->waiting[i], (struct sockaddr *)&address, len);
    }
}

Test(race, a_port_that_swallows_what_is_sent_to_it_leads_to_the_next)
{
    Swallows swallows;
    swallow(&swallows);
    Doors doors = {.servers = {{.host = (char *)"127.0.0.1", .port = swallows.port}}};
    set_good_door(&doors, 1);
    open_doors(&doors);
    expect_door(&doors, 1);
    cr_expect_null(strstr(doors.trace->str, "cannot connect"), "%s", doors.trace->str);
    leave_doors(&doors);
    for (gsize i = 0; i < G_N_ELEMENTS(swallows.waiting); i++)
        (void)close(swallows.waiting[i]);
    (void)close(swallows.listener);
}

static guint count_descriptors(void)
{
    guint n = 0;
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    cr_assert_not_null(dir);
    while (g_dir_read_name(dir))
        n++;
    return n;
}

Test(race, those_who_lose_leave_no_descriptor_behind)
{
    guint before = 0;
    for (guint i = 0; i < 3; i++) {
        Doors doors = {0};
        set_door(&doors, 0, scripted_start(silent_steps, 1, FALSE), SMTP_TLS_IMPLICIT);
        set_good_door(&doors, 1);
        open_doors(&doors);
        expect_door(&doors, 1);
        leave_doors(&doors);
        before = i == 0 ? count_descriptors() : before; /* what is opened once, is open */
    }
    cr_expect_eq(count_descriptors(), before);
}

Test(race, what_a_server_offers_is_understood_however_it_is_written)
{
    static const char *const offers[] = {
        "250-AUTH=LOGIN PLAIN\r\n250 AUTH XOAUTH2\r\n", "250 auth=xoauth2\r\n",
        "250 AUTH  LOGIN\tXOAuth2 \r\n",
        "250-SIZE nonsense\r\n250-\r\n250- =\r\n250 AUTH XOAUTH2\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(offers); i++) {
        g_autofree char *hello = g_strconcat("250-script\r\n", offers[i], NULL);
        const Step steps[] = {{.says = "220 script\r\n"},
                              {.hears = "EHLO me\r\n", .says = hello},
                              {.hears = "AUTH XOAUTH2 ", .and_bytes = 2, .says = "235 in\r\n"}};
        g_autoptr(Secret) token = secret_new("token", -1);
        Doors doors = {0};
        set_door(&doors, 0, scripted_start(steps, G_N_ELEMENTS(steps), TRUE), SMTP_TLS_IMPLICIT);
        doors.servers[1] = (SmtpServer){.host = (char *)"127.0.0.1", .port = 1};
        open_doors(&doors);
        expect_door(&doors, 0);
        cr_expect(smtp_authenticate(doors.session, (const char *const[]){"XOAUTH2", NULL}, "u",
                                    token, &doors.refusal, &doors.error),
                  "%s: %s", offers[i], doors.error ? doors.error->message : "");
        leave_doors(&doors);
    }
}

Test(race, what_a_server_repeats_of_a_credential_is_not_told)
{
    const Step steps[] = {
        {.says = "220 script\r\n"},
        {.hears = "EHLO me\r\n", .says = "250-script\r\n250 AUTH XOAUTH2\r\n"},
        {.hears = "AUTH XOAUTH2 ",
         .and_bytes = 2,
         .says = "501-line too long: AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHlhMjkuYS1s"
                 "\r\n501 user=u auth=Bearer ya29.a-long-and-secret-t\r\n"}};
    g_autoptr(Secret) token = secret_new("ya29.a-long-and-secret-token", -1);
    Doors doors = {0};
    secret_redact_in_pieces(token);
    set_door(&doors, 0, scripted_start(steps, G_N_ELEMENTS(steps), TRUE), SMTP_TLS_IMPLICIT);
    doors.servers[1] = (SmtpServer){.host = (char *)"127.0.0.1", .port = 1};
    open_doors(&doors);
    expect_door(&doors, 0);
    cr_expect_not(smtp_authenticate(doors.session, (const char *const[]){"XOAUTH2", NULL}, "u",
                                    token, &doors.refusal, &doors.error));
    g_autofree char *all = g_strconcat(doors.trace->str, doors.error->message, NULL);
    cr_expect(strstr(all, "too long: AUTH XOAUTH2 <secret>"), "%s", all);
    cr_expect_null(strstr(all, "dXNlcj11AW"), "%s", all);
    cr_expect_null(strstr(all, "a-long-and"), "%s", all);
    leave_doors(&doors);
}

Test(race, a_port_where_nobody_listens_leads_to_the_next)
{
    Doors doors = {.servers = {{.host = (char *)"127.0.0.1", .port = 1}}};
    set_good_door(&doors, 1);
    open_doors(&doors);
    expect_door(&doors, 1);
    leave_doors(&doors);
}

Test(race, a_door_that_cannot_be_trusted_is_told_nothing_and_leads_to_the_next)
{
    Doors doors = {0};
    set_good_door(&doors, 0);
    set_good_door(&doors, 1);
    doors.servers[0].host = (char *)"localhost"; /* the certificate is for 127.0.0.1 alone */
    open_doors(&doors);
    expect_door(&doors, 1);
    cr_expect(strstr(doors.trace->str, "of another name"), "%s", doors.trace->str);
    char *heard = scripted_end(g_steal_pointer(&doors.scripted[0]));
    cr_expect_str_empty(heard);
    g_free(heard);
    leave_doors(&doors);
}

Test(race, where_no_door_opens_distrust_is_what_is_told)
{
    Doors doors = {.servers = {{.host = (char *)"127.0.0.1", .port = 1}}};
    set_good_door(&doors, 1);
    doors.servers[1].host = (char *)"localhost";
    open_doors(&doors);
    expect_door(&doors, 2);
    cr_expect(g_error_matches(doors.error, POSTKEY_ERROR, POSTKEY_ERROR_PROTOCOL));
    cr_expect(strstr(doors.error->message, "refused") && strstr(doors.error->message, "name"), "%s",
              doors.error->message);
    leave_doors(&doors);
}

Test(race, a_winner_without_starttls_leads_to_the_next)
{
    const Step stripped[] = {{.says = "220 script\r\n"},
                             {.hears = "EHLO me\r\n", .says = "250 SIZE\r\n"}};
    Doors doors = {0};
    set_door(&doors, 0, scripted_start(stripped, 2, FALSE), SMTP_TLS_STARTTLS);
    set_good_door(&doors, 1);
    open_doors(&doors);
    expect_door(&doors, 1);
    cr_expect(strstr(doors.trace->str, "offers no STARTTLS"), "%s", doors.trace->str);
    leave_doors(&doors);
}

Test(race, a_winner_that_falls_silent_leads_to_the_next)
{
    const Step falls_silent[] = {{.says = "220 script\r\n"}, {.hears = "EHLO", .stalls = TRUE}};
    Doors doors = {0};
    set_door(&doors, 0, scripted_start(falls_silent, 2, TRUE), SMTP_TLS_IMPLICIT);
    set_good_door(&doors, 1);
    open_doors(&doors);
    expect_door(&doors, 1);
    leave_doors(&doors);
}

Test(race, a_refusal_counts_for_all_doors_where_nobody_else_can_have_said_it)
{
    const Step refuses[] = {{.says = "554 5.7.1 no service\r\n"}};
    Doors plain = {0}, encrypted = {0};
    set_door(&plain, 0, scripted_start(refuses, 1, FALSE), SMTP_TLS_STARTTLS);
    set_good_door(&plain, 1);
    open_doors(&plain);
    expect_door(&plain, 1);
    leave_doors(&plain);
    set_door(&encrypted, 0, scripted_start(refuses, 1, TRUE), SMTP_TLS_IMPLICIT);
    set_good_door(&encrypted, 1);
    open_doors(&encrypted);
    expect_door(&encrypted, 2);
    cr_expect_not_null(encrypted.refusal);
    leave_doors(&encrypted);
}

Test(race, a_caller_may_give_up)
{
    Doors doors = {0};
    set_door(&doors, 0, scripted_start(silent_steps, 1, FALSE), SMTP_TLS_IMPLICIT);
    set_door(&doors, 1, scripted_start(silent_steps, 1, FALSE), SMTP_TLS_STARTTLS);
    doors.trace = g_string_new(NULL);
    SmtpRoad road = {.servers = doors.servers,
                     .n_servers = 2,
                     .ca_pem = scripted_ca(),
                     .until = deadline_in_ms(100)};
    doors.session = smtp_open(&road, &doors.refusal, &doors.error);
    expect_door(&doors, 2);
    cr_expect(g_error_matches(doors.error, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE));
    cr_expect(strstr(doors.error->message, "in time"), "%s", doors.error->message);
    leave_doors(&doors);
}

#include "queue_socket.h"

#include "errors.h"
#include "queue_call.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define BODY "Subject: x\n\nbody\n"

/* A socket that is served here, and what its peers asked for. */
typedef struct {
    char *folder, *path;
    QueueSocket *socket;
    QueuePeer *waiting;
    char *id;
    QueueSubmit *submitted;
    gboolean was_heard, heard;
} Place;

static void asked(QueuePeer *peer, const char *id, G_GNUC_UNUSED const char *broker, gpointer data)
{
    Place *place = data;
    place->waiting = peer;
    place->id = g_strdup(id);
}

static gboolean accept_message(QueueSubmit *submit, gpointer data, GError **error)
{
    const Place *place = data;
    if (submit->size > 1000) {
        error_set(error, POSTKEY_ERROR_THROTTLED, NULL, "less", "too much");
        return FALSE;
    }
    g_autofree char *path = g_build_filename(place->folder, "message", NULL);
    submit->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return TRUE;
}

static void handed_over(QueuePeer *peer, QueueSubmit *submit, gpointer data)
{
    Place *place = data;
    place->waiting = peer;
    place->submitted = submit;
}

static void note_heard(gboolean knows, gpointer data)
{
    Place *place = data;
    place->was_heard = TRUE;
    place->heard = knows;
}

static const QueueHandlers handlers = {
    .deliver = asked, .accept = accept_message, .submit = handed_over};

static Place *make_place(void)
{
    Place *place = g_new0(Place, 1);
    place->folder = g_dir_make_tmp("postkey-queue-XXXXXX", NULL);
    place->path = g_build_filename(place->folder, "socket", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, place->path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, SOMAXCONN), 0);
    place->socket = queue_socket_new(fd, TRUE, &handlers, place);
    return place;
}

static void place_free(Place *place)
{
    queue_socket_free(place->socket);
    queue_submit_free(place->submitted);
    const char *argv[] = {"rm", "-rf", place->folder, NULL};
    cr_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                           NULL, NULL));
    g_free(place->folder);
    g_free(place->path);
    g_free(place->id);
    g_free(place);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Place, place_free)

/* Until nothing is left to do for the moment. */
static void serve(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static QueueCall *call_of(const Place *place)
{
    QueueCall *call = queue_call_connect(place->path, TRUE, NULL);
    cr_assert_not_null(call);
    return call;
}

static int raw(const Place *place, const char *bytes, gsize len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, place->path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(write(fd, bytes, len), (gssize)len);
    serve();
    return fd;
}

static gboolean is_ended(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static QueueCallResult await(QueueCall *call, QueueVerdict *verdict)
{
    g_autoptr(GError) error = NULL;
    serve();
    return queue_call_await(call, 0, verdict, &error);
}

Test(queue_socket, a_caller_knows_that_it_is_kept_before_it_knows_the_verdict)
{
    g_autoptr(Place) place = make_place();
    g_autoptr(QueueCall) call = call_of(place);
    g_auto(QueueVerdict) verdict = {0};
    g_autoptr(GError) error = NULL;
    cr_assert(queue_call_deliver(call, "an-id", NULL));
    cr_expect_eq(await(call, &verdict), QUEUE_CALL_TIMED_OUT);
    cr_expect_str_eq(place->id, "an-id");
    queue_peer_hear(place->waiting, "an-id", TRUE);
    cr_expect_eq(await(call, &verdict), QUEUE_CALL_TIMED_OUT);
    cr_expect_eq(queue_call_progress(call), QUEUE_CALL_KEPT_THERE);
    cr_expect_str_eq(queue_call_id(call), "an-id");
    const QueueAnswer told = {.id = "an-id", .status = EX_NOUSER, .text = "nobody", .final = TRUE};
    queue_peer_answer(place->waiting, &told, note_heard, place);
    cr_expect(!place->was_heard);
    cr_expect_eq(await(call, &verdict), QUEUE_CALL_ANSWERED);
    cr_expect_eq(verdict.status, EX_NOUSER);
    cr_expect_str_eq(verdict.text, "nobody");
    serve();
    cr_expect(place->was_heard && place->heard);
    cr_expect_eq(queue_socket_peers(place->socket), 0);
}

Test(queue_socket, a_final_verdict_that_nobody_acknowledges_was_not_heard)
{
    g_autoptr(Place) place = make_place();
    QueueCall *call = call_of(place);
    cr_assert(queue_call_deliver(call, "an-id", NULL));
    serve();
    queue_call_free(call);
    serve();
    const QueueAnswer told = {.id = "an-id", .text = "", .final = TRUE};
    queue_peer_answer(place->waiting, &told, note_heard, place);
    serve();
    cr_expect(place->was_heard && !place->heard);
}

static QueueSubmission submission_of(const Place *place, GPtrArray *recipients, gint64 size)
{
    g_autofree char *path = g_build_filename(place->folder, "own", NULL);
    cr_assert(g_file_set_contents(path, BODY, -1, NULL));
    g_ptr_array_add(recipients, "a@example.com");
    return (QueueSubmission){.recipients = recipients,
                             .deliver = "now",
                             .size = size,
                             .fd = open(path, O_RDONLY | O_CLOEXEC)};
}

Test(queue_socket, a_message_whose_end_is_given_away_may_be_sent_until_the_answer_says_no)
{
    g_autoptr(Place) place = make_place();
    g_autoptr(QueueCall) call = call_of(place);
    g_autoptr(GPtrArray) recipients = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    g_auto(QueueVerdict) verdict = {0};
    QueueSubmission submission = submission_of(place, recipients, strlen(BODY));
    cr_expect_eq(queue_call_progress(call), QUEUE_CALL_NOTHING);
    cr_assert(queue_call_submit(call, &submission, 1000, &error));
    cr_expect_eq(queue_call_progress(call), QUEUE_CALL_UNCLEAR);
    serve();
    cr_assert_not_null(place->submitted);
    cr_expect_eq(place->submitted->uid, geteuid());
    cr_expect_eq(place->submitted->size, (gint64)strlen(BODY));
    queue_peer_hear(place->waiting, "an-id", FALSE);
    cr_expect_eq(await(call, &verdict), QUEUE_CALL_TIMED_OUT);
    cr_expect_eq(queue_call_progress(call), QUEUE_CALL_HAS_ID);
    g_autoptr(GError) full = g_error_new_literal(POSTKEY_ERROR, POSTKEY_ERROR_IO, "disk full");
    queue_peer_refuse(place->waiting, full);
    cr_expect_eq(await(call, &verdict), QUEUE_CALL_FAILED);
    cr_expect_eq(queue_call_progress(call), QUEUE_CALL_REFUSED);
    (void)close(submission.fd);
}

Test(queue_socket, one_peer_too_many_is_told_to_come_again)
{
    g_autoptr(Place) place = make_place();
    g_autoptr(GPtrArray) calls = g_ptr_array_new_with_free_func((GDestroyNotify)queue_call_free);
    g_auto(QueueVerdict) verdict = {0};
    for (guint i = 0; i < QUEUE_SOCKET_PEERS_MAX; i++)
        g_ptr_array_add(calls, call_of(place));
    serve();
    g_autoptr(QueueCall) one_more = call_of(place);
    cr_expect_eq(await(one_more, &verdict), QUEUE_CALL_BUSY);
    cr_expect_eq(queue_socket_peers(place->socket), QUEUE_SOCKET_PEERS_MAX);
    g_ptr_array_remove_index(calls, 0);
    serve();
    g_autoptr(QueueCall) again = call_of(place);
    cr_expect_eq(await(again, &verdict), QUEUE_CALL_TIMED_OUT, "it is served");
}

Test(queue_socket, nonsense_ends_the_connection_and_leaves_nothing)
{
    static const char *const nonsense[] = {"", "x", "{}", "{\"method\":1}", "[]", "\xff"};
    g_autoptr(Place) place = make_place();
    for (gsize i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        int fd = raw(place, nonsense[i], strlen(nonsense[i]) + 1);
        cr_expect(is_ended(fd), "%s", nonsense[i]);
        (void)close(fd);
    }
    cr_expect_eq(queue_socket_peers(place->socket), 0);
}

Test(queue_socket, a_call_in_pieces_is_one_call_and_an_endless_one_is_none)
{
    g_autoptr(Place) place = make_place();
    const char *text = "{\"method\":\"org.postkey.Queue.Deliver\",\"parameters\":{\"id\":\"i\"}}";
    int fd = raw(place, text, 1);
    for (gsize at = 1; at <= strlen(text); at++) {
        cr_assert_eq(write(fd, text + at, 1), 1);
        serve();
    }
    cr_expect_str_eq(place->id, "i");
    g_autofree char *much = g_strnfill(64 * 1024, 'x');
    int endless = raw(place, much, 64 * 1024);
    gboolean ended = FALSE;
    for (guint i = 0; i < 64 && !ended; i++) {
        ended = send(endless, much, 64 * 1024, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
        serve();
    }
    cr_expect(ended);
    cr_expect_eq(queue_socket_peers(place->socket), 1);
    (void)close(endless);
    (void)close(fd);
    serve();
    const QueueAnswer told = {.id = "i", .text = ""};
    queue_peer_answer(place->waiting, &told, NULL, NULL);
}

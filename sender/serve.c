#include "serve.h"

#include "address.h"
#include "caller.h"
#include "direct.h"
#include "errors.h"
#include "fileio.h"
#include "fold.h"
#include "intake.h"
#include "local_login.h"
#include "smtpd.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* As large as any provider's SIZE that is known: Microsoft's. */
#define SERVE_SIZE_MAX ((gint64)157286400)

static gboolean is_equal(gconstpointer a, gconstpointer b)
{
    return address_equal(a, b);
}

/* Moves those of found that are not among recipients to them; all, or none where they are too many.
 */
static gboolean add_new(GPtrArray *found, GPtrArray *recipients, GError **error)
{
    g_autoptr(GHashTable) known = g_hash_table_new(address_hash, is_equal);
    g_autoptr(GPtrArray) fresh = g_ptr_array_new();
    for (guint i = 0; i < recipients->len; i++)
        g_hash_table_add(known, g_ptr_array_index(recipients, i));
    for (guint i = 0; i < found->len; i++)
        if (g_hash_table_add(known, g_ptr_array_index(found, i)))
            g_ptr_array_add(fresh, g_ptr_array_index(found, i));
    if (fresh->len > ADDRESS_LIST_MAX - recipients->len) {
        error_set(error, POSTKEY_ERROR_THROTTLED, NULL, "send it in several parts",
                  "with these the message has more than %u recipients", ADDRESS_LIST_MAX);
        return FALSE;
    }
    for (guint i = 0; i < fresh->len; i++)
        g_ptr_array_add(recipients, g_strdup(g_ptr_array_index(fresh, i)));
    return TRUE;
}

static gboolean accept_recipient(const char *address, GPtrArray *recipients,
                                 G_GNUC_UNUSED gpointer data, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(found, g_strdup(address));
    return caller_expand(found, error) && add_new(found, recipients, error);
}

static int take_message(const SmtpdMail *mail, gpointer data)
{
    const Options *options = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(Dispatch) dispatch = dispatch_open(options, &error);
    int fd = dispatch ? dispatch_take(dispatch, mail->fd, &error) : -1;
    (void)close(mail->fd); /* has no name: it is gone by this */
    Message *message = fd >= 0 ? caller_scan(fd, &error) : NULL;
    if (!message)
        return direct_fail(error);
    DeliveryRequest request = caller_request(options, mail->sender, message);
    return dispatch_send(dispatch, &request, mail->recipients);
}

/* --local: what is sent from now on is sent as the account of this login. */
static SmtpdLogin log_in(const char *name, const Secret *password, gpointer data)
{
    Options *options = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *account = NULL;
    if (!local_login_check(options->scope, name, password, &account, &error)) {
        (void)direct_fail(error); /* the peer is told */
        return SMTPD_LOGIN_UNKNOWN;
    }
    g_free(options->account);
    options->account = g_steal_pointer(&account);
    if (options->account)
        return SMTPD_LOGIN_OK;
    fputs(DIRECT_PROGRAM ": a login was refused: the name or the password is wrong\n", stderr);
    return SMTPD_LOGIN_REFUSED;
}

/* A password goes over this line in the clear: it stays on this machine, unless somebody has said
 * otherwise. */
static gboolean check_peer(const Options *options)
{
    static const char refusal[] = "554 5.7.1 this port is for programs of its own machine\r\n";
    g_autofree char *peer = NULL;
    if (!options->local || local_login_peer_is_near(STDIN_FILENO, &peer) || options->any_peer)
        return TRUE;
    (void)fileio_write_all(STDOUT_FILENO, refusal, strlen(refusal), NULL); /* or it has gone */
    fold_print(stderr,
               DIRECT_PROGRAM
               ": a peer of another machine was turned away: %s\n"
               "  What it means: names and passwords of \"postkey local\" are for "
               "this machine: there is no TLS\n"
               "  What to do:    listen at 127.0.0.1 alone; --any-peer for a network "
               "that nobody else can hear\n",
               peer);
    return FALSE;
}

int serve_smtp(Options *options)
{
    const char *host = g_get_host_name();
    options->dot_is_text = TRUE; /* SMTP has its own end */
    SmtpdHost served = {.host = address_is_domain(host) ? host : ADDRESS_LOCAL_DOMAIN,
                        .size_max = SERVE_SIZE_MAX,
                        .timeout_ms = SMTPD_TIMEOUT_MS,
                        .words_go_to = options->local ? "the log" : "standard error",
                        .login = options->local ? log_in : NULL,
                        .login_timeout_ms = SMTPD_LOGIN_TIMEOUT_MS,
                        .accept = accept_recipient,
                        .take = take_message,
                        .data = options};
    if (!check_peer(options))
        return EX_NOPERM;
    int status = smtpd_serve(&served, STDIN_FILENO, STDOUT_FILENO);
    if (status != EX_OK)
        fputs(
            DIRECT_PROGRAM
            ": the dialogue ended before it was over (-bs)\n"
            "  What it means: a message that had not come to its end was dropped; one whose "
            "answer\n"
            "                 could not be said may have been taken\n"
            "  What to do:    end each line with CR and LF, the text with a dot alone on a line,\n"
            "                 and the dialogue with QUIT\n",
            stderr);
    return status;
}

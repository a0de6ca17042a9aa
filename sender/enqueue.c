#include "enqueue.h"

#include "address.h"
#include "errors.h"
#include "message.h"
#include "stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The domain of a Message-ID: the sender's; of nobody's mail this machine's. Borrowed. */
static const char *id_domain(const EnqueueRequest *request, const Message *message)
{
    const char *from = request->from && *request->from ? request->from : message_from(message);
    if (from && !address_is_local(from, NULL))
        return address_domain(from);
    return address_is_domain(g_get_host_name()) ? g_get_host_name() : "localhost";
}

/* The notices in the words of SMTP, which may come from another process. */
static gboolean take_dsn(const SmtpDsn *dsn, Envelope *envelope, GError **error)
{
    static const struct {
        const char *word;
        EnvelopeNotify notify;
    } words[] = {{"NEVER", ENVELOPE_NOTIFY_NEVER},
                 {"SUCCESS", ENVELOPE_NOTIFY_SUCCESS},
                 {"FAILURE", ENVELOPE_NOTIFY_FAILURE},
                 {"DELAY", ENVELOPE_NOTIFY_DELAY}};
    g_auto(GStrv) parts = g_strsplit(dsn->notify ? dsn->notify : "", ",", -1);
    gboolean known = TRUE;
    for (char **part = parts; *part && known; part++) {
        known = FALSE;
        for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
            if (strcmp(*part, words[i].word) == 0) {
                envelope->notify |= words[i].notify;
                known = TRUE;
            }
        }
    }
    if (envelope->notify & ENVELOPE_NOTIFY_NEVER && envelope->notify != ENVELOPE_NOTIFY_NEVER)
        known = FALSE;
    if (dsn->ret)
        envelope->ret = strcmp(dsn->ret, "FULL") == 0 ? ENVELOPE_RET_FULL : ENVELOPE_RET_HDRS;
    envelope_set_text(&envelope->envid, dsn->envelope_id);
    if (!known)
        error_set(error, POSTKEY_ERROR_REFUSED, NULL, NULL, "delivery notices that there are not");
    return known;
}

static Envelope *describe(const EnqueueRequest *request, const Message *message)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    Envelope *envelope = envelope_new();
    envelope->created_at = envelope->counted_at = now;
    envelope->next_at = request->at_once ? now : now + ENQUEUE_GRACE_S;
    envelope->uid = request->uid;
    envelope->scope = request->scope;
    envelope->account = g_strdup(request->account);
    envelope->from = g_strdup(request->from);
    envelope_set_text(&envelope->full_name, request->full_name);
    envelope->stamp_date = stamp_date(now);
    envelope->stamp_message_id = stamp_message_id(id_domain(request, message));
    envelope_set_text(&envelope->message_id,
                      message_id(message) ? message_id(message) : envelope->stamp_message_id);
    for (guint i = 0; i < request->recipients->len; i++)
        (void)envelope_add_recipient(envelope, g_ptr_array_index(request->recipients, i));
    return envelope;
}

SpoolEntry *enqueue(const Spool *spool, int fd, const EnqueueRequest *request, GError **error)
{
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (again < 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot open the message again: %s",
                  g_strerror(errno));
        (void)close(fd); /* has no name: it is gone by this */
        return NULL;
    }
    g_autoptr(Message) message = message_scan(again, error);
    if (!message) {
        (void)close(fd); /* as above */
        return NULL;
    }
    g_autoptr(Envelope) envelope = describe(request, message);
    if (!take_dsn(&request->dsn, envelope, error)) {
        (void)close(fd); /* as above */
        return NULL;
    }
    return spool_add(spool, fd, g_steal_pointer(&envelope), NULL, error);
}

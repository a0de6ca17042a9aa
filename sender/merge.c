#include "merge.h"

#include "address.h"

struct Merge {
    const SmtpMail *whole;
    SmtpMail once;
    guint *of; /* for each recipient of whole: which one of once stands for it */
};

static void share(const Merge *merge)
{
    for (guint i = 0; i < merge->whole->n_recipients; i++) {
        const SmtpRecipient *decided = &merge->once.recipients[merge->of[i]];
        SmtpRecipient *recipient = &merge->whole->recipients[i];
        smtp_recipient_clear(recipient);
        recipient->outcome = decided->outcome;
        recipient->reply = g_strdup(decided->reply);
        recipient->diagnosis = decided->diagnosis;
    }
}

static gboolean about_to_commit(gpointer data, GError **error)
{
    const Merge *merge = data;
    share(merge);
    return merge->whole->about_to_commit(merge->whole->commit_data, error);
}

static gboolean is_equal(gconstpointer a, gconstpointer b)
{
    return address_equal(a, b);
}

/* Fills in of[], and moves those that stand for others to the front of some. Returns how many. */
static guint collect(const SmtpMail *mail, SmtpRecipient *some, guint *of)
{
    g_autoptr(GHashTable) known = g_hash_table_new(address_hash, is_equal);
    guint n = 0;
    for (guint i = 0; i < mail->n_recipients; i++) {
        gpointer before;
        gpointer address = (gpointer)mail->recipients[i].address;
        if (g_hash_table_lookup_extended(known, address, NULL, &before)) {
            of[i] = GPOINTER_TO_UINT(before);
            continue;
        }
        g_hash_table_insert(known, address, GUINT_TO_POINTER(n));
        some[n] = (SmtpRecipient){.address = address, .original = mail->recipients[i].original};
        of[i] = n++;
    }
    return n;
}

Merge *merge_begin(const SmtpMail *mail)
{
    g_autofree SmtpRecipient *some = g_new0(SmtpRecipient, mail->n_recipients);
    g_autofree guint *of = g_new0(guint, mail->n_recipients);
    guint n = collect(mail, some, of);
    if (n == mail->n_recipients)
        return NULL;
    Merge *merge = g_new0(Merge, 1);
    merge->whole = mail;
    merge->once = *mail;
    merge->once.recipients = g_steal_pointer(&some);
    merge->once.n_recipients = n;
    merge->once.about_to_commit = mail->about_to_commit ? about_to_commit : NULL;
    merge->once.commit_data = merge;
    merge->of = g_steal_pointer(&of);
    return merge;
}

const SmtpMail *merge_mail(const Merge *merge)
{
    return &merge->once;
}

void merge_end(Merge *merge)
{
    if (!merge)
        return;
    share(merge);
    for (guint i = 0; i < merge->once.n_recipients; i++)
        smtp_recipient_clear(&merge->once.recipients[i]);
    g_free(merge->once.recipients);
    g_free(merge->of);
    g_free(merge);
}

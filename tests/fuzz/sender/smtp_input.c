/* A whole conversation with postkey-send -bs: all that a peer says before it hangs up. Taken: at
 * least one message came to its end. Where AUTH is in it, it is one with a login (--local): wiki,
 * whose password is secret. */

#include "address.h"
#include "fuzz.h"
#include "smtpd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_OF_A_MESSAGE 5000

static gboolean accept_recipient(const char *address, GPtrArray *recipients,
                                 G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED GError **error)
{
    g_assert_true(address_check(address, NULL));
    g_ptr_array_add(recipients, g_strdup(address));
    return TRUE;
}

typedef struct {
    guint taken;
    gboolean may_send;
} Conversation;

static SmtpdLogin log_in(const char *name, const Secret *password, gpointer data)
{
    Conversation *conversation = data;
    g_assert_true(g_utf8_validate(name, -1, NULL));
    conversation->may_send =
        strcmp(name, "wiki") == 0 && strcmp(secret_reveal(password), "secret") == 0;
    return conversation->may_send ? SMTPD_LOGIN_OK : SMTPD_LOGIN_REFUSED;
}

static int take(const SmtpdMail *mail, gpointer data)
{
    Conversation *conversation = data;
    struct stat st;
    g_assert_true(conversation->may_send);
    g_assert_true(!*mail->sender || address_check(mail->sender, NULL));
    g_assert_cmpuint(mail->recipients->len, >, 0);
    g_assert_cmpint(fstat(mail->fd, &st), ==, 0);
    g_assert_cmpint(st.st_size, <=, SIZE_MAX_OF_A_MESSAGE);
    (void)close(mail->fd); /* has no name: it is gone by this */
    conversation->taken++;
    return 0;
}

/* The replies are lines of three digits, whatever was said. */
static void check_replies(int fd)
{
    gsize len = (gsize)lseek(fd, 0, SEEK_END);
    g_autofree char *text = g_malloc0(len + 1);
    g_assert_cmpint(pread(fd, text, len, 0), ==, (gssize)len);
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    for (char **line = lines; *line && **line; line++)
        g_assert_true(g_ascii_isdigit((*line)[0]) && g_ascii_isdigit((*line)[1]) &&
                      g_ascii_isdigit((*line)[2]) && ((*line)[3] == ' ' || (*line)[3] == '-') &&
                      g_str_is_ascii(*line));
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    gboolean with_login = memmem(bytes, len, "AUTH", 4) != NULL;
    Conversation conversation = {.may_send = !with_login};
    int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
    SmtpdHost host = {.host = "web1",
                      .size_max = SIZE_MAX_OF_A_MESSAGE,
                      .timeout_ms = SMTPD_TIMEOUT_MS,
                      .words_go_to = "standard error",
                      .login = with_login ? log_in : NULL,
                      .login_timeout_ms = SMTPD_LOGIN_TIMEOUT_MS,
                      .accept = accept_recipient,
                      .take = take,
                      .data = &conversation};
    g_assert_true(in >= 0 && out >= 0);
    g_assert_cmpint(write(in, bytes, len), ==, (gssize)len);
    g_assert_cmpint(lseek(in, 0, SEEK_SET), ==, 0);
    (void)smtpd_serve(&host, in, out); /* any end will do */
    check_replies(out);
    (void)close(in); /* both are memory */
    (void)close(out);
    return conversation.taken > 0 ? FUZZ_TAKEN : FUZZ_REFUSED;
}

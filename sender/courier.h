/* A courier carries messages of one account: one session of the broker and one of the submission
 * server, kept for as many messages as come. It connects and logs in with the first one, while the
 * broker may still be refreshing, and again when the server has closed meanwhile.
 *
 * Of one thread at a time.
 */
#pragma once

#include "account_session.h"

typedef struct Courier Courier;

/* Asks the broker for a session; the network is not touched yet. As account_session_open(). Returns
 * owned. */
Courier *courier_open(const AccountRequest *request, GError **error);

/* Ends both sessions. NULL is fine. */
void courier_close(Courier *courier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Courier, courier_close)

/* Whose broker it was opened by. */
PathsScope courier_scope(const Courier *courier);

/* Borrowed from the courier. */
const Route *courier_route(const Courier *courier);

/* Whether the broker, asked for no account by name, chooses this courier's for mail from this
 * address (NULL: none): it was asked that once, or it is the account's address. */
gboolean courier_is_chosen_by(const Courier *courier, const char *from);

/* Whether the broker, where it chose by that address or by default, would choose the account again:
 * it is asked. One that it was told to use is chosen for good. FALSE: close the courier. */
gboolean courier_is_still_chosen(Courier *courier, const char *from);

/* Whether it has a session of the server that can take another message, as far as is known. */
gboolean courier_is_connected(const Courier *courier);

/* Whether the server of the last message makes delivery notices itself. */
gboolean courier_offers_dsn(const Courier *courier);

/* The server that it is connected to; NULL: to none. Borrowed from the courier. */
const SmtpServer *courier_server(const Courier *courier);

/* No wait for the server goes beyond this point; 0: each step has its own deadline alone. */
void courier_give_up_at(Courier *courier, Deadline until);

/* Called while the answer to a login is waited for (SmtpRoad), with data; NULL: nothing is. */
void courier_meanwhile(Courier *courier, void (*meanwhile)(gpointer data), gpointer data);

/* Delivers mail, whose sender may be NULL: the account's address; to each address once (merge.h),
 * in as many parts as the route's recipients_max asks for, and fills in the outcomes. FALSE with
 * *error where one reason holds for all that are left; *refusal is then the diagnosis of the
 * server's reply behind it, NULL where there is none. A token that the server refuses is reported
 * to the broker; where that gives another one, it is tried once. A session that was kept and turns
 * out to be dead before the message could be the server's is replaced at once: that is no failure
 * of the message. */
gboolean courier_deliver(Courier *courier, const SmtpMail *mail, const Diagnosis **refusal,
                         GError **error);

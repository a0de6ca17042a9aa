/* Callers that wait for the token of one account: a queue of them, each with a deadline.
 *
 * Each gets exactly one answer, or is cancelled; a waiter is gone before its callback runs.
 */
#pragma once

#include "secret.h"

typedef struct AccountWaiter AccountWaiter;

typedef struct {
    const char *user;
    const Secret *token;  /* borrowed for the callback */
    gint64 expires_at;    /* wall clock, seconds */
    const Secret *answer; /* that account_keep_answer() kept; NULL: none */
} AccountToken;

/* Exactly one of token and error is there. */
typedef void (*AccountTokenDone)(const AccountToken *token, const GError *error, gpointer data);

/* Joins the queue (of AccountWaiter, which owns it) for at most timeout_s; then it is told
 * POSTKEY_ERROR_UNAVAILABLE about the account of that name (borrowed, outlives the queue). content:
 * an old token that is still valid will do where there is no fresh one. */
AccountWaiter *account_waiter_new(GQueue *queue, const char *account_name, gboolean content,
                                  gint64 timeout_s, AccountTokenDone done, gpointer data);

/* Joins the queue to be told error (taken) from the main loop, and nothing else. */
AccountWaiter *account_waiter_refuse(GQueue *queue, GError *error, AccountTokenDone done,
                                     gpointer data);

/* The caller went away; done does not run. NULL is fine. */
void account_waiter_cancel(AccountWaiter *waiter);

/* Answers everybody who waits now, but for those who were refused; who joins meanwhile waits for
 * the next round. error: NULL where token is fresh; else token, which may be NULL, is still valid,
 * and for those who are content with it. Whether anybody got the token. */
gboolean account_waiters_answer(GQueue *queue, const AccountToken *token, const GError *error);

/* The account is gone: everybody is told. */
void account_waiters_refuse_all(GQueue *queue, const GError *error);

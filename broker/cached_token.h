/* The access token of one account, as long as it lives.
 *
 * Its end is a deadline on CLOCK_BOOTTIME (timer.h); the wall clock is only for show, and follows
 * when it is set. With the token goes what GetToken answers, which tells it and is gone with it.
 */
#pragma once

#include "secret.h"

/* token is NULL where there is none; the rest means nothing then, but expires_at, which is -1. */
typedef struct {
    Secret *token;
    Secret *answer; /* which tells the token; NULL: nobody asked yet */
    gint64 life_s;
    gint64 ends_us;    /* CLOCK_BOOTTIME */
    gint64 expires_at; /* wall clock, seconds */
} CachedToken;

/* The default of a validity that is asked for: 60 s, or a tenth of a shorter token's life. */
#define CACHED_TOKEN_VALIDITY_DEFAULT (-1)

void cached_token_init(CachedToken *cached);

/* A token (borrowed, copied) that was just issued for expires_in_s; < 0: the provider does not say,
 * which means an hour (RFC 6749 section 5.1). More than a year counts as a year. */
void cached_token_put(CachedToken *cached, const Secret *token, gint64 expires_in_s);

/* Wipes both, the token and the answer. */
void cached_token_clear(CachedToken *cached);

/* The answer alone: what it says besides the token has changed. */
void cached_token_drop_answer(CachedToken *cached);

/* Seconds that the token is still valid for; 0 or less: not any more, or there is none. */
gint64 cached_token_left_s(const CachedToken *cached);

/* Whether it is valid for validity_s more. A validity beyond the token's life means four fifths of
 * that life: who asks for too much gets a fresh token, and the provider no storm. */
gboolean cached_token_lasts(const CachedToken *cached, gint64 validity_s);

/* When it ends by the wall clock as it stands now; -1: there is none that is valid. */
gint64 cached_token_expires_at(const CachedToken *cached);

/* Brings expires_at in step with a wall clock that was set; an answer that tells the old time is
 * dropped. To be called before either is handed out. */
void cached_token_follow_wall_clock(CachedToken *cached);

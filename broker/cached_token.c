#include "cached_token.h"

#include "timer.h"

#define VALIDITY_DEFAULT_S 60
#define LIFE_DEFAULT_S 3600
#define LIFE_MAX_S (366 * 24 * 3600)

void cached_token_init(CachedToken *cached)
{
    *cached = (CachedToken){.expires_at = -1};
}

void cached_token_clear(CachedToken *cached)
{
    secret_free(cached->token);
    secret_free(cached->answer);
    cached_token_init(cached);
}

void cached_token_drop_answer(CachedToken *cached)
{
    g_clear_pointer(&cached->answer, secret_free);
}

void cached_token_put(CachedToken *cached, const Secret *token, gint64 expires_in_s)
{
    gint64 life_s = expires_in_s >= 0 ? MIN(expires_in_s, LIFE_MAX_S) : LIFE_DEFAULT_S;
    cached_token_clear(cached);
    *cached = (CachedToken){.token = secret_dup(token),
                            .life_s = life_s,
                            .ends_us = timer_now_us() + life_s * G_USEC_PER_SEC,
                            .expires_at = g_get_real_time() / G_USEC_PER_SEC + life_s};
}

gint64 cached_token_left_s(const CachedToken *cached)
{
    return cached->token ? (cached->ends_us - timer_now_us()) / G_USEC_PER_SEC : 0;
}

gboolean cached_token_lasts(const CachedToken *cached, gint64 validity_s)
{
    gint64 left_s = cached_token_left_s(cached);
    gint64 wanted_s = validity_s == CACHED_TOKEN_VALIDITY_DEFAULT
                          ? MIN(VALIDITY_DEFAULT_S, cached->life_s / 10)
                          : MIN(validity_s, cached->life_s * 4 / 5);
    return left_s > 0 && left_s >= wanted_s;
}

/* Never otherwise than before for a rounding. */
static gint64 expires_at_now(const CachedToken *cached)
{
    gint64 at = (g_get_real_time() + cached->ends_us - timer_now_us()) / G_USEC_PER_SEC;
    return ABS(at - cached->expires_at) <= 1 ? cached->expires_at : at;
}

gint64 cached_token_expires_at(const CachedToken *cached)
{
    return cached_token_left_s(cached) > 0 ? expires_at_now(cached) : -1;
}

void cached_token_follow_wall_clock(CachedToken *cached)
{
    gint64 at = cached->token ? expires_at_now(cached) : -1;
    if (at == cached->expires_at)
        return;
    cached->expires_at = at;
    cached_token_drop_answer(cached);
}

#include "cached_token.h"

#include <criterion/criterion.h>

TestSuite(cached_token, .timeout = 60);

static CachedToken cached;

static void start(void)
{
    cached_token_init(&cached);
}

static void end(void)
{
    cached_token_clear(&cached);
}

static void put(gint64 expires_in_s)
{
    g_autoptr(Secret) token = secret_new("ya29.token", 10);
    cached_token_put(&cached, token, expires_in_s);
}

Test(cached_token, without_one_nothing_lasts, .init = start, .fini = end)
{
    cr_expect_eq(cached_token_left_s(&cached), 0);
    cr_expect_not(cached_token_lasts(&cached, 0));
    cr_expect_not(cached_token_lasts(&cached, CACHED_TOKEN_VALIDITY_DEFAULT));
    cr_expect_eq(cached_token_expires_at(&cached), -1);
    cached_token_follow_wall_clock(&cached);
    cr_expect_eq(cached.expires_at, -1);
}

Test(cached_token, a_provider_that_does_not_say_means_an_hour_and_none_more_than_a_year,
     .init = start, .fini = end)
{
    put(-1);
    cr_expect_eq(cached.life_s, 3600);
    put(G_MAXINT64);
    cr_expect_eq(cached.life_s, 366 * 24 * 3600);
    put(0);
    cr_expect_not(cached_token_lasts(&cached, 0));
}

Test(cached_token, a_validity_beyond_its_life_means_four_fifths_of_it, .init = start, .fini = end)
{
    put(1000);
    cr_expect(cached_token_lasts(&cached, G_MAXINT64));
    cached.ends_us -= (gint64)300 * G_USEC_PER_SEC; /* as if it were 300 s old */
    cr_expect_not(cached_token_lasts(&cached, G_MAXINT64));
    cr_expect_not(cached_token_lasts(&cached, 750));
    cr_expect(cached_token_lasts(&cached, 600));
}

Test(cached_token, by_default_a_tenth_of_a_short_life_is_enough, .init = start, .fini = end)
{
    put(100);
    cached.ends_us -= (gint64)80 * G_USEC_PER_SEC;
    cr_expect(cached_token_lasts(&cached, CACHED_TOKEN_VALIDITY_DEFAULT));
    cached.ends_us -= (gint64)12 * G_USEC_PER_SEC;
    cr_expect_not(cached_token_lasts(&cached, CACHED_TOKEN_VALIDITY_DEFAULT));
}

Test(cached_token, an_answer_that_tells_another_time_is_dropped, .init = start, .fini = end)
{
    put(3600);
    cached.answer = secret_new("{}", 2);
    cached_token_follow_wall_clock(&cached);
    cr_expect_not_null(cached.answer);
    cached.expires_at += 120; /* as if the clock had been set back since */
    cached_token_follow_wall_clock(&cached);
    cr_expect_null(cached.answer);
    cr_expect_leq(ABS(cached_token_expires_at(&cached) - g_get_real_time() / G_USEC_PER_SEC - 3600),
                  2);
}

Test(cached_token, another_token_takes_the_answer_with_it, .init = start, .fini = end)
{
    put(3600);
    cached.answer = secret_new("{}", 2);
    put(3600);
    cr_expect_null(cached.answer);
    cr_expect_not_null(cached.token);
}

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The allocator's functions of broker/wipe.c, as a program meets them; like it, not part of a
 * sanitizer build. Sizes are hidden from the compiler, which knows what the standard promises. */

static volatile size_t hidden;

static size_t size_of(size_t size)
{
    hidden = size;
    return hidden;
}

static void assert_filled(const char *block, size_t len)
{
    for (size_t i = 0; i < len; i++)
        cr_assert_eq((unsigned char)block[i], (unsigned char)(i * 7 + 1), "byte %zu", i);
}

Test(wipe, what_fits_is_kept_when_a_block_grows_and_shrinks)
{
    static const size_t sizes[] = {1,   24,  25,     40,      1000, 999, 500, 499, 100000,
                                   300, 301, 200000, 5000000, 17,   16,  8,   4096};
    size_t len = 0;
    char *block = NULL;
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        char *moved = realloc(block, size_of(sizes[n]));
        cr_assert_not_null(moved);
        block = moved;
        assert_filled(block, len < sizes[n] ? len : sizes[n]);
        len = sizes[n];
        for (size_t i = 0; i < len; i++)
            block[i] = (char)(i * 7 + 1);
    }
    free(block);
}

Test(wipe, a_block_with_an_alignment_of_its_own_can_grow_and_be_freed)
{
    for (size_t alignment = 16; alignment <= 65536; alignment *= 4) {
        void *block = NULL;
        cr_assert_eq(posix_memalign(&block, alignment, size_of(100)), 0);
        for (size_t i = 0; i < 100; i++)
            ((char *)block)[i] = (char)(i * 7 + 1);
        char *moved = realloc(block, size_of(100000));
        cr_assert_not_null(moved);
        assert_filled(moved, 100);
        free(moved);
        cr_assert_eq(posix_memalign(&block, alignment, size_of(100)), 0);
        free(block);
    }
}

Test(wipe, what_cannot_be_had_leaves_the_block_as_it_was)
{
    char *volatile block = malloc(size_of(100)); /* gcc takes it for freed below */
    cr_assert_not_null(block);
    for (size_t i = 0; i < 100; i++)
        block[i] = (char)(i * 7 + 1);
    errno = 0;
    cr_assert_null(reallocarray(block, size_of(SIZE_MAX / 2), 4));
    cr_assert_eq(errno, ENOMEM);
    assert_filled(block, 100);
    free(block);
}

Test(wipe, freeing_is_seen_in_no_errno)
{
    char *block = malloc(size_of(1000000)); /* its pages go back at once */
    cr_assert_not_null(block);
    errno = EAGAIN;
    free(block);
    free(NULL);
    cr_assert_eq(errno, EAGAIN);
}

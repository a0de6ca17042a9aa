/* The broker's own free() and realloc(): every block is wiped before it can be given to somebody
 * else, whoever allocated it. What we hold is in Secret; but libraries (TLS, D-Bus, curl, cJSON)
 * copy tokens into buffers of their own, and free these as they are.
 *
 * They stand in front of glibc's for the whole process, since the program comes first when symbols
 * are looked up. glibc's allocation functions stay, and so does its heap: only what leaves it
 * passes here. __libc_free() and __libc_malloc() are the names that glibc exports for whoever does
 * this.
 *
 * Not part of a sanitizer build, which has an allocator of its own. */

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);

/* free() leaves errno as it is (POSIX.1-2024). */
void free(void *block)
{
    if (!block)
        return;
    int code = errno;
    explicit_bzero(block, malloc_usable_size(block));
    __libc_free(block);
    errno = code;
}

/* glibc's own would leave a copy behind whenever it moves the block, and the tail when it shrinks
 * in place. */
void *realloc(void *block, size_t size)
{
    if (!block)
        return __libc_malloc(size);
    if (size == 0) { /* as glibc does: it is freed */
        free(block);
        return NULL;
    }
    size_t room = malloc_usable_size(block);
    if (size <= room && size >= room / 2) {
        explicit_bzero((char *)block + size, room - size);
        return block;
    }
    void *moved = __libc_malloc(size);
    if (!moved)
        return NULL; /* the block stays as it was */
    memcpy(moved, block, size < room ? size : room);
    free(block);
    return moved;
}

/* Calls the realloc() above; glibc's may not. */
void *reallocarray(void *block, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, total);
}

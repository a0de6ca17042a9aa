#include "secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Shorter texts would redact innocent words. */
#define REDACT_MIN_LEN 8

/* So many letters of a secret in a row are no accident. */
#define REDACT_PIECE_LEN 16

struct Secret {
    gsize mapped_len;
    gsize len;
    gboolean in_pieces;
    Secret *previous, *next; /* all living secrets, for secret_redact() */
    char text[];
};

/* A runner's workers have secrets at the same time. */
static GMutex living_lock;
static Secret *living;

static gsize page_round(gsize len)
{
    gsize page = (gsize)sysconf(_SC_PAGESIZE);
    return (len + page - 1) / page * page;
}

static Secret *secret_alloc(gsize len)
{
    gsize mapped_len = page_round(sizeof(Secret) + len + 1);
    Secret *secret =
        mmap(NULL, mapped_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret == MAP_FAILED)
        g_error("out of memory for a secret of %" G_GSIZE_FORMAT " bytes", len);
    /* Each of these is a second line of defence: where the system has no room for it, we go on. */
    (void)mlock(secret, mapped_len);
    (void)madvise(secret, mapped_len, MADV_DONTDUMP);
    (void)madvise(secret, mapped_len, MADV_WIPEONFORK);
    secret->mapped_len = mapped_len;
    secret->len = len;
    g_mutex_lock(&living_lock);
    secret->next = living;
    if (living)
        living->previous = secret;
    living = secret;
    g_mutex_unlock(&living_lock);
    return secret;
}

Secret *secret_new(const char *text, gssize len)
{
    if (!text)
        return NULL;
    gsize size = len < 0 ? strlen(text) : (gsize)len;
    if (size > SECRET_MAX_LEN || memchr(text, 0, size))
        return NULL;
    Secret *secret = secret_alloc(size);
    memcpy(secret->text, text, size);
    return secret;
}

Secret *secret_take(char *text)
{
    Secret *secret = secret_new(text, -1);
    secret_wipe_string(text);
    return secret;
}

Secret *secret_dup(const Secret *secret)
{
    return secret ? secret_new(secret->text, (gssize)secret->len) : NULL;
}

const char *secret_reveal(const Secret *secret)
{
    return secret->text;
}

gsize secret_len(const Secret *secret)
{
    return secret->len;
}

gboolean secret_equal(const Secret *a, const Secret *b)
{
    if (!a || !b)
        return a == b;
    if (a->len != b->len)
        return FALSE;
    unsigned difference = 0;
    for (gsize i = 0; i < a->len; i++)
        difference |= (unsigned)(a->text[i] ^ b->text[i]);
    return difference == 0;
}

void secret_free(Secret *secret)
{
    if (!secret)
        return;
    g_mutex_lock(&living_lock);
    if (secret->previous)
        secret->previous->next = secret->next;
    else
        living = secret->next;
    if (secret->next)
        secret->next->previous = secret->previous;
    g_mutex_unlock(&living_lock);
    gsize mapped_len = secret->mapped_len;
    explicit_bzero(secret, mapped_len);
    (void)munmap(secret, mapped_len); /* cannot fail for a mapping of ours */
}

void secret_wipe_string(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    g_free(text);
}

void secret_wipe_bytes(void *bytes, gsize len)
{
    if (bytes)
        explicit_bzero(bytes, len);
    g_free(bytes);
}

void secret_redact_in_pieces(Secret *secret)
{
    if (secret)
        secret->in_pieces = TRUE;
}

/* How many of the first letters of text stand in the secret too; 0 where they are too few. */
static gsize piece_len(const Secret *secret, const char *text)
{
    if (strnlen(text, REDACT_PIECE_LEN) < REDACT_PIECE_LEN)
        return 0;
    const char *found = memmem(secret->text, secret->len, text, REDACT_PIECE_LEN);
    if (!found)
        return 0;
    gsize len = REDACT_PIECE_LEN;
    while (text[len] && found[len] == text[len])
        len++;
    return len;
}

/* Takes text. Returns owned. */
static char *redact_pieces(char *text, const Secret *secret)
{
    GString *redacted = g_string_sized_new(strlen(text));
    for (const char *at = text; *at;) {
        gsize len = piece_len(secret, at);
        g_string_append_len(redacted, len > 0 ? "<secret>" : at, len > 0 ? 8 : 1);
        at += len > 0 ? len : 1;
    }
    secret_wipe_string(text);
    return g_string_free(redacted, FALSE);
}

char *secret_redact(const char *text)
{
    char *redacted = g_strdup(text);
    g_mutex_lock(&living_lock);
    for (const Secret *secret = living; secret; secret = secret->next)
        if (secret->in_pieces && secret->len >= REDACT_PIECE_LEN)
            redacted = redact_pieces(redacted, secret);
    for (const Secret *secret = living; secret; secret = secret->next) {
        if (secret->len < REDACT_MIN_LEN || !strstr(redacted, secret->text))
            continue;
        g_auto(GStrv) parts = g_strsplit(redacted, secret->text, -1);
        secret_wipe_string(redacted);
        redacted = g_strjoinv("<secret>", parts);
    }
    g_mutex_unlock(&living_lock);
    return redacted;
}

/* Secrets in memory: access tokens, refresh tokens, client secrets.
 *
 * A Secret lives in pages of its own: locked into memory where the limit allows, left out of core
 * dumps, gone in a child after fork, wiped before they are given back. It is text: it holds no NUL
 * and is ended by one. secret_reveal() is the only way to read one; its callers are few and
 * reviewed. A Secret never goes into an error, an argument, the environment, a file name or a log.
 *
 * Each secret belongs to one thread; secret_redact() may be called from any.
 */
#pragma once

#include <glib.h>

typedef struct Secret Secret;

/* The longest secret: far above any token in use (Google's access tokens are 2048 bytes at most).
 */
#define SECRET_MAX_LEN ((gsize)256 * 1024)

/* Copies len bytes of text (len < 0: up to its NUL). Returns owned; NULL when text is NULL, holds a
 * NUL, or is longer than SECRET_MAX_LEN. */
Secret *secret_new(const char *text, gssize len);

/* As secret_new(), and wipes and frees text, which must come from g_malloc(). */
Secret *secret_take(char *text);

/* A copy; NULL for NULL. Returns owned. */
Secret *secret_dup(const Secret *secret);

/* The text itself; valid as long as the secret. Borrowed. */
const char *secret_reveal(const Secret *secret);

gsize secret_len(const Secret *secret);

/* Compares in constant time for texts of equal length; NULL equals only NULL. */
gboolean secret_equal(const Secret *a, const Secret *b);

/* Wipes and frees. */
void secret_free(Secret *secret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Secret, secret_free)

/* Wipes text up to its NUL, or len bytes, then g_free()s it. For the copies that libraries make us
 * hold. */
void secret_wipe_string(char *text);
void secret_wipe_bytes(void *bytes, gsize len);

/* From now on secret_redact() finds pieces of it too (16 letters and more): for what is told to a
 * server, which may repeat it cut off, or in several lines. NULL is none. */
void secret_redact_in_pieces(Secret *secret);

/* text with every living secret replaced by "<secret>"; what the log prints. Returns owned. */
char *secret_redact(const char *text);

#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static GString *record;
static GHashTable *counts;
static const char *failing;
static guint failing_at;
static int failing_code;

void calls_record(void)
{
    if (record)
        g_string_free(record, TRUE);
    if (counts)
        g_hash_table_unref(counts);
    record = g_string_new(NULL);
    counts = g_hash_table_new(g_str_hash, g_str_equal);
    failing = NULL;
}

void calls_fail(const char *name, guint n, int code)
{
    calls_record();
    failing = name;
    failing_at = n;
    failing_code = code;
}

char *calls_made(void)
{
    return g_strdup(record->str);
}

guint calls_count(const char *name)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(counts, name));
}

/* TRUE: the call is to fail; errno is set. */
static gboolean note(const char *name, const char *detail)
{
    if (!record)
        return FALSE;
    guint count = calls_count(name) + 1;
    g_hash_table_insert(counts, (gpointer)name, GUINT_TO_POINTER(count));
    if (detail)
        g_string_append_printf(record, "%s%s%s%s", record->len ? ", " : "", name,
                               *detail ? " " : "", detail);
    if (!failing || strcmp(failing, name) != 0 || count != failing_at)
        return FALSE;
    errno = failing_code;
    return TRUE;
}

static const char *kind_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return "?";
    return S_ISDIR(st.st_mode) ? "folder" : st.st_nlink == 0 ? "message" : "file";
}

/* The names are given by asm, as the headers may have declared or inlined them otherwise. */
int called_fsync(int fd) __asm__("fsync");
int called_linkat(int from, const char *a, int to, const char *b, int flags) __asm__("linkat");
int called_renameat(int from, const char *a, int to, const char *b) __asm__("renameat");
int called_unlinkat(int folder, const char *name, int flags) __asm__("unlinkat");
int called_openat(int folder, const char *name, int flags, guint mode) __asm__("openat");
gssize called_write(int fd, const void *bytes, gsize len) __asm__("write");

int called_fsync(int fd)
{
    int code = errno;
    const char *kind = kind_of(fd);
    errno = code;
    return note("fsync", kind) ? -1 : (int)syscall(SYS_fsync, fd);
}

int called_linkat(int from, const char *a, int to, const char *b, int flags)
{
    return note("linkat", "") ? -1 : (int)syscall(SYS_linkat, from, a, to, b, flags);
}

int called_renameat(int from, const char *a, int to, const char *b)
{
    return note("renameat", "") ? -1 : (int)syscall(SYS_renameat2, from, a, to, b, 0);
}

int called_unlinkat(int folder, const char *name, int flags)
{
    const char *end = strrchr(name, '.');
    return note("unlinkat", end ? end : name) ? -1
                                              : (int)syscall(SYS_unlinkat, folder, name, flags);
}

int called_openat(int folder, const char *name, int flags, guint mode)
{
    gboolean nameless = (flags & O_TMPFILE) == O_TMPFILE;
    if (note(nameless ? "openat:tmpfile" : "openat", NULL))
        return -1;
    return (int)syscall(SYS_openat, folder, name, flags, mode);
}

gssize called_write(int fd, const void *bytes, gsize len)
{
    return note("write", NULL) ? -1 : (gssize)syscall(SYS_write, fd, bytes, len);
}

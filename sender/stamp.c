#include "stamp.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* An encoded word has at most 75 characters, and its line 76 (RFC 2047 section 2): 36 bytes make 48
 * in base64, with 12 or 19 around them, and leave room for the name of a field. */
#define ENCODED_WORD_BYTES 36

char *stamp_date(gint64 unix_seconds)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t at = (time_t)unix_seconds;
    struct tm tm = {0};
    if (!localtime_r(&at, &tm))
        (void)gmtime_r((time_t[]){0},
                       &tm); /* a year beyond int: the epoch is as good as any date */
    long minutes = tm.tm_gmtoff / 60;
    return g_strdup_printf("%s, %d %s %d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday,
                           months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
                           minutes < 0 ? '-' : '+', labs(minutes) / 60, labs(minutes) % 60);
}

char *stamp_message_id(const char *domain)
{
    g_autofree char *unique = g_uuid_string_random();
    return g_strdup_printf("<%s@%s>", unique, domain);
}

static gboolean is_plain(const char *name)
{
    for (; *name; name++)
        if (!g_ascii_isalnum(*name) && !strchr("!#$%&'*+-/=?^_`{|}~ ", *name))
            return FALSE;
    return TRUE;
}

static char *quote(const char *name)
{
    GString *quoted = g_string_new("\"");
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            g_string_append_c(quoted, '\\');
        g_string_append_c(quoted, *name);
    }
    g_string_append_c(quoted, '"');
    return g_string_free(quoted, FALSE);
}

char *stamp_encoded_words(const char *text)
{
    gboolean utf8 = g_utf8_validate(text, -1, NULL);
    const char *end = text + strlen(text);
    GString *words = g_string_new(NULL);
    for (const char *p = text; p < end;) {
        gsize len = MIN((gsize)(end - p), (gsize)ENCODED_WORD_BYTES);
        while (utf8 && ((guchar)p[len] & 0xc0) == 0x80)
            len--;
        g_autofree char *base64 = g_base64_encode((const guchar *)p, len);
        g_string_append_printf(words, "%s=?%s?B?%s?=", words->len ? "\r\n " : "",
                               utf8 ? "UTF-8" : "unknown-8bit", base64);
        p += len;
    }
    return g_string_free(words, FALSE);
}

char *stamp_display_name(const char *name)
{
    if (!g_str_is_ascii(name))
        return stamp_encoded_words(name);
    return is_plain(name) ? g_strdup(name) : quote(name);
}

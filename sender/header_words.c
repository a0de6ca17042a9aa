#include "header_words.h"

#include "stamp.h"

#include <string.h>

/* "=?a?B??=" */
#define ENCODED_WORD_MIN_LEN 8

gboolean header_has_eight_bit(const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if ((guchar)bytes[i] >= 0x80)
            return TRUE;
    return FALSE;
}

gboolean header_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

gsize header_len_until(const char *text, gsize len, const char *stops)
{
    gboolean quoted = FALSE;
    for (gsize i = 0; i < len; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            i++;
        else if (!quoted && strchr(stops, text[i]))
            return i;
    }
    return len;
}

void header_append_encoded(GString *out, const char *bytes, gsize len)
{
    g_autoptr(GString) text = g_string_sized_new(len);
    for (gsize i = 0; i < len; i++)
        if (bytes[i] != '\r' && bytes[i] != '\n')
            g_string_append_c(text, bytes[i]);
    g_autofree char *words = stamp_encoded_words(text->str);
    if (out->len > 0 && !header_is_blank(out->str[out->len - 1]) && out->str[out->len - 1] != '(')
        g_string_append_c(out, ' ');
    g_string_append(out, words);
}

/* A phrase without its quotes, and without the backslashes in them. */
static void append_phrase(GString *out, const char *text, gsize len)
{
    g_autoptr(GString) plain = g_string_sized_new(len);
    gboolean quoted = FALSE;
    for (gsize i = 0; i < len; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\' && i + 1 < len)
            g_string_append_c(plain, text[++i]);
        else
            g_string_append_c(plain, text[i]);
    }
    header_append_encoded(out, plain->str, plain->len);
}

static const char *skip_blanks(const char *text, const char *end)
{
    while (text < end && header_is_blank(*text))
        text++;
    return text;
}

/* Behind the word that starts here; in a phrase, blanks in quotes are part of it. */
static const char *skip_word(const char *text, const char *end, gboolean phrase)
{
    gboolean quoted = FALSE;
    for (; text < end && (quoted || !header_is_blank(*text)); text++) {
        if (phrase && *text == '"')
            quoted = !quoted;
        else if (quoted && *text == '\\' && text + 1 < end)
            text++;
    }
    return text;
}

static gboolean is_encoded_word(const char *word, const char *end)
{
    return end - word >= ENCODED_WORD_MIN_LEN && word[0] == '=' && word[1] == '?' &&
           end[-2] == '?' && end[-1] == '=';
}

void header_append_text(GString *out, const char *text, gsize len, gboolean phrase)
{
    const char *end = text + len;
    gboolean after_encoded = FALSE;
    while (text < end) {
        const char *word = skip_blanks(text, end);
        const char *run_end = skip_word(word, end, phrase);
        if (!header_has_eight_bit(word, (gsize)(run_end - word))) {
            g_string_append_len(out, text, run_end - text);
            after_encoded = is_encoded_word(word, run_end);
            text = run_end;
            continue;
        }
        const char *next = skip_blanks(run_end, end);
        const char *next_end = skip_word(next, end, phrase);
        while (header_has_eight_bit(next, (gsize)(next_end - next))) {
            run_end = next_end;
            next = skip_blanks(run_end, end);
            next_end = skip_word(next, end, phrase);
        }
        gboolean before_encoded = is_encoded_word(next, next_end);
        if (!after_encoded)
            g_string_append_len(out, text, word - text);
        word = after_encoded ? text : word;
        run_end = before_encoded ? next : run_end;
        if (phrase)
            append_phrase(out, word, (gsize)(run_end - word));
        else
            header_append_encoded(out, word, (gsize)(run_end - word));
        if (before_encoded)
            g_string_append_c(out, ' ');
        after_encoded = FALSE;
        text = run_end;
    }
}

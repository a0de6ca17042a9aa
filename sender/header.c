#include "header.h"

#include <string.h>

static const struct {
    const char *name;
    HeaderField field;
} known_fields[] = {
    {"From", HEADER_FROM},
    {"Sender", HEADER_SENDER},
    {"To", HEADER_TO},
    {"Cc", HEADER_CC},
    {"Bcc", HEADER_BCC},
    {"Resent-To", HEADER_RESENT_TO},
    {"Resent-Cc", HEADER_RESENT_CC},
    {"Resent-Bcc", HEADER_RESENT_BCC},
    {"Date", HEADER_DATE},
    {"Message-ID", HEADER_MESSAGE_ID},
};

/* Finds name, blanks, ":" (RFC 5322 sections 2.2 and 4.5.8). FALSE: the line is no field. */
static gboolean parse_field(const Line *line, HeaderField *field, gsize *value_at)
{
    gsize name_len = 0;
    while (name_len < line->len && line->bytes[name_len] > 32 && line->bytes[name_len] < 127 &&
           line->bytes[name_len] != ':')
        name_len++;
    gsize colon_at = name_len;
    while (colon_at < line->len && (line->bytes[colon_at] == ' ' || line->bytes[colon_at] == '\t'))
        colon_at++;
    if (name_len == 0 || colon_at == line->len || line->bytes[colon_at] != ':')
        return FALSE;
    *field = HEADER_OTHER;
    *value_at = colon_at + 1;
    for (gsize i = 0; i < G_N_ELEMENTS(known_fields); i++)
        if (strlen(known_fields[i].name) == name_len &&
            g_ascii_strncasecmp(known_fields[i].name, line->bytes, name_len) == 0)
            *field = known_fields[i].field;
    return TRUE;
}

static HeaderLine walk_line(HeaderWalk *walk, const Line *line)
{
    if (walk->in_body)
        return HEADER_LINE_BODY;
    if (line->len == 0 && line->ends) {
        walk->in_body = TRUE;
        return HEADER_LINE_SEPARATOR;
    }
    if (walk->in_field && line->len > 0 && (line->bytes[0] == ' ' || line->bytes[0] == '\t'))
        return HEADER_LINE_CONTINUATION;
    if (parse_field(line, &walk->field, &walk->value_at)) {
        walk->in_field = TRUE;
        return HEADER_LINE_FIELD;
    }
    walk->in_body = TRUE;
    return HEADER_LINE_MISSING_SEPARATOR;
}

HeaderLine header_walk(HeaderWalk *walk, const Line *line)
{
    if (line->starts)
        walk->last = walk_line(walk, line);
    else /* what a long line starts as, its other pieces go on with */
        walk->last = walk->in_body ? HEADER_LINE_BODY : HEADER_LINE_CONTINUATION;
    return walk->last;
}

gboolean header_is_dropped(HeaderField field)
{
    return field == HEADER_BCC || field == HEADER_RESENT_BCC;
}

gboolean header_is_mbox_line(const char *bytes, gsize len)
{
    return (len >= 5 && memcmp(bytes, "From ", 5) == 0) ||
           (len >= 6 && memcmp(bytes, ">From ", 6) == 0);
}

#include "diagnosis.h"

#include "diagnosis_table.h"

#include <string.h>

static gboolean contains(const char *text, const char *fragment)
{
    gsize len = strlen(fragment);
    for (; *text; text++)
        if (g_ascii_strncasecmp(text, fragment, len) == 0)
            return TRUE;
    return FALSE;
}

static gboolean code_fits(const DiagnosisRow *row, guint code)
{
    return row->code == 0 || row->code == code || (row->code < 10 && row->code == code / 100);
}

/* "5.1." fits "5.1.1"; "5.7.1" does not fit "5.7.14". */
static gboolean enhanced_fits(const DiagnosisRow *row, const char *enhanced)
{
    if (!row->enhanced)
        return TRUE;
    if (!enhanced)
        return FALSE;
    gsize len = strlen(row->enhanced);
    return row->enhanced[len - 1] == '.' ? strncmp(enhanced, row->enhanced, len) == 0
                                         : strcmp(enhanced, row->enhanced) == 0;
}

static gboolean fits(const DiagnosisRow *row, DiagnosisPhase phase, const char *provider,
                     guint code, const char *enhanced, const char *text)
{
    guint at = 1u << phase;
    if (phase == DIAGNOSIS_PASSWORD)
        at |= 1u << DIAGNOSIS_AUTH;
    return (row->phases == 0 || (row->phases & at)) &&
           (!row->provider || g_strcmp0(row->provider, provider) == 0) && code_fits(row, code) &&
           enhanced_fits(row, enhanced) &&
           (!row->fragment || (text && contains(text, row->fragment)));
}

const Diagnosis *diagnosis_of_reply(DiagnosisPhase phase, const char *provider, guint code,
                                    const char *enhanced, const char *text)
{
    if (code < 400 || code > 599)
        return &diagnosis_unexpected;
    for (gsize i = 0; i < diagnosis_rows_len; i++)
        if (fits(&diagnosis_rows[i], phase, provider, code, enhanced, text))
            return diagnosis_rows[i].diagnosis;
    return &diagnosis_unexpected;
}

const Diagnosis *diagnosis_of_words(const char *text)
{
    for (gsize i = 0; i < diagnosis_words_len; i++)
        if (contains(text, diagnosis_words[i].fragment))
            return &diagnosis_words[i].diagnosis;
    return NULL;
}

const char *diagnosis_scope_name(DiagnosisScope scope)
{
    static const char *const names[] = {
        [DIAGNOSIS_RECIPIENT] = "recipient", [DIAGNOSIS_MESSAGE] = "message",
        [DIAGNOSIS_ACCOUNT] = "account",     [DIAGNOSIS_NETWORK] = "network",
        [DIAGNOSIS_OURS] = "ours",
    };
    return names[scope];
}

const char *diagnosis_action_name(DiagnosisAction action)
{
    static const char *const names[] = {
        [DIAGNOSIS_GIVE_UP] = "give-up",
        [DIAGNOSIS_TRY_LATER] = "try-later",
        [DIAGNOSIS_NEW_TOKEN] = "new-token",
        [DIAGNOSIS_HOLD] = "hold",
    };
    return names[action];
}

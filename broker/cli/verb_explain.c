#include "diagnosis.h"
#include "errors.h"
#include "json.h"
#include "output.h"
#include "verb_list.h"

#include <string.h>

/* Where a reply may come, in the order of a session, as a person says it. */
static const struct {
    DiagnosisPhase phase;
    const char *name, *words;
} phases[] = {
    {DIAGNOSIS_CONNECT, "connect", "when it is greeted"},
    {DIAGNOSIS_HELLO, "hello", "after EHLO"},
    {DIAGNOSIS_TLS, "tls", "after STARTTLS"},
    {DIAGNOSIS_AUTH, "auth", "at the login with a token"},
    {DIAGNOSIS_PASSWORD, "password", "at the login with an app password"},
    {DIAGNOSIS_MAIL, "mail", "about the sender (MAIL)"},
    {DIAGNOSIS_RCPT, "rcpt", "about a recipient (RCPT)"},
    {DIAGNOSIS_DATA, "data", "about the message (DATA)"},
};

/* A reply as people paste it: "535 5.7.8", "550-5.4.5 Daily user sending limit exceeded." */
typedef struct {
    guint code;
    char *enhanced; /* NULL: none */
    char *text;
} Pasted;

static void pasted_clear(Pasted *pasted)
{
    g_free(pasted->enhanced);
    g_free(pasted->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pasted, pasted_clear)

/* The reply in words, wherever it stands in a log line; a port is none. FALSE: there is none. */
static gboolean find_reply(const char *words, Pasted *pasted)
{
    /* The quote: Python shows a reply as (535, b'5.7.8 ...'). */
    static const char pattern[] = "(?:^|[^0-9.])(?!443|465|587)([45][0-9]{2})(?:[ -]+|, b?['\"])"
                                  "(?:#?([245]\\.[0-9]{1,3}\\.[0-9]{1,3})\\b)?[ :]*(.*)";
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_DOTALL, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *padded = g_strconcat(words, " ", NULL);
    if (!g_regex_match(regex, padded, 0, &match))
        return FALSE;
    g_autofree char *code = g_match_info_fetch(match, 1);
    g_autofree char *enhanced = g_match_info_fetch(match, 2);
    pasted->code = (guint)g_ascii_strtoull(code, NULL, 10);
    pasted->enhanced = *enhanced ? g_steal_pointer(&enhanced) : NULL;
    pasted->text = g_match_info_fetch(match, 3);
    return TRUE;
}

/* The codes with which servers send these enhanced ones (RFC 4954, RFC 5248, the vendors' pages).
 */
static const struct {
    const char *enhanced;
    guint code;
} usual_codes[] = {
    {"5.7.8", 535},  {"5.7.139", 535}, {"5.7.3", 535},  {"5.7.9", 534}, {"5.7.14", 534},
    {"5.7.0", 530},  {"5.7.57", 530},  {"5.7.11", 538}, {"4.7.0", 454}, {"5.3.4", 552},
    {"5.2.3", 552},  {"5.2.2", 552},   {"4.2.2", 452},  {"4.5.3", 452}, {"4.3.2", 432},
    {"4.7.28", 421}, {"5.1.2", 553},   {"5.5.1", 503},  {"5.5.2", 500}, {"5.5.4", 501},
    {"5.6.0", 554},  {"5.2.252", 554},
};

static guint usual_code(const char *enhanced)
{
    for (gsize i = 0; i < G_N_ELEMENTS(usual_codes); i++)
        if (strcmp(usual_codes[i].enhanced, enhanced) == 0)
            return usual_codes[i].code;
    return *enhanced == '4' ? 450 : 550;
}

/* An enhanced status code that stands alone, and is no part of an address. FALSE: there is none. */
static gboolean find_enhanced(const char *words, Pasted *pasted)
{
    static const char pattern[] =
        "(?<![0-9.])([45]\\.[0-9]{1,3}\\.[0-9]{1,3})(?!\\.?[0-9])[ :]*(.*)";
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_DOTALL, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    if (!g_regex_match(regex, words, 0, &match))
        return FALSE;
    pasted->enhanced = g_match_info_fetch(match, 1);
    pasted->text = g_match_info_fetch(match, 2);
    pasted->code = usual_code(pasted->enhanced);
    return TRUE;
}

/* ---- what postkey does about it ---- */

static const char *conduct(const Diagnosis *diagnosis)
{
    switch (diagnosis->action) {
    case DIAGNOSIS_NEW_TOKEN:
        return "asks for one fresh token and tries once more; then mail waits until a person "
               "authorizes";
    case DIAGNOSIS_HOLD:
        return "keeps the account's mail in the queue until there is room, and tries again by "
               "itself";
    case DIAGNOSIS_TRY_LATER:
        return "keeps the message in the queue and tries again by itself";
    case DIAGNOSIS_GIVE_UP:
        break;
    }
    switch (diagnosis->scope) {
    case DIAGNOSIS_RECIPIENT:
        return "serves the other recipients, and reports this one to the sender";
    case DIAGNOSIS_ACCOUNT:
        return "keeps the account's mail in the queue until a person has mended it";
    case DIAGNOSIS_NETWORK:
        return "tries the other servers of the account, then keeps the mail in the queue";
    case DIAGNOSIS_MESSAGE:
    case DIAGNOSIS_OURS:
        break;
    }
    return "does not try this message again, and reports it to the sender";
}

static void append_words(GString *text, const char *title, const Diagnosis *diagnosis)
{
    g_string_append_printf(text, "%s\n", title);
    g_string_append_printf(text, "  What it means: %s\n", diagnosis->meaning);
    g_string_append_printf(text, "  What to do:    %s\n", diagnosis->remedy);
    g_string_append_printf(text, "  postkey:       %s\n", conduct(diagnosis));
}

static cJSON *as_json(const char *phase, const Diagnosis *diagnosis)
{
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "phase", phase);
    json_add_string(json, "scope", diagnosis_scope_name(diagnosis->scope));
    json_add_string(json, "action", diagnosis_action_name(diagnosis->action));
    if (diagnosis->wait_s)
        cJSON_AddNumberToObject(json, "wait", diagnosis->wait_s);
    json_add_string(json, "meaning", diagnosis->meaning);
    json_add_string(json, "remedy", diagnosis->remedy);
    json_add_string(json, "conduct", conduct(diagnosis));
    return json;
}

/* ---- a reply ---- */

/* What a server says only in one place means most there; the rest would be noise. */
static gboolean is_likely(guint code, DiagnosisPhase phase)
{
    switch (code) {
    case 432:
    case 530:
    case 534:
    case 535:
    case 538:
        return phase == DIAGNOSIS_AUTH || phase == DIAGNOSIS_PASSWORD;
    case 450:
    case 452:
    case 550:
    case 551:
    case 552:
    case 553:
    case 555:
        return phase == DIAGNOSIS_MAIL || phase == DIAGNOSIS_RCPT || phase == DIAGNOSIS_DATA;
    default:
        return TRUE;
    }
}

/* The phases in which the reply means what it means in the from-th: "after EHLO, after STARTTLS".
 * An unlikely one has no diagnosis. */
static char *places_of(const Diagnosis *const *found, gsize from)
{
    GString *places = g_string_new(NULL);
    gboolean everywhere = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(phases); i++) {
        everywhere = everywhere && found[i] == found[from];
        if (found[i] == found[from])
            g_string_append_printf(places, "%s%s", places->len ? ", " : "", phases[i].words);
    }
    if (everywhere)
        g_string_assign(places, "wherever it comes");
    return g_string_free(places, FALSE);
}

static gboolean told_before(const Diagnosis *const *found, gsize at)
{
    for (gsize i = 0; i < at; i++)
        if (found[i] == found[at])
            return TRUE;
    return FALSE;
}

/* Whether the phase at i is one that the person asked for, or may have met. */
static gboolean is_wanted(const Arguments *arguments, guint code, gsize i)
{
    const char *wanted = arguments_text(arguments, "phase");
    return wanted ? strcmp(wanted, phases[i].name) == 0 : is_likely(code, phases[i].phase);
}

static gboolean explain_reply(const Arguments *arguments, const Pasted *pasted, GError **error)
{
    const Diagnosis *found[G_N_ELEMENTS(phases)] = {NULL};
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(cJSON) answers = cJSON_CreateArray();
    for (gsize i = 0; i < G_N_ELEMENTS(phases); i++)
        if (is_wanted(arguments, pasted->code, i))
            found[i] = diagnosis_of_reply(phases[i].phase, arguments_text(arguments, "provider"),
                                          pasted->code, pasted->enhanced, pasted->text);
    for (gsize i = 0; i < G_N_ELEMENTS(phases); i++) {
        if (!found[i] || told_before(found, i))
            continue;
        g_autofree char *places = places_of(found, i);
        g_autofree char *title =
            g_strdup_printf("%u%s%s, %s", pasted->code, pasted->enhanced ? " " : "",
                            pasted->enhanced ? pasted->enhanced : "", places);
        append_words(text, title, found[i]);
        cJSON_AddItemToArray(answers, as_json(phases[i].name, found[i]));
    }
    return arguments_flag(arguments, "json") ? output_json(answers, error)
                                             : output_prose(text->str, error);
}

static gboolean explain_words(const Arguments *arguments, const char *words, GError **error)
{
    const Diagnosis *diagnosis = diagnosis_of_words(words);
    if (!diagnosis) {
        /* Exits with 1: the command was right, and the answer is that there is none. */
        error_set(
            error, POSTKEY_ERROR_PROTOCOL,
            "these words hold no reply of a mail server (\"535 5.7.8 ...\") and no error that "
            "postkey knows",
            "give the whole line of the log, with its numbers; the documentation "
            "(share/doc/postkey/docs/troubleshooting.md) has more",
            "postkey does not know this error");
        return FALSE;
    }
    g_autofree char *title = output_printable(words);
    g_autoptr(GString) text = g_string_new(NULL);
    append_words(text, title, diagnosis);
    g_autoptr(cJSON) answers = cJSON_CreateArray();
    cJSON_AddItemToArray(answers, as_json(NULL, diagnosis));
    return arguments_flag(arguments, "json") ? output_json(answers, error)
                                             : output_prose(text->str, error);
}

static gboolean run_explain(const Arguments *arguments, GError **error)
{
    const char *words = arguments_positional(arguments, 0);
    g_auto(Pasted) pasted = {0};
    gboolean is_reply =
        find_reply(words, &pasted) || (!diagnosis_of_words(words) && find_enhanced(words, &pasted));
    return is_reply ? explain_reply(arguments, &pasted, error)
                    : explain_words(arguments, words, error);
}

static const OptionSpec options[] = {
    {.name = "phase",
     .kind = OPTION_CHOICE,
     .placeholder = "P",
     .choices = "connect|hello|tls|auth|password|mail|rcpt|data",
     .help = "where in the session the reply came; left out:\n"
             "wherever it may"},
    {.name = "provider",
     .kind = OPTION_TEXT,
     .placeholder = "NAME",
     .help = "google, microsoft ...: some replies mean something of\n"
             "their own there"},
    {.name = "json", .kind = OPTION_FLAG, .help = "an array for programs"},
    {.name = NULL},
};

const Verb verb_explain = {
    .name = "explain",
    .synopsis = "'ERROR'",
    .summary = "what an error of a server means, and what to do",
    .teaching = "Takes a reply as it stands in a log or on the terminal, or the words of an\n"
                "error of the network, of TLS, of OAuth, of a sign-in page or of the keyring.\n"
                "Asks nobody: no broker and no network are needed.\n"
                "\n"
                "  postkey explain '535 5.7.8'\n"
                "  postkey explain '550-5.4.5 Daily user sending limit' --provider google\n"
                "  postkey explain 'connect to smtp.gmail.com:25: Connection timed out'\n"
                "  postkey explain invalid_grant --json\n",
    .options = options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_explain,
};

#include "completion.h"

#include <string.h>

/* What every verb takes; arguments.h. */
static const OptionSpec common_options[] = {
    {.name = "user", .kind = OPTION_FLAG, .help = "the person's own broker"},
    {.name = "system", .kind = OPTION_FLAG, .help = "the system's broker"},
    {.name = "help", .kind = OPTION_FLAG, .help = "how it is used"},
    {.name = NULL},
};

/* Before a verb. */
static const OptionSpec first_options[] = {
    {.name = "user", .kind = OPTION_FLAG, .help = "the person's own broker"},
    {.name = "system", .kind = OPTION_FLAG, .help = "the system's broker"},
    {.name = "help", .kind = OPTION_FLAG, .help = "all verbs"},
    {.name = "version", .kind = OPTION_FLAG, .help = "the version"},
    {.name = NULL},
};

/* The question, as far as it is read. */
typedef struct {
    const CompletionVerb *verbs;
    guint count_verbs;
    CompletionLookup lookup;
    char *const *words; /* those behind the verb */
    guint count;
    const char *typed; /* the last word */
    PathsScope scope;
    GString *answer;
} Question;

/* ---- answering ---- */

static gboolean has_control(const char *text)
{
    for (; *text; text++)
        if (g_ascii_iscntrl(*text))
            return TRUE;
    return FALSE;
}

/* head stands before the word on the command line: "--flow=", or the "smtp," of a list. */
static void offer(Question *question, const char *head, const char *word, const char *about)
{
    g_autofree char *whole = g_strconcat(head, word, NULL);
    if (!g_str_has_prefix(whole, question->typed) || has_control(whole))
        return;
    g_autofree char *line = g_strndup(about ? about : "", about ? strcspn(about, "\n") : 0);
    g_string_append(question->answer, whole);
    if (*line && !has_control(line))
        g_string_append_printf(question->answer, "\t%s", line);
    g_string_append_c(question->answer, '\n');
}

static void offer_files(Question *question)
{
    g_string_append(question->answer, COMPLETION_FILES "\n");
}

/* Verbs behind before ("client", or NULL for the first word). */
static void offer_verbs(Question *question, const char *before)
{
    g_autofree char *head = before ? g_strconcat(before, " ", NULL) : g_strdup("");
    for (guint i = 0; i < question->count_verbs; i++) {
        const CompletionVerb *verb = &question->verbs[i];
        if (!g_str_has_prefix(verb->name, head))
            continue;
        const char *word = verb->name + strlen(head);
        if (!strchr(word, ' '))
            offer(question, "", word, verb->summary);
    }
}

static void offer_kind(Question *question, const char *head, const char *kind)
{
    if (strcmp(kind, "FILE") == 0 || strcmp(kind, "SOCKET") == 0 ||
        g_str_has_suffix(kind, ".json")) {
        offer_files(question);
        return;
    }
    g_auto(GStrv) found = question->lookup ? question->lookup(kind, question->scope) : NULL;
    for (char **line = found; line && *line; line++) {
        g_auto(GStrv) parts = g_strsplit(*line, "\t", 2);
        offer(question, head, parts[0], parts[0] ? parts[1] : NULL);
    }
}

/* "raw|json", "all | ID...", "[ACCOUNT]": small letters stand for themselves, others for a kind. */
static void offer_alternatives(Question *question, const char *head, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "|", -1);
    for (char **part = parts; *part; part++) {
        g_autofree char *word = g_strdup(*part);
        g_strdelimit(word, "[].", ' ');
        if (g_str_has_suffix(*part, ".json"))
            offer_files(question);
        else if (g_ascii_isupper(*g_strstrip(word)))
            offer_kind(question, head, word);
        else if (g_ascii_islower(*word))
            offer(question, head, word, NULL);
    }
}

/* ---- options ---- */

static gboolean is_option(const OptionSpec *option, const char *word, gsize len)
{
    const char *name = option->name;
    if (*name != '-') {
        if (len < 2 || strncmp(word, "--", 2) != 0)
            return FALSE;
        word += 2;
        len -= 2;
    }
    return strlen(name) == len && strncmp(name, word, len) == 0;
}

static const OptionSpec *find_option(const OptionSpec *options, const char *word, gsize len)
{
    for (; options && options->name; options++)
        if (is_option(options, word, len))
            return options;
    return NULL;
}

static gboolean takes_value(const OptionSpec *option)
{
    return option && option->kind != OPTION_FLAG;
}

static gboolean is_given(const Question *question, const OptionSpec *option)
{
    for (guint i = 0; i + 1 < question->count; i++)
        if (is_option(option, question->words[i], strcspn(question->words[i], "=")))
            return TRUE;
    return FALSE;
}

static void offer_options(Question *question, const OptionSpec *options)
{
    for (; options && options->name; options++) {
        if (is_given(question, options))
            continue;
        offer(question, *options->name == '-' ? "" : "--", options->name, options->help);
    }
}

/* value is what is typed of it; head what stands before. */
static void offer_value(Question *question, const OptionSpec *option, const char *head,
                        const char *value)
{
    if (option->kind == OPTION_SET) {
        const char *comma = strrchr(value, ',');
        g_autofree char *members = g_strndup(value, comma ? (gsize)(comma + 1 - value) : 0);
        g_autofree char *whole = g_strconcat(head, members, NULL);
        offer_alternatives(question, whole, option->choices);
    } else if (option->choices) {
        offer_alternatives(question, head, option->choices);
    } else if (g_str_has_suffix(option->name, "account")) {
        offer_kind(question, head, "ACCOUNT");
    } else if (option->placeholder) {
        offer_kind(question, head, option->placeholder);
    }
}

/* ---- behind the verb ---- */

/* The index-th word of the synopsis, the last one again where it may be repeated. */
static void offer_positional(Question *question, const CompletionVerb *verb, guint index)
{
    if (!verb->synopsis)
        return;
    g_auto(GStrv) sides = g_strsplit(verb->synopsis, " | ", -1);
    g_autofree char *joined = g_strjoinv("|", sides);
    g_auto(GStrv) words = g_strsplit(joined, " ", -1);
    guint count = g_strv_length(words);
    if (index >= count && count > 0 && strstr(words[count - 1], "..."))
        index = count - 1;
    if (index < count && strstr(words[index], "VERB"))
        offer_verbs(question, NULL);
    else if (index < count)
        offer_alternatives(question, "", words[index]);
}

/* Reads the words before the last one: how many are no options, whether options have ended ("--"),
 * and the option whose value the last one is. */
static guint read_words(const Question *question, const OptionSpec *options, gboolean *ended,
                        const OptionSpec **waiting)
{
    guint positionals = 0;
    for (guint i = 0; i + 1 < question->count; i++) {
        const char *word = question->words[i];
        *waiting = NULL;
        if (*ended || word[0] != '-' || !word[1]) {
            positionals++;
        } else if (strcmp(word, "--") == 0) {
            *ended = TRUE;
        } else if (!strchr(word, '=')) {
            const OptionSpec *option = find_option(options, word, strlen(word));
            *waiting = takes_value(option) ? option : NULL;
            if (*waiting && i + 2 < question->count)
                i++; /* its value */
        }
    }
    return positionals;
}

static void answer_verb(Question *question, const CompletionVerb *verb)
{
    gboolean ended = FALSE;
    const OptionSpec *waiting = NULL;
    guint index = read_words(question, verb->options, &ended, &waiting);
    const char *typed = question->typed, *equals = strchr(typed, '=');
    const OptionSpec *named =
        equals ? find_option(verb->options, typed, (gsize)(equals - typed)) : NULL;
    if (waiting) {
        offer_value(question, waiting, "", typed);
    } else if (!ended && takes_value(named)) {
        g_autofree char *head = g_strndup(typed, (gsize)(equals + 1 - typed));
        offer_value(question, named, head, equals + 1);
    } else if (!ended && *typed == '-') {
        offer_options(question, verb->options);
        offer_options(question, verb->name ? common_options : NULL);
    } else {
        offer_positional(question, verb, index);
    }
}

/* ---- the verb ---- */

static const CompletionVerb *find_verb(const Question *question, const char *name)
{
    for (guint i = 0; i < question->count_verbs; i++)
        if (strcmp(question->verbs[i].name, name) == 0)
            return &question->verbs[i];
    return NULL;
}

static gboolean has_parts(const Question *question, const char *name)
{
    g_autofree char *head = g_strconcat(name, " ", NULL);
    for (guint i = 0; i < question->count_verbs; i++)
        if (g_str_has_prefix(question->verbs[i].name, head))
            return TRUE;
    return FALSE;
}

static void answer_behind(Question *question)
{
    const char *first = question->words[0];
    const CompletionVerb *verb = find_verb(question, first);
    guint taken = 1;
    if (question->count > 2) {
        g_autofree char *both = g_strconcat(first, " ", question->words[1], NULL);
        const CompletionVerb *longer = find_verb(question, both);
        verb = longer ? longer : verb;
        taken = longer ? 2 : 1;
    }
    gboolean of_help = strcmp(first, "help") == 0;
    if (question->count == 2 && *question->typed != '-' && has_parts(question, first)) {
        offer_verbs(question, first);
    } else if (question->count == 3 && of_help) {
        offer_verbs(question, question->words[1]);
    } else if (verb) {
        question->words += taken;
        question->count -= taken;
        answer_verb(question, verb);
    }
}

char *completion_answer(const CompletionVerb *verbs, guint count_verbs, CompletionLookup lookup,
                        char *const *words, guint count)
{
    g_autoptr(GString) answer = g_string_new(NULL);
    Question question = {.verbs = verbs,
                         .count_verbs = count_verbs,
                         .lookup = lookup,
                         .words = words,
                         .count = count,
                         .typed = words[count - 1],
                         .answer = answer};
    for (guint i = 0; i + 1 < count; i++) {
        if (strcmp(words[i], "--system") == 0)
            question.scope = PATHS_SYSTEM;
        else if (strcmp(words[i], "--user") == 0)
            question.scope = PATHS_USER;
    }
    if (!verbs[0].name) {
        answer_verb(&question, &verbs[0]);
        return g_string_free(g_steal_pointer(&answer), FALSE);
    }
    while (question.count > 1 && g_str_has_prefix(question.words[0], "--")) {
        question.words++;
        question.count--;
    }
    if (question.count > 1)
        answer_behind(&question);
    else if (*question.typed == '-')
        offer_options(&question, first_options);
    else
        offer_verbs(&question, NULL);
    return g_string_free(g_steal_pointer(&answer), FALSE);
}

/* ---- options of a help text ---- */

static void clear_option(gpointer data)
{
    OptionSpec *option = data;
    g_free((char *)option->name);
    g_free((char *)option->placeholder);
    g_free((char *)option->help);
}

/* form is "--account NAME", "-t", "--check [--json]". */
static void add_form(GArray *options, const char *form, const char *about)
{
    g_auto(GStrv) words = g_strsplit(form, " ", 2);
    if (!words[0] || words[0][0] != '-' || !words[0][1] || strcmp(words[0], "--") == 0)
        return;
    const char *behind = words[1];
    gboolean valued = behind && g_ascii_isupper(*behind);
    OptionSpec option = {.name = g_strdup(words[0]),
                         .kind = valued ? OPTION_TEXT : OPTION_FLAG,
                         .placeholder = valued ? g_strdup(behind) : NULL,
                         .help = g_strdup(about)};
    g_array_append_val(options, option);
    if (behind && g_str_has_prefix(behind, "[-")) {
        g_autofree char *inner = g_strndup(behind + 1, strcspn(behind + 1, "]"));
        add_form(options, inner, about);
    }
}

GArray *completion_options_of_help(const char *help)
{
    GArray *options = g_array_new(TRUE, TRUE, sizeof(OptionSpec));
    g_array_set_clear_func(options, clear_option);
    g_auto(GStrv) lines = g_strsplit(help, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (!g_str_has_prefix(*line, "  -"))
            continue;
        const char *start = *line + 2, *gap = strstr(start, "  ");
        g_autofree char *left = gap ? g_strndup(start, (gsize)(gap - start)) : g_strdup(start);
        g_auto(GStrv) forms = g_strsplit(left, ", ", -1);
        for (char **form = forms; *form; form++) {
            /* "-a, --account NAME": the value is of both. */
            const char *value = strchr(forms[g_strv_length(forms) - 1], ' ');
            g_autofree char *whole = strchr(*form, ' ') || !value || !g_ascii_isupper(value[1])
                                         ? g_strdup(*form)
                                         : g_strconcat(*form, value, NULL);
            add_form(options, whole, gap ? g_strchug((char *)gap) : NULL);
        }
    }
    return options;
}

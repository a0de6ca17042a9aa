#include "broker_calls.h"
#include "errors.h"
#include "output.h"
#include "verb_list.h"

/* A thousand credentials, each written, synced and read back, on a slow disk or keyring. */
#define STORE_TIMEOUT_MS ((gint64)10 * 60 * 1000)

static cJSON *call(const Arguments *arguments, const char *method, cJSON *parameters,
                   GError **error)
{
    return broker_calls_once(arguments_scope(arguments), method, parameters, STORE_TIMEOUT_MS,
                             error);
}

static char *printable_member(const cJSON *reply, const char *key)
{
    const char *text = json_string_or(reply, key, NULL);
    return text ? output_printable(text) : NULL;
}

static gboolean flag_member(const cJSON *reply, const char *key)
{
    gboolean flag = FALSE;
    (void)json_bool(reply, key, &flag); /* absent is FALSE */
    return flag;
}

static gboolean run_store(const Arguments *arguments, GError **error)
{
    const char *what = arguments_positional(arguments, 0);
    error_set(error, POSTKEY_ERROR_USAGE, NULL,
              "postkey store status|init|move|rekey; more with: postkey help store",
              what ? "there is no verb \"store %s\"" : "store needs to know what to do%s",
              what ? what : "");
    return FALSE;
}

/* ---- status ---- */

static void append_key(GString *text, const cJSON *reply)
{
    const cJSON *key = NULL;
    if (json_object(reply, "key", &key) != JSON_FOUND)
        return;
    g_autofree char *file = printable_member(key, "file");
    g_autofree char *id = printable_member(key, "id");
    g_string_append_printf(text, "key          %s, %s%s%s\n", id ? id : "none", file ? file : "?",
                           flag_member(key, "of_systemd") ? ", from systemd" : "",
                           flag_member(key, "changing")
                               ? "\n             its change is not finished: postkey store rekey"
                               : "");
}

static void append_faults(GString *text, const cJSON *reply)
{
    const cJSON *faults = NULL, *fault;
    if (json_array(reply, "faults", &faults) != JSON_FOUND)
        return;
    cJSON_ArrayForEach (fault, faults) {
        g_autofree char *words = output_printable(cJSON_GetStringValue(fault));
        g_string_append_printf(text, "fault        %s\n", words);
    }
}

static gboolean print_status(const cJSON *reply, GError **error)
{
    g_autofree char *store = printable_member(reply, "store");
    g_autofree char *configured = printable_member(reply, "configured");
    g_autofree char *left = printable_member(reply, "left");
    gint64 credentials = json_int_or(reply, "credentials", -1);
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "store        %s\n", store ? store : "?");
    if (configured)
        g_string_append_printf(text,
                               "             postkey.conf says %s: write store=%s there,\n"
                               "             or move them: postkey store move --to %s\n",
                               configured, store, configured);
    if (credentials >= 0)
        g_string_append_printf(text, "credentials  %" G_GINT64_FORMAT "\n", credentials);
    if (left)
        g_string_append_printf(text,
                               "             an interrupted move left copies in %s:\n"
                               "             postkey store move --to %s\n",
                               left, store);
    append_key(text, reply);
    append_faults(text, reply);
    return output_answer(text->str, error);
}

/* A keyring that cannot be used is an error, after the answer that tells the rest. */
static gboolean check_keyring(const cJSON *reply, GError **error)
{
    const char *keyring = json_string_or(reply, "keyring", "open");
    if (g_str_equal(keyring, "open"))
        return TRUE;
    if (g_str_equal(keyring, "locked"))
        error_set(error, POSTKEY_ERROR_KEYRING_LOCKED,
                  "the secrets are safe in it, but until somebody unlocks it no token can be "
                  "renewed and nothing can be stored",
                  NULL, "the keyring is locked");
    else
        error_set(error, POSTKEY_ERROR_KEYRING_UNAVAILABLE,
                  "until there is one no token can be renewed and nothing can be stored; the fault "
                  "in the answer says why",
                  NULL, "there is no keyring that can be used");
    return FALSE;
}

static gboolean run_status(const Arguments *arguments, GError **error)
{
    g_autoptr(cJSON) reply = call(arguments, "GetStore", NULL, error);
    if (!reply)
        return FALSE;
    gboolean told =
        arguments_flag(arguments, "json") ? output_json(reply, error) : print_status(reply, error);
    return told && check_keyring(reply, error);
}

/* ---- init, move, rekey ---- */

static void remark_count(gint64 count, const char *what)
{
    output_remark("%" G_GINT64_FORMAT " credential%s %s\n", count, count == 1 ? "" : "s", what);
}

static gboolean run_init(const Arguments *arguments, GError **error)
{
    g_autoptr(cJSON) reply = call(arguments, "InitStore", NULL, error);
    if (!reply)
        return FALSE;
    g_autofree char *file = printable_member(reply, "key_file");
    if (!file)
        return broker_calls_missing("InitStore", "the key's file", error);
    output_remark("The key of the store is made. Keep a copy of it, apart from the copies of the\n"
                  "credentials: without it nobody can open them, with it anybody can.\n"
                  "Sealed files are used with store=sealed-file in postkey.conf, or after\n"
                  "  postkey store move --to sealed-file\n");
    return output_format(error, "%s\n", file);
}

static gboolean run_move(const Arguments *arguments, GError **error)
{
    const char *to = arguments_text(arguments, "to");
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "to", to);
    g_autoptr(cJSON) reply = call(arguments, "MoveStore", parameters, error);
    if (!reply)
        return FALSE;
    g_autofree char *configured = printable_member(reply, "configured");
    remark_count(json_int_or(reply, "moved", 0), "moved");
    output_remark("the store in use is %s\n", to);
    if (configured)
        output_remark("postkey.conf still says store=%s: write store=%s there\n", configured, to);
    return TRUE;
}

static gboolean run_rekey(const Arguments *arguments, GError **error)
{
    g_autoptr(cJSON) reply = call(arguments, "RekeyStore", NULL, error);
    if (!reply)
        return FALSE;
    g_autofree char *file = printable_member(reply, "key_file");
    remark_count(json_int_or(reply, "resealed", 0), "sealed with a new key");
    if (flag_member(reply, "of_systemd"))
        output_remark("In the unit, put the credential postkey-store-key.new in the place of\n"
                      "postkey-store-key now, and restart the broker.\n");
    output_remark("The copy of the old key opens nothing any more but old backups: keep a copy\n"
                  "of the new one.\n");
    return !file || output_format(error, "%s\n", file);
}

static const OptionSpec status_options[] = {
    {.name = "json", .kind = OPTION_FLAG, .help = "as one JSON object"},
    {.name = NULL},
};

static const OptionSpec move_options[] = {
    {.name = "to",
     .kind = OPTION_CHOICE,
     .choices = "secret-service|sealed-file",
     .placeholder = "STORE",
     .required = TRUE,
     .help = "secret-service  the desktop's keyring\n"
             "sealed-file     encrypted files, where there is none"},
    {.name = NULL},
};

const Verb verb_store = {
    .name = "store",
    .synopsis = "status|init|move|rekey",
    .summary = "where refresh tokens and client secrets are kept",
    .teaching = "In the desktop's keyring (secret-service); or, where there is no desktop, in\n"
                "encrypted files (sealed-file), whose key is a file or comes from systemd. For a\n"
                "server:\n"
                "\n"
                "  mkdir -p ~/.config/postkey\n"
                "  printf '[broker]\\nstore=sealed-file\\n' >> ~/.config/postkey/postkey.conf\n"
                "  postkey store init\n"
                "  postkey authorize you@gmail.com\n",
    .positionals_max = 8,
    .run = run_store,
};

const Verb verb_store_status = {
    .name = "store status",
    .summary = "which store is in use, and whether all is well with it",
    .teaching = "Opens every sealed credential, and names each that is damaged, exchanged, or of\n"
                "another key. A keyring that is locked or not there is an error, told after\n"
                "the answer.\n"
                "\n"
                "  postkey store status\n",
    .options = status_options,
    .run = run_status,
};

const Verb verb_store_init = {
    .name = "store init",
    .summary = "make the key of the sealed-file store",
    .teaching = "Once, before the first account; it never replaces a key. The answer is the\n"
                "key's file: keep a copy of it, apart from those of the credentials.\n"
                "\n"
                "  postkey store init\n",
    .run = run_init,
};

const Verb verb_store_move = {
    .name = "store move",
    .summary = "move every credential to the other store",
    .teaching = "Each is copied and read back; then the other store is in use, and the old ones\n"
                "are removed. When it is interrupted nothing is lost: run it again.\n"
                "\n"
                "  postkey store init\n"
                "  postkey store move --to sealed-file\n",
    .options = move_options,
    .run = run_move,
};

const Verb verb_store_rekey = {
    .name = "store rekey",
    .summary = "give the sealed-file store a new key",
    .teaching = "When somebody may have seen the key. Both keys are kept until every credential\n"
                "is sealed with the new one; when it is interrupted, run it again.\n"
                "\n"
                "  postkey store rekey\n",
    .run = run_rekey,
};

#include "broker_calls.h"
#include "errors.h"
#include "output.h"
#include "table.h"
#include "times.h"
#include "verb_list.h"

static gboolean run_local(const Arguments *arguments, GError **error)
{
    const char *what = arguments_positional(arguments, 0);
    error_set(error, POSTKEY_ERROR_USAGE, NULL,
              "postkey local add|list|remove; more with: postkey help local",
              what ? "there is no verb \"local %s\"" : "local needs to know what to do%s",
              what ? what : "");
    return FALSE;
}

static gboolean run_add(const Arguments *arguments, GError **error)
{
    const char *name = arguments_positional(arguments, 0);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "name", name);
    json_add_string(parameters, "account", arguments_text(arguments, "account"));
    cJSON *reply = broker_calls_once(arguments_scope(arguments), "AddLocal", parameters,
                                     BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    g_autofree char *account = output_printable(json_string_or(reply, "account", "?"));
    g_autoptr(Secret) password = secret_new(json_string_or(reply, "password", NULL), -1);
    json_wipe(reply);
    if (!password)
        return broker_calls_missing("AddLocal", "the password", error);
    output_remark("%s sends as %s, where the port is switched on (postkey help local).\n"
                  "Its password is shown this once:\n",
                  name, account);
    return output_secret(password, error);
}

static gboolean print_locals(const cJSON *locals, GError **error)
{
    static const char *const titles[] = {"NAME", "SENDS AS", "SINCE"};
    if (cJSON_GetArraySize(locals) == 0) {
        output_remark("There is no local name yet. What they are for: postkey help local\n");
        return TRUE;
    }
    g_autoptr(Table) table = table_new(titles, G_N_ELEMENTS(titles));
    const cJSON *local;
    cJSON_ArrayForEach (local, locals) {
        g_autofree char *name = output_printable(json_string_or(local, "name", "?"));
        g_autofree char *account = output_printable(json_string_or(local, "account", "?"));
        g_autofree char *since = times_date(json_int_or(local, "added", -1));
        const char *cells[] = {name, account, since};
        table_add(table, cells);
    }
    g_autofree char *text = table_format(table);
    return output_answer(text, error);
}

static gboolean run_list(const Arguments *arguments, GError **error)
{
    const cJSON *locals = NULL;
    g_autoptr(cJSON) reply = broker_calls_once(arguments_scope(arguments), "GetLocals", NULL,
                                               BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    if (json_array(reply, "locals", &locals) != JSON_FOUND)
        return broker_calls_missing("GetLocals", "the names", error);
    return arguments_flag(arguments, "json") ? output_json(locals, error)
                                             : print_locals(locals, error);
}

static gboolean run_remove(const Arguments *arguments, GError **error)
{
    const char *name = arguments_positional(arguments, 0);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "name", name);
    g_autoptr(cJSON) reply = broker_calls_once(arguments_scope(arguments), "RemoveLocal",
                                               parameters, BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    output_remark("%s: the name is removed, its password is of no use any more\n", name);
    return TRUE;
}

static const OptionSpec add_options[] = {
    {.name = "account",
     .kind = OPTION_TEXT,
     .placeholder = "ACCOUNT",
     .help = "whom it sends as (the default account)"},
    {.name = NULL},
};

static const OptionSpec list_options[] = {
    {.name = "json", .kind = OPTION_FLAG, .help = "as one JSON array"},
    {.name = NULL},
};

const Verb verb_local = {
    .name = "local",
    .synopsis = "add|list|remove",
    .summary = "names and passwords for programs that only speak SMTP",
    .teaching = "Some programs and devices can do nothing but speak SMTP to a port, with a name\n"
                "and a password. postkey-smtp.socket of systemd is such a port, at\n"
                "127.0.0.1:2525, for those to whom you gave a name:\n"
                "\n"
                "  postkey local add wiki --account you@gmail.com\n"
                "  systemctl --user enable --now postkey-smtp.socket\n"
                "\n"
                "Each sends as its account alone, and gets no token. There is no TLS: the port\n"
                "is for this machine. Before a login it takes no mail.\n",
    .positionals_max = 8,
    .run = run_local,
};

const Verb verb_local_add = {
    .name = "local add",
    .synopsis = "NAME",
    .summary = "make a name, and print its password once",
    .teaching = "The broker makes the password and keeps a hash of it; nobody can see it again.\n"
                "Lost: remove the name, and add it anew. On stdout is the password alone.\n"
                "\n"
                "  postkey local add wiki --account you@gmail.com\n",
    .options = add_options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_add,
};

const Verb verb_local_list = {
    .name = "local list",
    .summary = "the names, and whom they send as; never a password",
    .teaching = "  postkey local list\n",
    .options = list_options,
    .run = run_list,
};

const Verb verb_local_remove = {
    .name = "local remove",
    .synopsis = "NAME",
    .summary = "take a name and its password back",
    .teaching = "It counts from the next message on, also for who is logged in. To forget or\n"
                "revoke an account removes its names, too.\n"
                "\n"
                "  postkey local remove wiki\n",
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_remove,
};

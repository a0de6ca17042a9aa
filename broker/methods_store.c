#include "methods.h"

#include "errors.h"
#include "store_choice.h"
#include "store_move.h"
#include "store_sealed_file.h"

/* An answer that comes later. */
typedef struct {
    Methods *methods;
    Call *call; /* NULL: its caller hung up; the work goes on all the same */
} Answer;

static void hung_up(gpointer data)
{
    ((Answer *)data)->call = NULL;
}

static Answer *answer_later(Methods *methods, Call *call)
{
    Answer *answer = g_new0(Answer, 1);
    *answer = (Answer){.methods = methods, .call = call};
    call_on_hangup(call, hung_up, answer);
    return answer;
}

static Store *sealed_store(const Context *context)
{
    return store_switch_of_kind(context->stores, STORE_SEALED_FILE);
}

static void add_disagreement(cJSON *reply, const Context *context)
{
    g_autofree char *disagreement = store_choice_disagreement(context);
    if (disagreement)
        json_add_string(reply, "configured", context->config->store);
}

/* ---- GetStore ---- */

static cJSON *describe(const Context *context)
{
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "store", store_kind_name(store_switch_current(context->stores)));
    add_disagreement(reply, context);
    json_add_string(reply, "left", context->state->store_left);
    return reply;
}

static const char *keyring_word(const GError *error)
{
    if (!error)
        return "open";
    return g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_KEYRING_LOCKED) ? "locked"
                                                                               : "unavailable";
}

static void listed(const char *const *names, const GError *error, gpointer data)
{
    Answer *answer = data;
    if (answer->call) {
        const char *faults[] = {NULL, NULL};
        g_autofree char *reason = error ? call_reason(error) : NULL;
        cJSON *reply = describe(answer->methods->context);
        if (names)
            cJSON_AddNumberToObject(reply, "credentials", g_strv_length((char **)names));
        faults[0] = reason;
        json_add_strings(reply, "faults", faults);
        json_add_string(reply, "keyring", keyring_word(error));
        call_reply(answer->call, reply);
    }
    g_free(answer);
}

static void reply_sealed(const Context *context, Call *call)
{
    g_auto(StoreSealedFileReport) report = {0};
    store_sealed_file_inspect(sealed_store(context), &report);
    cJSON *reply = describe(context);
    cJSON_AddNumberToObject(reply, "credentials", report.credentials);
    cJSON *key = cJSON_AddObjectToObject(reply, "key");
    json_add_string(key, "file", report.path);
    json_add_string(key, "id", report.id);
    cJSON_AddBoolToObject(key, "of_systemd", report.of_systemd);
    cJSON_AddBoolToObject(key, "changing", report.changing);
    g_ptr_array_add(report.faults, NULL);
    json_add_strings(reply, "faults", (const char *const *)report.faults->pdata);
    call_reply(call, reply);
}

void method_get_store(Methods *methods, Call *call)
{
    const Context *context = methods->context;
    if (store_switch_current(context->stores) == STORE_SEALED_FILE)
        reply_sealed(context, call);
    else
        store_list(context->store, listed, answer_later(methods, call));
}

/* ---- InitStore ---- */

void method_init_store(Methods *methods, Call *call)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    if (!store_sealed_file_init(sealed_store(methods->context), &path, &error)) {
        call_fail(call, error, NULL);
        return;
    }
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "key_file", path);
    call_reply(call, reply);
}

/* ---- MoveStore ---- */

static void moved(guint count, const GError *error, gpointer data)
{
    Answer *answer = data;
    if (answer->call && error) {
        call_fail(answer->call, error, NULL);
    } else if (answer->call) {
        cJSON *reply = cJSON_CreateObject();
        cJSON_AddNumberToObject(reply, "moved", count);
        add_disagreement(reply, answer->methods->context);
        call_reply(answer->call, reply);
    }
    g_free(answer);
}

void method_move_store(Methods *methods, Call *call)
{
    StoreKind to;
    if (store_kind_parse(call_string(call, "to"), &to))
        store_move_start(methods->context, to, moved, answer_later(methods, call));
    else
        call_invalid_parameter(call, "to");
}

/* ---- RekeyStore ---- */

static void rekeyed(const StoreRekey *result, const GError *error, gpointer data)
{
    Answer *answer = data;
    if (answer->call && error) {
        call_fail(answer->call, error, NULL);
    } else if (answer->call) {
        cJSON *reply = cJSON_CreateObject();
        cJSON_AddNumberToObject(reply, "resealed", result->resealed);
        json_add_string(reply, "key_file", result->path);
        cJSON_AddBoolToObject(reply, "of_systemd", result->of_systemd);
        call_reply(answer->call, reply);
    }
    g_free(answer);
}

void method_rekey_store(Methods *methods, Call *call)
{
    if (store_switch_current(methods->context->stores) == STORE_SEALED_FILE) {
        store_sealed_file_rekey(sealed_store(methods->context), rekeyed,
                                answer_later(methods, call));
        return;
    }
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_REFUSED, "the keyring looks after its own key",
              "change the keyring's password with its own program",
              "the store in use, secret-service, has no key of postkey");
    call_fail(call, error, NULL);
}

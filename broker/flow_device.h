/* The device authorization grant (RFC 8628): the person types a code at a page of the provider's,
 * on any device. */
#pragma once

#include "http.h"
#include "oauth.h"

typedef struct FlowDevice FlowDevice;

typedef struct {
    /* The code is there: show it. reply is borrowed. */
    void (*visit)(const OauthDeviceReply *reply, gpointer data);
    /* The provider was asked and says: not yet. */
    void (*waiting)(gint64 expires_in_s, gpointer data);
    /* The provider refuses the flow as such; the browser flow may do. The flow is over. */
    void (*refused)(const char *reason, gpointer data);
    /* The flow is over: reply (borrowed, verdict OAUTH_GRANTED), or NULL and the error
     * (POSTKEY_ERROR_AUTHORIZATION denied, expired or refused, _CONFIGURATION, _UNAVAILABLE). */
    void (*finished)(OauthTokenReply *reply, const GError *error, gpointer data);
} FlowDeviceEvents;

/* provider and scopes are borrowed until the flow is over. The callbacks run later, from the main
 * loop; inside the last one the flow may be freed. */
FlowDevice *flow_device_start(HttpClient *http, const Provider *provider, const char *const *scopes,
                              const FlowDeviceEvents *events, gpointer data);

/* Ends it; no callback runs afterwards. */
void flow_device_free(FlowDevice *flow);

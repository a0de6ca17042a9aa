/* postkey-send --check: what would be sent, as whom, to whom, and what would be changed on the way.
 */
#pragma once

#include "delivery.h"

/* Asks the broker for account and route, and gives the place back at once; nothing is sent, and no
 * credential is needed. Prints on standard output, for people or as one JSON object. FALSE with
 * the error that sending would end with: of the broker, or POSTKEY_ERROR_REFUSED for a message that
 * SMTP cannot carry. POSTKEY_ERROR_IO. */
gboolean check_print(const DeliveryRequest *request, const GPtrArray *addresses, gboolean json,
                     GError **error);

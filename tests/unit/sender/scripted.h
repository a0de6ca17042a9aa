/* A server that plays a script, in plain text or in TLS: for what no real server does.
 */
#pragma once

#include <glib.h>

/* One step: hears up to and with the text (since the step before; NULL: nothing is waited for), and
 * so many bytes behind it; then says something (NULL: nothing). */
typedef struct {
    const char *hears;
    gsize and_bytes;
    const char *says;
    gboolean byte_by_byte;
    gboolean stalls; /* says nothing more, until the client goes */
    gboolean goes;   /* closes at once, whatever the client still says */
    gboolean deaf;   /* reads nothing before scripted_listen() */
} Step;

typedef struct Scripted Scripted;

/* Listens on 127.0.0.1 and plays steps, n of them, for the first client; after the last one it
 * closes its side. Borrows the steps. */
Scripted *scripted_start(const Step *steps, gsize n, gboolean tls);

guint scripted_port(const Scripted *scripted);

/* The authority of its certificate. Borrowed, for ever. */
const char *scripted_ca(void);

/* Ends a step that is deaf, and waits until nothing more arrives. Returns how much it has heard. */
gsize scripted_listen(Scripted *scripted);

/* Waits for the end. Returns all that it heard, owned. */
char *scripted_end(Scripted *scripted);

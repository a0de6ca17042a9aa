/* The store in use, behind one face: so that it can change while others hold on to it.
 *
 * Every call goes to the store in use at that moment. Who copies one store into the other watches
 * the writes meanwhile, so that none is missed and none has to wait.
 */
#pragma once

#include "store.h"

typedef struct StoreSwitch StoreSwitch;

/* Takes one store of each kind. Returns owned. */
StoreSwitch *store_switch_new(Store *const kinds[STORE_KINDS], StoreKind current);

/* Outstanding callbacks do not run any more; a watcher is abandoned. NULL is fine. */
void store_switch_free(StoreSwitch *stores);

/* The store in use, whichever it is. Borrowed; not to be freed alone. */
Store *store_switch_face(StoreSwitch *stores);

StoreKind store_switch_current(const StoreSwitch *stores);
void store_switch_to(StoreSwitch *stores, StoreKind kind);

/* The store of a kind by itself. Borrowed. */
Store *store_switch_of_kind(StoreSwitch *stores, StoreKind kind);

/* How many puts and removals through the face are under way. */
guint store_switch_writing(const StoreSwitch *stores);

typedef struct {
    /* A put or a removal of that name has ended, well or badly; before its caller is told. */
    void (*written)(const char *name, gpointer data);
    /* The stores are freed. */
    void (*abandoned)(gpointer data);
} StoreSwitchWatch;

/* From now on the watcher is told. FALSE when there is one already. watch is borrowed until
 * store_switch_unwatch(). */
gboolean store_switch_watch(StoreSwitch *stores, const StoreSwitchWatch *watch, gpointer data);
void store_switch_unwatch(StoreSwitch *stores);
gboolean store_switch_is_watched(const StoreSwitch *stores);

/* A store that is a hash table; answers from the main loop, as every store. */
#pragma once

#include "store.h"

/* Holds one secret from the start (name and value are copied). Returns owned: store_free(). */
Store *memory_store_new(const char *name, const char *value);

#ifndef SIM_GUARD_H
#define SIM_GUARD_H

#include <glib.h>

/* Holds a GMutex to the end of the block. */
#define GUARD(mutex)                                                                               \
    G_GNUC_UNUSED g_autoptr(GMutexLocker) guard_of_this_block = g_mutex_locker_new(mutex)

#endif

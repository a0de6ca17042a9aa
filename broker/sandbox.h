/* The process shuts itself in: from then on it writes only below a few folders, and runs no
 * program.
 *
 * By Landlock (landlock(7), Linux 5.13), which needs no privilege and cannot be taken back. It
 * holds for the thread that calls, and for all threads and processes that come from it; so it is
 * called before the first thread is started. What is open already stays open. Reading is left to
 * the ordinary permissions: docs/threat-model.md says why.
 *
 * What a kernel refuses depends on its version of Landlock: before 6.2 (version 3) truncate(2) is
 * not confined. No version confines chmod, times and attributes, or connecting to a socket.
 */
#pragma once

#include <glib.h>

/* What remains possible below a folder. */
typedef enum {
    SANDBOX_REMOVE = 1 << 0,  /* remove files */
    SANDBOX_WRITE = 1 << 1,   /* make, write, and remove files, rename them within one folder */
    SANDBOX_FOLDERS = 1 << 2, /* make folders */
} SandboxRights;

typedef struct {
    char *path;
    SandboxRights rights;
} SandboxPlace;

/* Shuts the process in; places that are not there are left out. Also gives up for good what set-uid
 * programs could give (PR_SET_NO_NEW_PRIVS), with or without Landlock. TRUE with *confined = FALSE:
 * the kernel has no Landlock, or has it switched off. FALSE with POSTKEY_ERROR_IO: it has, and it
 * failed, or there are threads already; nothing is confined. Once in a process. */
gboolean sandbox_confine(const SandboxPlace *places, gsize n, gboolean *confined, GError **error);

/* Whether a file may be made and replaced at path, as far as the sandbox goes: TRUE where there is
 * none, and where path's folder is not there. Otherwise POSTKEY_ERROR_CONFIGURATION: the process
 * has to be started anew to learn of that folder. */
gboolean sandbox_check(const char *path, GError **error);

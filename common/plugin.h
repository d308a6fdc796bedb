/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.h - the one loader
 *
 * A plugin is a loadable object DIR/KIND/NAME.so that exports one symbol: a
 * versioned `const struct` whose first member is `uint32_t abi` and whose
 * second is `const char *name`.  DIR is $FALLOW_PLUGIN_DIR, else the directory
 * compiled in.  The kind's header (plugins/KIND/KIND.h) is its whole contract.
 * Nothing else in the tree calls dlopen, except a kernel for a heavy library
 * of its own.
 */
#ifndef FALLOW_COMMON_PLUGIN_H
#define FALLOW_COMMON_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct plugin;

/* The directory of a kind; allocated, NULL with errno ENOMEM. */
char *plugin_dir(const char *kind);

/* Load KIND/NAME and look up its struct.  Returns NULL with errno EINVAL
 * (NAME is not lower-case letters, digits and '-'), ENOENT (no such plugin;
 * err lists what exists), ENOEXEC (cannot be loaded, or has no such symbol) or
 * EPROTO (other ABI, or the struct's name differs from the file's).
 */
struct plugin *plugin_create(const char *kind, const char *name,
                             const char *symbol, uint32_t abi,
                             struct error *err);

/* The exported struct; valid until plugin_destroy. */
const void *plugin_struct(const struct plugin *p);

/* Unload; NULL is allowed. */
void plugin_destroy(struct plugin *p);

/* Names of all plugins of a kind, sorted; an absent directory is an empty
 * list.  *names and each of its *n strings belong to the caller
 * (plugin_names_free).  Returns 0, or -1 with errno.
 */
int plugin_names(const char *kind, char ***names, size_t *n, struct error *err);
void plugin_names_free(char **names, size_t n);

#endif

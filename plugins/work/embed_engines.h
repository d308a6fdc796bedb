/* SPDX-License-Identifier: Apache-2.0 */
/* embed_engines.h - the variants of embed, best first
 *
 * AMX tiles are code of ours, used where the processor has them.  oneDNN lives
 * in a loadable object of its own beside embed.so, embed-onednn.so, which may
 * be absent or fail to load; the variant is then not usable, and nothing else
 * changes.
 */
#ifndef FALLOW_PLUGINS_WORK_EMBED_ENGINES_H
#define FALLOW_PLUGINS_WORK_EMBED_ENGINES_H

#include <stdbool.h>

#include "common/error.h"
#include "kernels/embed/engine.h"
#include "kernels/embed/rows.h"

/* Best first, "ref" last, NULL ends. */
extern const char *const embed_variants[];

/* An engine and its row operations. */
struct embed_variant {
    const struct embed_engine *engine;
    const struct embed_rows *rows;
};

/* Look a variant up; NULL means the best usable one.  Returns 0, or -1 with
 * errno ENOTSUP and err.
 */
int embed_variant_find(const char *name, struct embed_variant *out,
                       struct error *err);

bool embed_variant_usable(const char *name);

#endif

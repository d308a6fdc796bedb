/* SPDX-License-Identifier: Apache-2.0 */
/* embed_split.h - the customer's side of embed: texts to items, results to
 * vectors
 *
 * The slots split and assemble of the plugin (work.h); what the words mean,
 * and the files' formats, are in doc/6-embed-input.md.  An item is a text's
 * token ids, u16 little-endian, so neither the price nor a worker needs the
 * text.  The plan's "output" is
 *
 *   {"path", "width": floats a vector, "max_length": tokens,
 *    "max_length_from": file, "model": name, "tokenizer": version}
 *
 * and "notes" has lines for people that are no warnings.  Split also leaves
 * the file "ids", one line an item, which assemble needs.
 */
#ifndef FALLOW_PLUGINS_WORK_EMBED_SPLIT_H
#define FALLOW_PLUGINS_WORK_EMBED_SPLIT_H

#include "plugins/work/work.h"

/* What `fallow-runner --describe embed` shows as "usage". */
#define EMBED_USAGE                                                            \
    "--model NAME|DIR  the model's name in the model path, or its folder\n"    \
    "--input FILE      JSON lines, a string \"text\" and optionally an "       \
    "\"id\"\n"                                                                 \
    "--output FILE     NumPy file to write, the ids beside it\n"               \
    "--field NAME      the member that holds the text (text)\n"                \
    "--max-length N    tokens a text at most (what the model says)\n"          \
    "--chunk N         items a task (512)\n"

int embed_split(const struct work_split *s, struct error *err);
int embed_assemble(const struct work_assemble *a, struct error *err);

/* The folder of a model: a NAME with a slash is a path; any other is looked
 * up in $FALLOW_MODEL_PATH (separated by colons), in fallow/models under
 * $XDG_DATA_HOME or ~/.local/share, in the installed data directory, and in
 * /var/lib/fallow/models.  Allocated; NULL with errno ENOENT and err naming
 * the places and the remedy.
 */
char *embed_find_model(const char *name, struct error *err);

#endif

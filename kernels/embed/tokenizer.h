/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.h - the tokenizer of a Hugging Face model folder
 *
 * Reads tokenizer.json, or vocab.txt with tokenizer_config.json, beside
 * config.json.  Anything that would give other ids than the reference
 * tokenizer is refused by name, never ignored.
 */
#ifndef FALLOW_KERNELS_EMBED_TOKENIZER_H
#define FALLOW_KERNELS_EMBED_TOKENIZER_H

#include "kernels/embed/wordpiece.h"
#include "kernels/fault.h"

struct tokenizer {
    struct wordpiece *pieces;
    unsigned max_length;         /* tokens a text, begin and end included */
    const char *max_length_from; /* the file that said so */
    const char *vocabulary_from; /* "tokenizer.json" or "vocab.txt" */
};

/* Read the folder.  The maximum length is sentence_bert_config.json's
 * max_seq_length, else tokenizer.json's truncation, else config.json's
 * max_position_embeddings, and never above the last.  Returns 0, or -1 with
 * f naming file and value, and errno ENOENT (a file is missing), EBADMSG
 * (malformed), ENOTSUP (well-formed, but not a tokenizer we reproduce),
 * ENOMEM, or that of open or read; t then holds nothing.
 */
int tokenizer_open(struct tokenizer *t, const char *dir, struct fault *f);
void tokenizer_close(struct tokenizer *t);

#endif

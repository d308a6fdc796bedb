/* SPDX-License-Identifier: Apache-2.0 */
/* wordpiece.h - a text's token ids
 *
 * A text is normalised (normalize.h), cut into words at blanks and around
 * every punctuation mark, and each word is covered from the left by the
 * longest pieces the vocabulary has; a word that cannot be covered, or is too
 * long, is the one piece "unknown".  The ids are those of the reference
 * tokenizer for every text (doc/6-embed-input.md), with one difference on
 * purpose: special tokens that a user typed, as in "[SEP]", are text.
 */
#ifndef FALLOW_KERNELS_EMBED_WORDPIECE_H
#define FALLOW_KERNELS_EMBED_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/embed/normalize.h"
#include "kernels/fault.h"

/* Recorded with every job; raised when the ids of any text change. */
#define WORDPIECE_VERSION "wordpiece-1"

#define WORDPIECE_WORD_MAX 256 /* code points, the most a model may ask */
#define WORDPIECE_LENGTH_MIN 3 /* tokens: begin, one piece, end */
#define WORDPIECE_LENGTH_MAX 65536

struct wordpiece;

/* What a model folder says.  Ids are below 65,536 and a token is given by its
 * text; every member is borrowed for the call.
 */
struct wordpiece_model {
    struct normalize_rules rules;
    const char *prefix;  /* of a piece that continues a word: "##" */
    const char *unknown; /* "[UNK]" */
    const char *begin;   /* "[CLS]" */
    const char *end;     /* "[SEP]" */
    unsigned word_max;   /* code points; a longer word is unknown */
};

/* An empty vocabulary.  Returns NULL with errno EINVAL (word_max is 0 or above
 * WORDPIECE_WORD_MAX) or ENOMEM.
 */
struct wordpiece *wordpiece_create(const struct wordpiece_model *m,
                                   struct fault *f);
void wordpiece_destroy(struct wordpiece *w);

/* Add a piece of len bytes; the same piece again takes the new id.  Returns
 * 0, or -1 with errno EINVAL (id above 65,535) or ENOMEM.
 */
int wordpiece_add(struct wordpiece *w, const char *piece, size_t len,
                  uint32_t id, struct fault *f);

/* Every piece was added: find the three special ones.  Returns 0, or -1 with
 * errno EBADMSG and f naming the one that is missing.
 */
int wordpiece_ready(struct wordpiece *w, struct fault *f);

/* The number of ids a table of embeddings needs: the highest id + 1. */
uint32_t wordpiece_ids(const struct wordpiece *w);

/* Encode a text of valid UTF-8 as begin, pieces, end: at most max ids
 * (WORDPIECE_LENGTH_MIN or more) into ids.  *cut, which may be NULL, tells
 * whether pieces were left out at the end.  Returns the number of ids, >= 2.
 * Reads w only, so threads may share it.
 */
size_t wordpiece_encode(const struct wordpiece *w, const char *text, size_t len,
                        uint16_t *ids, size_t max, bool *cut);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tiny.h - a seeded encoder of 2 layers, 32 wide, made in code
 *
 * It is what the known answer is computed with, and what tests use where no
 * real model is: hidden 32, 2 heads, ffn 64, 64 positions.  Its values come
 * from an integer hash, so they are the same everywhere.
 */
#ifndef FALLOW_KERNELS_EMBED_TINY_H
#define FALLOW_KERNELS_EMBED_TINY_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/embed/encoder.h"

#define TINY_VOCAB 256
#define TINY_ITEMS 24

/* The model as files in memory: config.json, and model.safetensors of
 * *len bytes.  Both are allocated; NULL with errno ENOMEM.
 */
char *tiny_config(uint32_t vocab);
void *tiny_safetensors(uint32_t vocab, size_t *len);

/* The items of the known answer: 1 to 64 tokens, TINY_ITEMS of them; bytes
 * holds at least TINY_ITEMS × 128.
 */
void tiny_items(uint8_t *bytes, struct embed_input items[TINY_ITEMS]);

/* The tiny model over one engine; NULL with errno and f. */
struct embed_encoder *tiny_encoder(const struct embed_engine *e,
                                   const struct embed_rows *r, struct fault *f);

#endif

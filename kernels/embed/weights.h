/* SPDX-License-Identifier: Apache-2.0 */
/* weights.h - an encoder's parameters, quantised
 *
 * Every weight matrix becomes s7, [-63, 63], with one scale an output
 * channel: scale = max|w| / 63, q = round(w × (63 / max|w|)).  Products of u8
 * activations with s7 weights are exact in every x86 integer instruction;
 * wider weights are not (vpmaddubsw saturates).  Embeddings, biases and
 * LayerNorm stay float32.  The key's bias is dropped: it adds the same to
 * every score of a query, so softmax does not see it.
 */
#ifndef FALLOW_KERNELS_EMBED_WEIGHTS_H
#define FALLOW_KERNELS_EMBED_WEIGHTS_H

#include "kernels/embed/config.h"
#include "kernels/embed/safetensors.h"

/* y = x W^T + b over quantised x and W. */
struct embed_linear {
    uint32_t k, n; /* in, out */
    int8_t *w;     /* n rows of k */
    float *scale;  /* n: one step of a weight */
    float *offset; /* n: scale × sum of the row's integers */
    float *bias;   /* n */
};

struct embed_norm {
    float *gamma, *beta; /* hidden */
};

struct embed_layer {
    struct embed_linear qkv;  /* hidden -> 3 hidden: query, key, value */
    struct embed_linear out;  /* hidden -> hidden */
    struct embed_linear up;   /* hidden -> ffn */
    struct embed_linear down; /* ffn -> hidden */
    struct embed_norm after_attention, after_ffn;
};

struct embed_weights {
    struct embed_config config;
    struct st_file *file;         /* keeps word's data mapped */
    const struct st_tensor *word; /* vocab × hidden */
    float *position;              /* max_positions × hidden, type 0 added */
    struct embed_norm norm;
    struct embed_layer *layers;
};

/* Load and quantise a folder (config.h has its layouts); names may carry the
 * prefix "bert.".  Every value must be finite and at most 65,504 in magnitude.
 * Returns NULL with errno of open, EBADMSG (f names tensor and value), ENOTSUP
 * or ENOMEM.
 */
struct embed_weights *embed_weights_create(const char *dir, struct fault *f);

/* The same from a file already open, which becomes the result's even when it
 * fails.
 */
struct embed_weights *embed_weights_from(const struct embed_config *c,
                                         struct st_file *file, struct fault *f);

/* NULL and half-built objects are allowed; errno is kept. */
void embed_weights_destroy(struct embed_weights *w);

/* Whether DIR/model.safetensors has every tensor of c in its shape, without
 * looking at values.  Returns 0, or -1 with errno and f.
 */
int embed_weights_check(const char *dir, const struct embed_config *c,
                        struct fault *f);

/* Resident bytes of the quantised parameters. */
uint64_t embed_weights_bytes(const struct embed_config *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - what an encoder is, read from its folder
 *
 * Two layouts are read: a Hugging Face folder as it is published
 *
 *     config.json  model.safetensors  [modules.json  1_Pooling/config.json]
 *
 * and the flat one that travels as a task's parameters (the same bytes, the
 * pooling file under the name of its directory):
 *
 *     config.json  model.safetensors  [modules.json  1_Pooling.json]
 *
 * Without modules.json vectors are mean-pooled and not normalised.  Whatever
 * this kernel cannot compute exactly as published is refused by name and
 * value; unknown keys are ignored, duplicate keys are not.
 */
#ifndef FALLOW_KERNELS_EMBED_CONFIG_H
#define FALLOW_KERNELS_EMBED_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/fault.h"

enum embed_pooling { EMBED_POOL_MEAN, EMBED_POOL_CLS };

struct embed_config {
    uint32_t hidden;        /* multiple of 32, at most 4,096 */
    uint32_t layers;        /* 1 to 96 */
    uint32_t heads;         /* hidden / heads is a multiple of 16 */
    uint32_t ffn;           /* intermediate_size, multiple of 32, to 16,384 */
    uint32_t vocab;         /* at most 65,536: an id is 16 bits */
    uint32_t max_positions; /* longest item in tokens, at most 4,096 */
    uint32_t types;         /* type_vocab_size, 1 to 16 */
    float eps;              /* layer_norm_eps */
    enum embed_pooling pooling;
    bool normalize;
};

/* Read config.json, and modules.json with its pooling file where there is
 * one.  Returns 0, or -1 with errno of open or read, EBADMSG (malformed) or
 * ENOTSUP (a model this kernel does not compute); f names file and value.
 */
int embed_config_read(const char *dir, struct embed_config *out,
                      struct fault *f);

/* The same from texts in memory; modules and pooling may be NULL. */
int embed_config_parse(const char *config, size_t config_len,
                       const char *modules, size_t modules_len,
                       const char *pooling, size_t pooling_len,
                       struct embed_config *out, struct fault *f);

/* What an item of so many tokens costs, in multiply-accumulates of the
 * integer matrix products:
 *
 *   layers * (tokens * (4 hidden^2 + 2 hidden ffn) + 2 tokens^2 hidden)
 *
 * It depends on nothing else, so batch and padding cost nobody anything; 128
 * tokens of MiniLM-L6 are 1,434,451,968.
 */
uint64_t embed_units(const struct embed_config *c, uint32_t tokens);

/* Copy a folder of either layout to the flat one: to is an empty directory.
 * The model is validated (config and safetensors header) before anything is
 * written.  Returns 0, or -1 with errno and f.
 */
int embed_params_export(const char *from, const char *to, struct fault *f);

#endif

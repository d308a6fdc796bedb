/* SPDX-License-Identifier: Apache-2.0 */
/* encoder.h - token ids in, exact vectors out
 *
 * An item is token ids, u16 little-endian, first and last (such as [CLS] and
 * [SEP]) included.  Its canonical bytes are the vector, s8 × hidden, and its
 * scale, float32 little-endian: the value of component i is s8[i] × scale.
 * They depend on the item and the model alone: not on variant, threads, batch
 * or neighbours.
 */
#ifndef FALLOW_KERNELS_EMBED_ENCODER_H
#define FALLOW_KERNELS_EMBED_ENCODER_H

#include <signal.h>
#include <stddef.h>

#include "kernels/embed/engine.h"
#include "kernels/embed/rows.h"

/* Why an item has no vector: its deterministic failure code. */
enum embed_code {
    EMBED_OK = 0,
    EMBED_ODD_LENGTH = 1, /* empty, or an odd number of bytes */
    EMBED_TOO_LONG = 2,   /* more tokens than max_positions */
    EMBED_BAD_ID = 3,     /* an id that is not below vocab */
};

struct embed_input {
    const uint8_t *bytes;
    uint32_t len;
};

/* bytes is allocated by embed_encode and freed by the caller with free(). */
struct embed_output {
    uint32_t code;
    uint64_t units;
    uint8_t *bytes;
    uint32_t len;
};

struct embed_control {
    const volatile sig_atomic_t *stop;          /* NULL: nothing stops it */
    void (*progress)(void *arg, uint64_t done); /* or NULL */
    void *arg;
};

struct embed_encoder;

/* Load DIR for one engine and one set of row operations.  Returns NULL with
 * errno and f as embed_weights_create.
 */
struct embed_encoder *embed_encoder_create(const char *dir,
                                           const struct embed_engine *e,
                                           const struct embed_rows *r,
                                           struct fault *f);
struct embed_encoder *embed_encoder_of(struct embed_weights *w,
                                       const struct embed_engine *e,
                                       const struct embed_rows *r,
                                       struct fault *f);
void embed_encoder_destroy(struct embed_encoder *enc);

const struct embed_config *embed_encoder_config(const struct embed_encoder *e);

/* Bytes resident while n items of at most longest tokens are encoded. */
uint64_t embed_encoder_ram(const struct embed_encoder *e, uint32_t longest,
                           int threads);

/* Tokens of an item, or 0 with *code set. */
uint32_t embed_tokens(const struct embed_config *c, const uint8_t *bytes,
                      uint32_t len, uint32_t *code);

/* Encode n items; out[i] answers in[i].  progress is called by the calling
 * thread.  Returns 0, or -1 with errno and f: ECANCELED (stop), ENOMEM; then
 * out holds nothing to free.
 */
int embed_encode(struct embed_encoder *e, const struct embed_input *in,
                 size_t n, struct embed_output *out, int threads,
                 const struct embed_control *ctl, struct fault *f);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* embed.c - text embedding: a thin shell over kernels/embed
 *
 * The customer's side is in embed_split.c, the arithmetic in kernels/embed;
 * doc/5-exactness.md says which rules make it the same everywhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/embed/encoder.h"
#include "kernels/embed/spec.h"
#include "kernels/embed/tiny.h"
#include "plugins/work/embed_engines.h"
#include "plugins/work/embed_split.h"
#include "plugins/work/work.h"

struct embed {
    struct embed_encoder *encoder;
    struct embed_variant variant;
    int threads;
};

/* The text of a fault, under the house's error. */
static int take_fault(struct error *err, const struct fault *f)
{
    return error_set(err, errno, "%s", f->text);
}

static void embed_close(void *ctx)
{
    struct embed *e = ctx;

    if (e) {
        embed_encoder_destroy(e->encoder);
        free(e);
    }
}

static void *embed_open(const struct work_open *o, struct error *err)
{
    struct embed *e = calloc(1, sizeof(*e));
    struct fault f = {""};

    if (!e)
        return error_null(err, ENOMEM, "could not allocate a kernel");
    e->threads = o->threads;
    if (embed_variant_find(o->variant, &e->variant, err) < 0) {
        free(e);
        return NULL;
    }
    e->encoder =
        embed_encoder_create(o->params, e->variant.engine, e->variant.rows, &f);
    if (!e->encoder) {
        take_fault(err, &f);
        free(e);
        return NULL;
    }
    return e;
}

static const char *embed_variant_name(const void *ctx)
{
    const struct embed *e = ctx;

    return e->variant.engine->variant;
}

static int embed_estimate(void *ctx, const struct item *items, size_t n,
                          struct work_estimate *out, struct error *err)
{
    const struct embed *e = ctx;
    const struct embed_config *c = embed_encoder_config(e->encoder);
    uint32_t longest = 1, code;

    (void)err;
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        uint32_t t = embed_tokens(c, items[i].bytes, items[i].len, &code);

        if (t == 0)
            continue;
        if (t > longest)
            longest = t;
        out->units += embed_units(c, t);
        out->out_bytes += c->hidden + 4;
    }
    out->ram = embed_encoder_ram(e->encoder, longest, e->threads) + n * 64 +
               out->out_bytes;
    return 0;
}

/* Encode items and hand the vectors over as results. */
static int encode(struct embed_encoder *enc, const struct item *items, size_t n,
                  struct item_result *out, int threads,
                  const struct embed_control *ctl, struct error *err)
{
    struct embed_input *in = calloc(n + 1, sizeof(*in));
    struct embed_output *vec = calloc(n + 1, sizeof(*vec));
    struct fault f = {""};
    int rc = -1;

    if (!in || !vec) {
        error_set(err, ENOMEM, "could not allocate %zu items", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        in[i] = (struct embed_input){items[i].bytes, items[i].len};
    rc = embed_encode(enc, in, n, vec, threads, ctl, &f);
    if (rc < 0)
        take_fault(err, &f);
    for (size_t i = 0; rc == 0 && i < n; i++)
        out[i] = (struct item_result){vec[i].code, vec[i].units, vec[i].bytes,
                                      vec[i].len};
out:
    free(in);
    free(vec);
    return rc;
}

static int embed_run(void *ctx, const struct item *items, size_t n,
                     struct item_result *out, const struct work_control *ctl,
                     struct error *err)
{
    const struct embed *e = ctx;
    const struct embed_control c = {ctl->stop, ctl->progress, ctl->arg};

    return encode(e->encoder, items, n, out, e->threads, &c, err);
}

static int embed_selftest(const char *variant, struct digest *out,
                          struct error *err)
{
    uint8_t bytes[TINY_ITEMS * 128];
    struct embed_input in[TINY_ITEMS];
    struct item items[TINY_ITEMS];
    struct item_result r[TINY_ITEMS] = {{0}};
    struct embed_encoder *enc;
    struct embed_variant v;
    struct fault f = {""};
    struct sha256 *sum;
    int rc;

    if (embed_variant_find(variant, &v, err) < 0)
        return -1;
    enc = tiny_encoder(v.engine, v.rows, &f);
    if (!enc)
        return take_fault(err, &f);
    tiny_items(bytes, in);
    for (int i = 0; i < TINY_ITEMS; i++)
        items[i] = (struct item){in[i].bytes, in[i].len};
    rc = encode(enc, items, TINY_ITEMS, r, 1, NULL, err);
    embed_encoder_destroy(enc);
    sum = sha256_create();
    if (rc == 0 && !sum)
        rc = error_set(err, ENOMEM, "could not allocate a digest");
    for (int i = 0; i < TINY_ITEMS; i++) {
        if (rc == 0)
            sha256_update(sum, r[i].bytes, r[i].len);
        free((void *)(uintptr_t)r[i].bytes);
    }
    if (rc == 0)
        sha256_final(sum, out);
    sha256_destroy(sum);
    return rc;
}

static const struct work_info embed_info = {
    .unit = "multiply-accumulates",
    .summary = "sentence vectors of a BERT encoder, exact in 8-bit integers",
    .device = "cpu",
    .usage = EMBED_USAGE,
};

extern const struct work_plugin fallow_work;
const struct work_plugin fallow_work = {
    .abi = WORK_ABI,
    .name = "embed",
    .version = "1",
    .spec = EMBED_SPEC,
    .known_answer = EMBED_KNOWN_ANSWER,
    .info = &embed_info,
    .variants = embed_variants,
    .usable = embed_variant_usable,
    .split = embed_split,
    .assemble = embed_assemble,
    .open = embed_open,
    .variant = embed_variant_name,
    .estimate = embed_estimate,
    .run = embed_run,
    .close = embed_close,
    .selftest = embed_selftest,
};

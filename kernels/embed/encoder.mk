# SPDX-License-Identifier: Apache-2.0
# encoder.mk - token ids to exact vectors
#
# Strict float: these flags keep every operation one rounding; the last two
# change no bit and let compilers vectorise.
EXACT_CFLAGS = $(AM_CFLAGS) -ftree-vectorize -ffp-contract=off \
	-fno-fast-math -fno-math-errno -fno-trapping-math

noinst_LIBRARIES += libembed.a librows2.a librows3.a librows4.a \
	libamx.a
libembed_a_CFLAGS = $(EXACT_CFLAGS)
libembed_a_SOURCES = kernels/fault.h kernels/exact.h \
	kernels/embed/config.c kernels/embed/config.h \
	kernels/embed/slurp.c kernels/embed/slurp.h \
	kernels/embed/safetensors.c kernels/embed/safetensors.h \
	kernels/embed/weights.c kernels/embed/weights.h \
	kernels/embed/rows_ref.c kernels/embed/rows_best.c \
	kernels/embed/rows.h kernels/embed/functions.h \
	kernels/embed/engine_ref.c kernels/embed/engine.h \
	kernels/embed/workspace.c kernels/embed/workspace.h \
	kernels/embed/encoder.c kernels/embed/encoder.h \
	kernels/embed/tiny.c kernels/embed/tiny.h kernels/embed/spec.h
librows2_a_CFLAGS = $(EXACT_CFLAGS) -march=x86-64-v2
librows2_a_CPPFLAGS = $(AM_CPPFLAGS) -DROWS_NAME=embed_rows_v2 \
	-DROWS_LEVEL='"x86-64-v2"'
librows2_a_SOURCES = kernels/embed/rows_wide.c kernels/embed/wide_impl.h
librows3_a_CFLAGS = $(EXACT_CFLAGS) -march=x86-64-v3
librows3_a_CPPFLAGS = $(AM_CPPFLAGS) -DROWS_NAME=embed_rows_v3 \
	-DROWS_LEVEL='"x86-64-v3"'
librows3_a_SOURCES = kernels/embed/rows_wide.c
librows4_a_CFLAGS = $(EXACT_CFLAGS) -march=x86-64-v4 \
	-mprefer-vector-width=512
librows4_a_CPPFLAGS = $(AM_CPPFLAGS) -DROWS_NAME=embed_rows_v4 \
	-DROWS_LEVEL='"x86-64-v4"'
librows4_a_SOURCES = kernels/embed/rows_wide.c
libamx_a_CFLAGS = $(AM_CFLAGS) -march=x86-64-v4 -mamx-tile -mamx-int8
libamx_a_SOURCES = kernels/embed/engine_amx.c
EMBED_LIBS = libembed.a librows2.a librows3.a librows4.a libamx.a \
	$(JANSSON_LIBS) -lm -lpthread

if HAVE_ONEDNN
workplugin_PROGRAMS += plugins/work/embed-onednn.so
plugins_work_embed_onednn_so_SOURCES = kernels/embed/engine_onednn.c
plugins_work_embed_onednn_so_LDFLAGS = $(AM_LDFLAGS) -shared \
	-Wl,--version-script=$(top_srcdir)/kernels/embed/engine.map
plugins_work_embed_onednn_so_LDADD = $(ONEDNN_LIBS) -lpthread
endif
EXTRA_DIST += kernels/embed/engine.map

check_PROGRAMS += kernels/embed/test/model.t kernels/embed/test/encoder.t
kernels_embed_test_model_t_SOURCES = kernels/embed/test/model.c t/tap.h
kernels_embed_test_model_t_LDADD = $(EMBED_LIBS)
kernels_embed_test_encoder_t_CFLAGS = $(EXACT_CFLAGS)
kernels_embed_test_encoder_t_SOURCES = kernels/embed/test/encoder.c t/tap.h
kernels_embed_test_encoder_t_LDADD = $(EMBED_LIBS) $(CRYPTO_LIBS)

noinst_PROGRAMS += t/mkmodel
t_mkmodel_SOURCES = kernels/embed/test/mkmodel.c
t_mkmodel_LDADD = $(EMBED_LIBS)

# One row of `make exactness`, and all of them.
noinst_PROGRAMS += t/exactness-embed
t_exactness_embed_SOURCES = t/exactness-embed.c \
	plugins/work/embed_engines.c plugins/work/embed_engines.h
t_exactness_embed_LDADD = $(EMBED_LIBS) $(COMMON_LIBS) -ldl
EXTRA_DIST += t/exactness-embed.sh
exactness: exactness-embed
exactness-embed: all
	@srcdir=$(abs_top_srcdir) builddir=$(abs_top_builddir) \
	  bash $(srcdir)/t/exactness-embed.sh
.PHONY: exactness-embed

noinst_PROGRAMS += t/embed-quality
t_embed_quality_SOURCES = t/embed-quality.c
t_embed_quality_LDADD = $(COMMON_LIBS) -lm
TESTS_SH += t/t5110-embed-quality.t
EXTRA_DIST += t/embed-glosses contrib/embed-goldens \
	t/fixtures/embed/minilm-glosses.bin

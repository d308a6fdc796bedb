# SPDX-License-Identifier: Apache-2.0
# tokenizer.mk - text to token ids, by itself
noinst_LIBRARIES += libtokenizer.a
libtokenizer_a_SOURCES = \
	kernels/fault.h \
	kernels/embed/unicode_table.c kernels/embed/unicode_table.h \
	kernels/embed/normalize.c kernels/embed/normalize.h \
	kernels/embed/wordpiece.c kernels/embed/wordpiece.h \
	kernels/embed/tokenizer.c kernels/embed/tokenizer.h

TOKENIZER_LIBS = libtokenizer.a $(JANSSON_LIBS)

check_PROGRAMS += kernels/embed/test/tokenizer.t
kernels_embed_test_tokenizer_t_SOURCES = t/tap.h \
	kernels/embed/test/tokenizer.c \
	kernels/embed/test/texts.c kernels/embed/test/texts.h
kernels_embed_test_tokenizer_t_LDADD = $(TOKENIZER_LIBS)

check_PROGRAMS += kernels/embed/test/tokenizer_open.t
kernels_embed_test_tokenizer_open_t_SOURCES = t/tap.h \
	kernels/embed/test/tokenizer_open.c
kernels_embed_test_tokenizer_open_t_LDADD = $(TOKENIZER_LIBS)

EXTRA_PROGRAMS += kernels/embed/bench/tokenize
kernels_embed_bench_tokenize_SOURCES = kernels/embed/bench/tokenize.c \
	kernels/embed/test/texts.c kernels/embed/test/texts.h
kernels_embed_bench_tokenize_LDADD = $(TOKENIZER_LIBS)
BENCHES += bench-tokenize
bench-tokenize: kernels/embed/bench/tokenize$(EXEEXT)
	@srcdir=$(abs_top_srcdir) kernels/embed/bench/tokenize$(EXEEXT)

EXTRA_DIST += contrib/unicode-table contrib/tokenizer-goldens \
	t/fixtures/tokenizer/vocab.txt \
	t/fixtures/tokenizer/ids-fixture.golden \
	t/fixtures/tokenizer/ids-minilm.golden \
	t/fixtures/tokenizer/points.golden

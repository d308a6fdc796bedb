# SPDX-License-Identifier: Apache-2.0
# embed_split.mk - the customer's side of embed; embed.so is made of
# $(embed_split_sources) and $(TOKENIZER_LIBS) besides its own
embed_corpus_sources = plugins/work/embed_corpus.c plugins/work/embed_corpus.h
embed_output_sources = plugins/work/embed_output.c plugins/work/embed_output.h
embed_split_sources = plugins/work/embed_split.c plugins/work/embed_split.h \
	$(embed_corpus_sources) $(embed_output_sources)

check_PROGRAMS += plugins/work/test/embed_corpus.t \
	plugins/work/test/embed_output.t
plugins_work_test_embed_corpus_t_SOURCES = t/tap.h \
	plugins/work/test/embed_corpus.c $(embed_corpus_sources)
plugins_work_test_embed_corpus_t_LDADD = $(TOKENIZER_LIBS) $(COMMON_LIBS)
plugins_work_test_embed_output_t_SOURCES = t/tap.h \
	plugins/work/test/embed_output.c $(embed_output_sources)
plugins_work_test_embed_output_t_LDADD = $(COMMON_LIBS)

EXTRA_DIST += $(embed_split_sources) contrib/get-model \
	contrib/all-MiniLM-L6-v2.sha256 \
	contrib/wordnet-corpus contrib/nearest
TESTS_SH += t/t1100-split.t
TESTS_SH += t/t1110-corpus-tools.t
EXTRA_DIST += t/tiny-model

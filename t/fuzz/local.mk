# SPDX-License-Identifier: Apache-2.0
# local.mk - fuzz targets: `make fuzz` searches, `make check` repeats
#
# A target NAME is one file, t/fuzz/NAME.c; its other sources and libraries are
# fuzz_NAME_sources and fuzz_NAME_libs.  Inputs found are kept in the build
# directory, t/fuzz/NAME.corpus; one that breaks a promise is t/fuzz/NAME-….
FUZZ_CC = clang
FUZZ_CFLAGS = -g -O1 -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all
FUZZ_SECONDS = 60
FUZZERS = embed_text embed_model gate_parse job_script \
	messages token frames cellconf

EXTRA_DIST += t/fuzz/fuzz.h t/fuzz/driver.c

fuzz_embed_text_sources = $(embed_corpus_sources) $(libtokenizer_a_SOURCES) \
	common/error.c
fuzz_embed_text_libs = $(JANSSON_LIBS)
check_PROGRAMS += t/fuzz/embed_text.t
t_fuzz_embed_text_t_SOURCES = t/fuzz/embed_text.c t/fuzz/driver.c \
	$(embed_corpus_sources)
t_fuzz_embed_text_t_LDADD = $(TOKENIZER_LIBS) $(COMMON_LIBS)

fuzz_embed_model_sources = kernels/embed/config.c kernels/embed/slurp.c \
	kernels/embed/safetensors.c kernels/embed/weights.c \
	kernels/embed/tiny.c kernels/embed/encoder.c kernels/embed/workspace.c
fuzz_embed_model_libs = $(JANSSON_LIBS) -lm -lpthread
check_PROGRAMS += t/fuzz/embed_model.t
t_fuzz_embed_model_t_SOURCES = t/fuzz/embed_model.c t/fuzz/driver.c
t_fuzz_embed_model_t_LDADD = $(EMBED_LIBS)

fuzz_gate_parse_sources = sched/gate/parse.c
fuzz_gate_parse_libs = $(HTTP_PARSER_LIBS)
if HAVE_GATE
check_PROGRAMS += t/fuzz/gate_parse.t
endif
t_fuzz_gate_parse_t_SOURCES = t/fuzz/gate_parse.c t/fuzz/driver.c \
	sched/gate/parse.c
t_fuzz_gate_parse_t_LDADD = $(HTTP_PARSER_LIBS)

fuzz_job_script_sources = sched/cmd/jobscript.c sched/cmd/joboptions.c \
	sched/cmd/slurmtime.c common/error.c
check_PROGRAMS += t/fuzz/job_script.t
t_fuzz_job_script_t_SOURCES = t/fuzz/job_script.c t/fuzz/driver.c
t_fuzz_job_script_t_LDADD = libcmd.a $(HTTP_LIBS) $(COMMON_LIBS)
fuzz_wire_libs = $(JANSSON_LIBS) $(CRYPTO_LIBS)
fuzz_wire_sources = common/error.c common/bytes.c common/digest.c \
	common/member.c common/record.c common/sign.c common/conf.c \
	common/tariff.c common/file.c
fuzz_messages_sources = $(fuzz_wire_sources) common/message.c common/jobspec.c \
	common/granttext.c
fuzz_messages_libs = $(fuzz_wire_libs)
fuzz_token_sources = $(fuzz_wire_sources) sched/api/token.c
fuzz_token_libs = $(fuzz_wire_libs)
fuzz_frames_sources = $(fuzz_wire_sources) common/frame.c
fuzz_frames_libs = $(fuzz_wire_libs)
fuzz_cellconf_sources = $(fuzz_wire_sources) sched/ctlconf.c \
	$(libcore_a_SOURCES)
fuzz_cellconf_libs = $(fuzz_wire_libs)
check_PROGRAMS += t/fuzz/messages.t t/fuzz/token.t t/fuzz/frames.t \
	t/fuzz/cellconf.t
t_fuzz_messages_t_SOURCES = t/fuzz/messages.c t/fuzz/driver.c
t_fuzz_messages_t_LDADD = $(COMMON_LIBS)
t_fuzz_token_t_SOURCES = t/fuzz/token.c t/fuzz/driver.c
t_fuzz_token_t_LDADD = libctl.a $(COMMON_LIBS)
t_fuzz_frames_t_SOURCES = t/fuzz/frames.c t/fuzz/driver.c
t_fuzz_frames_t_LDADD = $(COMMON_LIBS)
t_fuzz_cellconf_t_SOURCES = t/fuzz/cellconf.c t/fuzz/driver.c
t_fuzz_cellconf_t_LDADD = libctl.a libcore.a $(COMMON_LIBS)

fuzz: $(FUZZERS:%=fuzz-%)
$(FUZZERS:%=fuzz-%): fuzz-%: t/fuzz/%.t
	$(MKDIR_P) t/fuzz/$*.corpus
	t/fuzz/$*.t t/fuzz/$*.corpus
	cd $(abs_top_srcdir) && $(FUZZ_CC) $(FUZZ_CFLAGS) -D_GNU_SOURCE -I. \
	  $(JANSSON_CFLAGS) -o $(abs_top_builddir)/t/fuzz/$* t/fuzz/$*.c \
	  $(filter %.c,$(fuzz_$*_sources)) $(fuzz_$*_libs)
	t/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -max_len=4096 \
	  -artifact_prefix=t/fuzz/$*- -print_final_stats=1 t/fuzz/$*.corpus

.PHONY: fuzz

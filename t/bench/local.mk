# SPDX-License-Identifier: Apache-2.0
# t/bench - programs that only benchmarks need
EXTRA_PROGRAMS += t/bench/swarm
t_bench_swarm_SOURCES = t/bench/swarm.c t/bench/crowd.c t/bench/crowd.h \
	t/bench/toil.c t/bench/toil.h
t_bench_swarm_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
t_bench_swarm_LDADD = $(HTTP_LIBS) $(COMMON_LIBS) $(OPENSSL_LIBS)

EXTRA_PROGRAMS += t/bench/door
t_bench_door_SOURCES = t/bench/door.c t/bench/crowd.c t/bench/crowd.h
t_bench_door_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
t_bench_door_LDADD = $(COMMON_LIBS) $(OPENSSL_LIBS)

EXTRA_PROGRAMS += t/bench/flood
t_bench_flood_SOURCES = t/bench/flood.c t/bench/crowd.c t/bench/crowd.h
t_bench_flood_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
t_bench_flood_LDADD = $(COMMON_LIBS) $(OPENSSL_LIBS)

BENCHES += bench-sched
EXTRA_DIST += t/bench/sched
bench-sched: all t/bench/swarm t/bench/door t/bench/flood
	$(prove_env) bash $(abs_top_srcdir)/t/bench/sched
noinst_PROGRAMS += t/bench/core
t_bench_core_SOURCES = t/bench/core.c
t_bench_core_LDADD = $(CORE_LIBS)
BENCHES += bench-core
bench-core: t/bench/core
	t/bench/core

EXTRA_PROGRAMS += t/bench/embed128
t_bench_embed128_SOURCES = t/bench/embed128.c \
	plugins/work/embed_engines.c plugins/work/embed_engines.h
t_bench_embed128_LDADD = $(EMBED_LIBS) $(COMMON_LIBS) -ldl
if HAVE_ONEDNN
EXTRA_PROGRAMS += t/bench/gemm
t_bench_gemm_SOURCES = kernels/embed/bench/gemm.c
t_bench_gemm_LDADD = $(ONEDNN_LIBS)
bench_gemm = t/bench/gemm
endif
BENCHES += bench-embed
EXTRA_DIST += t/bench/embed t/bench/embed-onnx
bench-embed: all t/bench/embed128 $(bench_gemm)
	@$(prove_env) bash $(abs_top_srcdir)/t/bench/embed

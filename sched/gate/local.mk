# SPDX-License-Identifier: Apache-2.0
# sched/gate - fallow-gate, the cell's door
if HAVE_GATE
sbin_PROGRAMS += sched/fallow-gate
endif
gate_sources = \
	sched/gate/answer.c sched/gate/confine.c sched/gate/conn.c \
	sched/gate/conn.h sched/gate/gate.h sched/gate/limit.c \
	sched/gate/limit.h sched/gate/listen.c sched/gate/parse.c \
	sched/gate/parse.h sched/gate/serve.c sched/gate/serve.h \
	sched/gate/tls.c sched/gate/tls.h sched/gate/upstream.c \
	sched/gate/upstream.h sched/gate/wheel.c sched/gate/wheel.h
sched_fallow_gate_SOURCES = sched/gate/gate.c $(gate_sources)
sched_fallow_gate_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS) $(SECCOMP_CFLAGS)
sched_fallow_gate_LDADD = $(COMMON_LIBS) $(OPENSSL_LIBS) \
	$(HTTP_PARSER_LIBS) $(SECCOMP_LIBS)

gate_harness = sched/gate/test/harness.c sched/gate/test/harness.h t/tap.h
gate_harness_libs = $(HTTP_LIBS) $(COMMON_LIBS) $(OPENSSL_LIBS)
noinst_PROGRAMS += sched/gate/test/fakectld
sched_gate_test_fakectld_SOURCES = sched/gate/test/fakectld.c
sched_gate_test_fakectld_LDADD = $(COMMON_LIBS)

if HAVE_GATE
check_PROGRAMS += sched/gate/test/door.t sched/gate/test/hostile.t
endif
noinst_PROGRAMS += t/chaosproxy
t_chaosproxy_SOURCES = t/chaosproxy.c
if HAVE_GATE
check_PROGRAMS += common/test/http.t sched/gate/test/chaos.t
endif
common_test_http_t_SOURCES = common/test/http.c $(gate_harness)
common_test_http_t_LDADD = $(gate_harness_libs)
sched_gate_test_hostile_t_SOURCES = sched/gate/test/hostile.c $(gate_harness)
sched_gate_test_hostile_t_LDADD = $(gate_harness_libs)
sched_gate_test_door_t_SOURCES = sched/gate/test/door.c $(gate_harness)
sched_gate_test_door_t_LDADD = $(gate_harness_libs)

if HAVE_GATE
check_PROGRAMS += sched/gate/test/parse.t sched/gate/test/limit.t
endif
sched_gate_test_parse_t_SOURCES = sched/gate/test/parse.c \
	sched/gate/parse.c t/tap.h
sched_gate_test_parse_t_LDADD = $(HTTP_PARSER_LIBS)
sched_gate_test_limit_t_SOURCES = sched/gate/test/limit.c \
	sched/gate/limit.c sched/gate/wheel.c t/tap.h
sched_gate_test_limit_t_LDADD = $(COMMON_LIBS)
sched_gate_test_chaos_t_SOURCES = sched/gate/test/chaos.c $(gate_harness)
sched_gate_test_chaos_t_LDADD = $(gate_harness_libs)

noinst_PROGRAMS += sched/gate/test/mkcert
sched_gate_test_mkcert_SOURCES = sched/gate/test/mkcert.c
sched_gate_test_mkcert_LDADD = $(COMMON_LIBS)
check_PROGRAMS += common/test/cert.t
common_test_cert_t_SOURCES = common/test/cert.c t/tap.h
common_test_cert_t_LDADD = $(COMMON_LIBS)
TESTS_SH += t/t4000-gate.t

# SPDX-License-Identifier: Apache-2.0
pkglibexec_PROGRAMS += worker/fallow-runner
worker_fallow_runner_SOURCES = worker/runner.c worker/runner.h \
	worker/runner_calls.c worker/runner_serve.c worker/runner_split.c
worker_fallow_runner_LDADD = $(COMMON_LIBS) -ldl

sbin_PROGRAMS += worker/fallowd
noinst_LIBRARIES += libworker.a
libworker_a_SOURCES = \
	worker/agent.c worker/agent.h worker/when.h \
	worker/courier.c worker/courier.h \
	worker/dialog.c worker/head.c worker/slots.c \
	worker/status.c worker/tasks.c \
	worker/facts.c worker/facts.h \
	worker/identity.c worker/identity.h \
	worker/journal.c worker/journal.h \
	worker/kernels.c worker/kernels.h \
	worker/lease.c worker/lease.h \
	worker/params.c worker/params.h \
	worker/policy.c worker/policy.h \
	worker/run.c worker/run.h \
	worker/sandbox.c worker/sandbox.h \
	worker/setting.c worker/setting.h \
	worker/stage.c worker/stage.h \
	plugins/probe/probe.h plugins/probe/fixed.c plugins/probe/idle.c \
	plugins/probe/power.c plugins/probe/thermal.c \
	plugins/sandbox/sandbox.h plugins/sandbox/none.c \
	plugins/sandbox/bwrap.c \
	plugins/sandbox/filter.c plugins/sandbox/filter.h
libworker_a_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
worker_fallowd_SOURCES = worker/fallowd.c
WORKER_LIBS = libworker.a $(HTTP_LIBS) $(COMMON_LIBS) $(HWLOC_LIBS) \
	$(SECCOMP_LIBS) -lpthread
worker_fallowd_LDADD = $(WORKER_LIBS)

# A cell for tests of the worker alone.
noinst_PROGRAMS += worker/test/fakecell
worker_test_fakecell_SOURCES = worker/test/fakecell.c
worker_test_fakecell_LDADD = $(COMMON_LIBS) $(OPENSSL_LIBS) -lpthread

# fallow-runner's own code behind another main: the liar of the tests.
noinst_PROGRAMS += t/liar-runner
t_liar_runner_SOURCES = t/liar.c $(worker_fallow_runner_SOURCES)
t_liar_runner_CPPFLAGS = $(AM_CPPFLAGS) -Dmain=runner_main
t_liar_runner_CFLAGS = $(AM_CFLAGS) -Wno-missing-prototypes
t_liar_runner_LDADD = $(COMMON_LIBS) -ldl
TESTS_SH += t/t5330-liar.t

noinst_PROGRAMS += worker/test/hostile
worker_test_hostile_SOURCES = worker/test/hostile.c \
	$(worker_fallow_runner_SOURCES)
worker_test_hostile_CPPFLAGS = $(AM_CPPFLAGS) -Dmain=runner_main
worker_test_hostile_CFLAGS = $(AM_CFLAGS) -Wno-missing-prototypes
worker_test_hostile_LDADD = $(COMMON_LIBS) -ldl -lpthread

check_PROGRAMS += worker/test/sandbox.t
worker_test_sandbox_t_SOURCES = worker/test/sandbox.c t/tap.h
worker_test_sandbox_t_LDADD = $(WORKER_LIBS)
EXTRA_worker_test_sandbox_t_DEPENDENCIES = worker/test/hostile$(EXEEXT)
TESTS_SH += t/t5310-switch.t

check_PROGRAMS += worker/test/journal.t worker/test/params.t \
	worker/test/policy.t
worker_test_journal_t_SOURCES = worker/test/journal.c t/tap.h
worker_test_journal_t_LDADD = $(WORKER_LIBS)
worker_test_params_t_SOURCES = worker/test/params.c t/tap.h
worker_test_params_t_LDADD = $(WORKER_LIBS)
worker_test_policy_t_SOURCES = worker/test/policy.c t/tap.h
worker_test_policy_t_LDADD = $(WORKER_LIBS)
TESTS_SH += t/t5320-crash.t

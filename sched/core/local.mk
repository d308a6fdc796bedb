# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	sched/core/cell.c sched/core/cell.h sched/core/core.h \
	sched/core/check.c \
	sched/core/dump.c \
	sched/core/effects.c \
	sched/core/heap.c sched/core/heap.h \
	sched/core/job.c \
	sched/core/lease.c \
	sched/core/list.h \
	sched/core/look.c \
	sched/core/map.c sched/core/map.h \
	sched/core/match.c \
	sched/core/offer.c \
	sched/core/post.c \
	sched/core/queue.c \
	sched/core/restore.c \
	sched/core/result.c \
	sched/core/rng.c \
	sched/core/trust.c \
	sched/core/verify.c \
	sched/core/window.c

CORE_LIBS = libcore.a $(COMMON_LIBS)

check_PROGRAMS += sched/core/test/chain.t
sched_core_test_chain_t_SOURCES = sched/core/test/chain.c \
	sched/core/test/story.h t/tap.h
sched_core_test_chain_t_LDADD = $(CORE_LIBS)

check_PROGRAMS += sched/core/test/trust.t
sched_core_test_trust_t_SOURCES = sched/core/test/trust.c t/tap.h
sched_core_test_trust_t_LDADD = $(CORE_LIBS)

check_PROGRAMS += sched/core/test/verify.t
sched_core_test_verify_t_SOURCES = sched/core/test/verify.c \
	sched/core/test/story.h t/tap.h
sched_core_test_verify_t_LDADD = $(CORE_LIBS)

check_PROGRAMS += sched/core/test/lease.t
sched_core_test_lease_t_SOURCES = sched/core/test/lease.c \
	sched/core/test/story.h t/tap.h
sched_core_test_lease_t_LDADD = $(CORE_LIBS)

check_PROGRAMS += sched/core/test/job.t
sched_core_test_job_t_SOURCES = sched/core/test/job.c \
	sched/core/test/story.h t/tap.h
sched_core_test_job_t_LDADD = $(CORE_LIBS)

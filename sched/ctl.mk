# SPDX-License-Identifier: Apache-2.0
# The controller: everything but main is a library, for unit tests.
noinst_LIBRARIES += libctl.a
libctl_a_SOURCES = \
	sched/ctl.c sched/ctl.h sched/ctlconf.c \
	sched/bootstrap.c sched/commit.c \
	sched/gates.c sched/ingest.c sched/park.c \
	plugins/blob/blob.h plugins/blob/dir.c \
	sched/api/api.h sched/api/admin.c sched/api/answer.c \
	sched/api/auth.c sched/api/blob.c sched/api/book.c \
	sched/api/evidence.c sched/api/grant.c sched/api/inputs.c \
	sched/api/job.c sched/api/node.c sched/api/route.c \
	sched/api/token.c sched/api/worker.c

check_PROGRAMS += sched/api/test/token.t sched/api/test/book.t
sched_api_test_token_t_SOURCES = sched/api/test/token.c t/tap.h
sched_api_test_token_t_LDADD = libctl.a $(COMMON_LIBS)
sched_api_test_book_t_SOURCES = sched/api/test/book.c t/tap.h
sched_api_test_book_t_LDADD = libctl.a $(COMMON_LIBS)

if HAVE_GATE
noinst_PROGRAMS += sched/api/test/wire
endif
sched_api_test_wire_SOURCES = sched/api/test/wire.c sched/api/test/wire.h \
	sched/api/test/wire_jobs.c sched/api/test/wire_results.c \
	sched/api/test/client.c sched/api/test/client.h t/tap.h
sched_api_test_wire_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
sched_api_test_wire_LDADD = $(COMMON_LIBS) $(CURL_LIBS)
TESTS_SH += t/t4200-wire.t

dist_man_MANS += doc/man/fallowctld.8

sbin_PROGRAMS += sched/fallowctld
sched_fallowctld_SOURCES = sched/fallowctld.c
sched_fallowctld_LDADD = libctl.a libcore.a $(ACCOUNTING_LIBS)

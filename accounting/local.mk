# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libaccounting.a
libaccounting_a_SOURCES = \
	accounting/books.c accounting/money.c accounting/money.h \
	accounting/report.c accounting/report.h accounting/statement.c \
	accounting/store.h accounting/store_impl.h accounting/store.c \
	accounting/store_batch.c accounting/store_read.c \
	accounting/store_rows.c accounting/store_schema.c \
	accounting/store_text.c
libaccounting_a_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)

ACCOUNTING_LIBS = libaccounting.a $(COMMON_LIBS) $(PQ_LIBS)

schemadir = $(pkgdatadir)/schema
dist_schema_DATA = \
	accounting/schema/01-cell.sql \
	accounting/schema/02-ledger.sql \
	accounting/schema/03-post.sql \
	accounting/schema/90-audit.sql

pkglibexec_PROGRAMS += fallow-ledger
fallow_ledger_SOURCES = accounting/fallow-ledger.c
fallow_ledger_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
fallow_ledger_LDADD = $(ACCOUNTING_LIBS)

check_PROGRAMS += accounting/test/store.t
accounting_test_store_t_SOURCES = accounting/test/store.c t/tap.h t/pg.h
accounting_test_store_t_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
accounting_test_store_t_LDADD = $(ACCOUNTING_LIBS)

EXTRA_DIST += t/pg.sh

noinst_PROGRAMS += t/ledger-drive
t_ledger_drive_SOURCES = t/ledger-drive.c
t_ledger_drive_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
t_ledger_drive_LDADD = $(ACCOUNTING_LIBS)

noinst_PROGRAMS += t/ledger-bench
t_ledger_bench_SOURCES = t/ledger-bench.c
t_ledger_bench_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
t_ledger_bench_LDADD = $(ACCOUNTING_LIBS)

EXTRA_DIST += t/ledger.sh
TESTS_SH += t/t8000-ledger.t
TESTS_SH += t/t8001-ledger-refuses.t
TESTS_SH += t/t8002-ledger-tamper.t
TESTS_SH += t/t8003-ledger-faults.t
TESTS_SH += t/t8004-ledger-crash.t

check_PROGRAMS += accounting/test/price.t
accounting_test_price_t_SOURCES = accounting/test/price.c t/tap.h t/pg.h
accounting_test_price_t_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
accounting_test_price_t_LDADD = $(ACCOUNTING_LIBS)

EXTRA_DIST += t/bench-ledger
BENCHES += bench-ledger
bench-ledger: all
	@srcdir=$(abs_top_srcdir) builddir=$(abs_top_builddir) \
	  $(abs_top_srcdir)/t/bench-ledger

noinst_PROGRAMS += t/ledger-tape
t_ledger_tape_SOURCES = t/ledger-tape.c
t_ledger_tape_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
t_ledger_tape_LDADD = $(CORE_LIBS) $(ACCOUNTING_LIBS)
TESTS_SH += t/t8005-ledger-fleet.t

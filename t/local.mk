# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += t/tap.sh t/run-test t/tidy t/mutate t/mutants t/valgrind.supp \
	t/clean-root
TESTS_SH += t/t0001-tidy.t
TESTS_SH += t/t0002-readme.t
TESTS_SH += t/t0003-doc.t
TESTS_SH += t/t0004-install.t
TESTS_LONG += t/t0005-dist.t
TESTS_VALGRIND += t/t5090-memcheck.t
TESTS_SH += t/t5000-runner.t
TESTS_SH += t/t5100-embed.t
include $(srcdir)/t/fuzz/local.mk
EXTRA_DIST += t/worker.sh
TESTS_SH += t/t5300-worker.t
include $(srcdir)/t/bench/local.mk
TESTS_SH += t/t7001-fleet.t
include $(srcdir)/t/fleet/local.mk
TESTS_SH += t/t9100-kill.t
TESTS_LONG += t/t9210-liars.t
TESTS_LONG += t/t9900-clean.t

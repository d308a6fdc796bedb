# SPDX-License-Identifier: Apache-2.0
# Everything but main is a library, so that unit tests can link it.
noinst_LIBRARIES += libcmd.a
libcmd_a_SOURCES = sched/cmd/cmd.h \
	sched/cmd/account.c sched/cmd/account.h \
	sched/cmd/cellstate.c sched/cmd/cellstate.h \
	sched/cmd/cluster.c sched/cmd/cluster.h \
	sched/cmd/columns.c sched/cmd/columns.h \
	sched/cmd/daemon.c sched/cmd/daemon.h \
	sched/cmd/down.c sched/cmd/up.c \
	sched/cmd/parties.c sched/cmd/parties.h \
	sched/cmd/staging.c sched/cmd/staging.h \
	sched/cmd/client.c sched/cmd/client.h \
	sched/cmd/evidence.c sched/cmd/explain.c \
	sched/cmd/fetch.c sched/cmd/fetch.h \
	sched/cmd/jobrow.c sched/cmd/jobrow.h \
	sched/cmd/jobdir.c sched/cmd/jobdir.h \
	sched/cmd/jobs.c sched/cmd/jobs.h \
	sched/cmd/ledger.c sched/cmd/switch.c \
	sched/cmd/proof.c sched/cmd/proof.h \
	sched/cmd/listing.c sched/cmd/listing.h \
	sched/cmd/noderow.c sched/cmd/noderow.h \
	sched/cmd/money.c sched/cmd/money.h \
	sched/cmd/sacct.c sched/cmd/sbatch.c sched/cmd/scancel.c \
	sched/cmd/scontrol.c sched/cmd/sinfo.c sched/cmd/squeue.c \
	sched/cmd/submit.c sched/cmd/submit.h \
	sched/cmd/joboptions.c sched/cmd/joboptions.h \
	sched/cmd/jobscript.c sched/cmd/jobscript.h \
	sched/cmd/kernel.c sched/cmd/kernel.h \
	sched/cmd/layout.c sched/cmd/layout.h \
	sched/cmd/pieces.c sched/cmd/pieces.h \
	sched/cmd/proc.c sched/cmd/proc.h \
	sched/cmd/progress.c sched/cmd/progress.h \
	sched/cmd/run.c sched/cmd/say.c \
	sched/cmd/scratch.c sched/cmd/scratch.h \
	sched/cmd/slurmtime.c
libcmd_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DFALLOW_SOURCE_DIR='"$(abs_top_srcdir)"'

bin_PROGRAMS += sched/cmd/fallow
sched_cmd_fallow_SOURCES = sched/cmd/fallow.c
sched_cmd_fallow_LDADD = libcmd.a $(HTTP_LIBS) $(COMMON_LIBS)

check_PROGRAMS += sched/cmd/test/jobscript.t
sched_cmd_test_jobscript_t_SOURCES = sched/cmd/test/jobscript.c t/tap.h
sched_cmd_test_jobscript_t_LDADD = libcmd.a $(HTTP_LIBS) $(COMMON_LIBS)

TESTS_SH += t/t1000-home.t
dist_man_MANS += doc/man/fallow.1 doc/man/fallow-run.1

check_PROGRAMS += sched/cmd/test/columns.t
sched_cmd_test_columns_t_SOURCES = sched/cmd/test/columns.c t/tap.h
sched_cmd_test_columns_t_LDADD = libcmd.a $(HTTP_LIBS) $(COMMON_LIBS)

TESTS_SH += t/t1200-sbatch.t t/t1210-completion.t \
	t/t7100-evidence.t t/t9000-first-light.t t/t9010-liar.t
dist_man_MANS += doc/man/fallow-audit.1 doc/man/fallow-explain.1 \
	doc/man/fallow-sacct.1 doc/man/fallow-scancel.1 \
	doc/man/fallow-scontrol.1 doc/man/fallow-sinfo.1 \
	doc/man/fallow-squeue.1 doc/man/fallow-stop.1 \
	doc/man/fallow-verify-evidence.1 \
	doc/man/client.conf.5 doc/man/cell.conf.5

completiondir = $(datadir)/bash-completion/completions
dist_completion_DATA = contrib/completions/fallow.bash

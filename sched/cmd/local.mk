# SPDX-License-Identifier: Apache-2.0
# Everything but main is a library, so that unit tests can link it.
noinst_LIBRARIES += libcmd.a
libcmd_a_SOURCES = sched/cmd/cmd.h \
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
sched_cmd_fallow_LDADD = libcmd.a $(COMMON_LIBS)

check_PROGRAMS += sched/cmd/test/jobscript.t
sched_cmd_test_jobscript_t_SOURCES = sched/cmd/test/jobscript.c t/tap.h
sched_cmd_test_jobscript_t_LDADD = libcmd.a $(COMMON_LIBS)

TESTS_SH += t/t1000-home.t
dist_man_MANS += doc/man/fallow.1 doc/man/fallow-run.1

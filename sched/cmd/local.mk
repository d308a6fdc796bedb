# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += sched/cmd/fallow
sched_cmd_fallow_SOURCES = sched/cmd/fallow.c sched/cmd/cmd.h \
	sched/cmd/kernel.c sched/cmd/kernel.h \
	sched/cmd/layout.c sched/cmd/layout.h \
	sched/cmd/pieces.c sched/cmd/pieces.h \
	sched/cmd/proc.c sched/cmd/proc.h \
	sched/cmd/progress.c sched/cmd/progress.h \
	sched/cmd/run.c \
	sched/cmd/scratch.c sched/cmd/scratch.h
sched_cmd_fallow_CPPFLAGS = $(AM_CPPFLAGS) \
	-DFALLOW_SOURCE_DIR='"$(abs_top_srcdir)"'
sched_cmd_fallow_LDADD = $(COMMON_LIBS)

TESTS_SH += t/t1000-home.t
dist_man_MANS += doc/man/fallow.1 doc/man/fallow-run.1

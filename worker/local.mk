# SPDX-License-Identifier: Apache-2.0
pkglibexec_PROGRAMS += worker/fallow-runner
worker_fallow_runner_SOURCES = worker/runner.c worker/runner.h \
	worker/runner_calls.c worker/runner_split.c
worker_fallow_runner_LDADD = $(COMMON_LIBS) -ldl

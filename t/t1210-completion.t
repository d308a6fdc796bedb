#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t1210-completion.t - bash completes commands, options and kernels
. "$(dirname "$0")/tap.sh"
PATH=$builddir/sched/cmd:$PATH
export FALLOW_STATE=$TRASH/state
. "$srcdir/contrib/completions/fallow.bash"
# completes WORD...: what _fallow offers for the last word
completes() {
	COMP_WORDS=(fallow "$@")
	COMP_CWORD=$#
	_fallow
	printf '%s\n' "${COMPREPLY[@]}"
}

test_expect_success "a command is completed" '
	test "$(completes squ)" = squeue && completes s >s &&
	grep -x sbatch s && grep -x scontrol s'
test_expect_success "options are those of the help" '
	test "$(completes sbatch --job-n)" = --job-name &&
	test "$(completes up --work)" = --workers'
test_expect_success "kernels are those that are here" '
	test "$(completes run ec)" = echo'
test_expect_success "without a cell there are no jobs to offer" '
	test -z "$(completes scancel 1)"'
test_expect_success "what can be shown is completed" '
	test "$(completes scontrol show part)" = partition'
test_done

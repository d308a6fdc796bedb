#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t1000-home.t - fallow run does a kernel's work at home, without any cell
. "$(dirname "$0")/tap.sh"
fallow=$builddir/sched/cmd/fallow
mkdir tmp
export TMPDIR=$TRASH/tmp

test_expect_success "a file comes back through split, run and assemble" '
	seq 1 1000 >in && $fallow run echo --input in --output out 2>err &&
	cmp in out && grep -q "1000 items in .* ref" err'
test_expect_success "several processes give the same bytes" '
	$fallow run --processes 3 --threads 1 echo --input in --output out3 &&
	cmp in out3'
test_expect_success "more processes than items is no mistake" '
	echo one >one &&
	$fallow run --processes 9 echo --input one --output one.out &&
	cmp one one.out'
test_expect_success "--quiet says nothing" '
	$fallow run --quiet echo --count 3 --output o >out 2>&1 &&
	test ! -s out && test "$(cat o)" = "$(seq 0 2)"'
test_expect_success "no terminal, no progress bar" '
	$fallow run echo --count 50000 --output o 2>err &&
	test "$(wc -l <err)" -eq 1 && ! grep -q "$(printf "\r")" err'
test_expect_success "the kernel says what it takes" '
	$fallow run echo --help >help && grep -q -e "--input FILE" help &&
	grep -q "variants: ref" help'
test_expect_success "--help lists the kernels" '
	$fallow run --help >help && grep -q "^  echo  *returns" help'
test_expect_success "an unknown kernel is an error that lists what exists" '
	test_must_fail $fallow run ehco --count 1 2>err &&
	grep "^fallow run: .*ehco" err && grep -q echo err'
test_expect_success "a word the kernel does not know is named" '
	test_must_fail $fallow run echo --imput in 2>err &&
	grep -x "fallow run: unknown option of echo: --imput" err'
test_expect_success "a missing input is named" '
	test_must_fail $fallow run echo --input none --output o2 2>err &&
	grep "^fallow run: .*none.*No such file" err && test ! -e o2'
test_expect_success "an output that cannot be written is named first" '
	test_must_fail $fallow run echo --count 9 --output no/such/o 2>err &&
	grep "cannot write output no/such/o.*make it first" err &&
	mkdir dir && test_must_fail $fallow run echo --count 9 --output dir \
		2>err && grep "dir: it is a directory; name a file" err'
test_expect_success "a number that is none is wrong usage" '
	$fallow run --threads 0 echo --count 1 2>err; test $? -eq 2 &&
	grep -e "--threads 0 is not a number from 1 to 1024" err'
test_expect_success "no kernel, and no command, are wrong usage" '
	$fallow run 2>err; test $? -eq 2 && grep "no kernel is named" err &&
	$fallow 2>err; test $? -eq 2 && grep "^usage: fallow" err'
test_expect_success "an unknown command is named" '
	$fallow sbacth job.sh 2>err; test $? -eq 2 &&
	grep "unknown command \"sbacth\"" err'
test_expect_success "an interrupt ends the run and leaves nothing behind" '
	seq 1 3000000 >big &&
	{ $fallow run echo --input big --output big.out 2>err & } &&
	pid=$! &&
	for i in $(seq 100); do
		ls -d tmp/fallow-run.* 2>/dev/null && break; sleep 0.05
	done &&
	kill -TERM $pid && { wait $pid; test $? -eq 130; } &&
	grep "interrupted" err && test ! -e big.out'
test_expect_success "the temporary directory is empty afterwards" '
	ls -A tmp && test -z "$(ls -A tmp)"'
test_done

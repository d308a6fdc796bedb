#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t5320-crash.t - a worker killed at any moment loses nothing it has promised
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/worker.sh"
sandbox="--sandbox none"
has_bwrap && sandbox=
rounds=${FALLOW_CRASH_ROUNDS:-6}
seed=${FALLOW_SEED:-$(date +%N)}
RANDOM=$((10#$seed % 32768))
echo "# seed $seed"

# nap MAX: a random time up to MAX milliseconds
nap() { sleep "$(printf '0.%03d' $((RANDOM % $1)))"; }
accepted() { grep -c "^accepted" "$1/log" || :; }
# sandboxes_of STATE: processes of all sandboxes of a worker
sandboxes_of() {
	for p in /proc/[0-9]*; do
		{ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null |
			grep -q "bwrap.*$1/stage" && echo "${p#/proc/}"
	done
}

test_expect_success "kill -9 of the worker, again and again" '
	cell one 300 20 5 "$seed" &&
	for i in $(seq $rounds); do
		worker_bg w1 one $sandbox --cores 2 &&
		wait_for 200 grep -q . w1/status.json &&
		before=$(accepted one) &&
		nap 999 && kill -9 $worker_pid && wait $worker_pid;
		echo "round $i: $before accepted"
	done; [ ! -e one/done ] || echo "it was done before the last round"'
test_expect_success "and then it does the rest" '
	worker_bg w1 one $sandbox --cores 2 &&
	wait_for 900 test -e one/done &&
	wait_for 50 test ! -e w1/journal/request &&
	kill $worker_pid && wait $worker_pid'
test_expect_success "every task was accepted exactly once" '
	sed -n "s/^accepted \([0-9]*\).*/\1/p" one/log >done.list &&
	sort -n done.list | uniq -d >dup &&
	[ ! -s dup ] && [ "$(accepted one)" = 300 ]'
test_expect_success "nothing it sent was wrong, unsigned or out of order" '
	! grep -E "^(invalid|bad|seq)" one/log'
test_expect_success "no journal and no lease is left" '
	[ ! -e w1/journal/request ] && [ -z "$(ls w1/task)" ]'
test_expect_success "no sandbox is left of the killed ones" '
	[ -z "$(sandboxes_of "$TRASH/w1")" ]'
test_expect_success "kill -9 of runners costs their tasks, not the worker" '
	cell two 100 20 && worker_bg w2 two $sandbox --cores 2 &&
	for i in $(seq 40); do
		for p in $(sandboxes_of "$TRASH/w2"); do
			[ "$p" = "$worker_pid" ] || kill -9 $p 2>/dev/null
		done
		nap 100
	done; kill -0 $worker_pid &&
	wait_for 900 test -e two/done &&
	kill $worker_pid && wait $worker_pid; ! grep -E "^(bad|seq)" two/log'
test_expect_success "a request written down and not sent goes out as it was" '
	cell three 2 5 && worker w3 three $sandbox --once 2>w3.log &&
	kill $cell_pid &&
	mv w3/journal/answered w3/journal/request &&
	cp w3/journal/request request.was && rm three/port three/done &&
	cell three 0 5 && test_must_fail worker w3 three $sandbox --once \
		2>>w3.log && cmp w3/journal/request request.was'
test_done

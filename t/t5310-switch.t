#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t5310-switch.t - the owner's word goes before the cell's
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/worker.sh"
sandbox="--sandbox none"
has_bwrap && sandbox=
real=$runner
runner=$builddir/worker/test/hostile

# status FILE EXPRESSION over d (the document) and w (its work)
status() {
	python3 -c 'import json, os, sys
if not os.path.exists(sys.argv[1]): sys.exit(1)
d = json.load(open(sys.argv[1])); w = d["work"]
sys.exit(0 if eval(sys.argv[2]) else 1)' "$1/status.json" "$2"
}
# hung STATE: process ids of the kernels that compute for ever there
hung() {
	for p in /proc/[0-9]*; do
		{ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null |
			grep -qE "^[^ ]*runner --(run|serve)" || continue
		grep -qsE "$1/(task|box)/" "$p/mountinfo" "$p/cmdline" &&
			echo "${p#/proc/}"
	done
}
running() { [ "$(hung "$TRASH/$1" | wc -l)" -ge 1 ]; }
ended() { [ "$(hung "$TRASH/$1" | wc -l)" = 0 ]; }

test_expect_success "a kernel that hangs runs" '
	cell one 4 5 && worker_bg w1 one $sandbox --cores 2 &&
	wait_for 600 running w1'
test_expect_success "SIGUSR1 ends all foreign work within a second" '
	kill -USR1 $worker_pid && wait_for 10 ended w1 &&
	kill -0 $worker_pid'
test_expect_success "the cell gets its leases back" '
	wait_for 600 grep -q "^handback" one/log &&
	wait_for 600 status w1 "w[\"held\"] == 0" &&
	status w1 "d[\"action\"] == \"stop\"" &&
	status w1 "d[\"reason\"] == \"switch\""'
test_expect_success "the switch stays off over a restart" '
	kill $worker_pid && wait $worker_pid; [ -e w1/stopped ] &&
	n=$(grep -c "^leased" one/log) &&
	worker_bg w1 one $sandbox --cores 2 &&
	wait_for 600 status w1 "d[\"pid\"] == $worker_pid" && sleep 1 &&
	[ "$(grep -c "^leased" one/log)" = "$n" ]'
test_expect_success "without the flag it sells again" '
	rm w1/stopped && wait_for 600 running w1'
test_expect_success "the flag alone is as good as the signal" '
	touch w1/stopped && wait_for 10 ended w1 && rm w1/stopped &&
	wait_for 600 running w1'
test_expect_success "a lease the cell took away is not worked on" '
	touch one/all-gone && n=$(grep -c "no longer ours" w1.log);
	wait_for 80 grep -q "no longer ours" w1.log; rm one/all-gone &&
	grep "no longer ours" w1.log'
test_expect_success "SIGTERM hands back what is held and ends" '
	wait_for 600 running w1; n=$(grep -c "^handback" one/log);
	kill $worker_pid; wait $worker_pid; ended w1 &&
	[ -z "$(ls w1/task)" ] &&
	[ "$(grep -c "^handback" one/log)" -gt "$n" ]'
test_expect_success "kill -9 of the worker leaves no kernel behind" '
	worker_bg w1 one $sandbox --cores 2 && wait_for 600 running w1 &&
	kill -9 $worker_pid && wait_for 20 ended w1'
test_expect_success "a rule that does not match takes nothing" '
	cell two 1 1 && mkdir -p w2/root/run/fallow &&
	printf "rule = sell when temperature < 50\n" >w2/worker.conf &&
	echo "sysroot = $TRASH/w2/root" >>w2/worker.conf &&
	worker_bg w2 two $sandbox &&
	wait_for 600 status w2 "d[\"reason\"] == \"unknown reading\"" &&
	[ ! -s two/wire ]'
test_expect_success "and follows the facts" '
	echo "temperature_mc = 40000" >w2/root/run/fallow/facts &&
	wait_for 600 status w2 "d[\"action\"] == \"sell\"" &&
	wait_for 600 running w2'
test_expect_success "too hot: everything ends" '
	echo "temperature_mc = 60000" >w2/root/run/fallow/facts &&
	printf "rule = stop when temperature > 55\n" >>w2/worker.conf &&
	kill $worker_pid; wait $worker_pid;
	worker_bg w2 two $sandbox &&
	wait_for 600 status w2 "d[\"pid\"] == $worker_pid and \
		d[\"action\"] == \"stop\" and d[\"rule\"] == 2" && ended w2'
test_done

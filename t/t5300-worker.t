#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t5300-worker.t - a worker enrols, runs what it is given and tells the truth
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/worker.sh"
sandbox="--sandbox none"
has_bwrap && sandbox=

test_expect_success "a worker enrols, runs every task and ends" '
	cell one 12 50 &&
	worker w1 one $sandbox --once 2>err &&
	[ -e one/done ] && [ "$(grep -c "^accepted" one/log)" = 12 ] &&
	grep "^fallowd: enrolled as worker 7 of cell fake$" err &&
	! grep -E "^(stale|invalid|duplicate|bad)" one/log'
test_expect_success "its key is its own and what it keeps is empty again" '
	[ "$(stat -c %a w1/node.key)" = 600 ] &&
	[ -z "$(ls w1/task)" ] && [ ! -e w1/journal/request ] &&
	[ -e w1/journal/answered ]'
test_expect_success "it tells its owner what it did, and of nobody else" '
	python3 -c "import json
d = json.load(open(\"w1/status.json\"))
w = d[\"work\"]
assert (w[\"granted\"], w[\"accepted\"], w[\"held\"]) == (12, 12, 0), w
assert w[\"units\"] == 600 and d[\"action\"] == \"sell\", d
assert d[\"kernels\"][0][\"units_per_s\"] > 0, d"'
test_expect_success "the measured speed is kept for the next start" '
	worker w1 one $sandbox --once 2>err &&
	grep "kernel echo variant ref: [0-9]* units/s per core$" err &&
	grep -c "\"kernel\"" w1/speed'
test_expect_success "a cell that does not know it says so" '
	cell two 3 10 &&
	test_must_fail worker w1 two $sandbox --once 2>err &&
	grep "bad signature" err'
test_expect_success "it keeps the head of the ledger and notices another" '
	grep -xE "[0-9]+ [0-9a-f]{64}" w1/head &&
	echo "9 $(printf "f%.0s" $(seq 64))" >w1/head &&
	worker w1 one $sandbox --once 2>err &&
	grep "the cell shows ledger batch [01] after batch 9" err &&
	grep "^9 ffff" w1/head'
test_expect_success "an offer holds what is allowed and nothing else" '
	python3 -c "import json
for line in open(\"one/wire\"):
    d = json.loads(line)
    assert set(d) == {\"want\", \"wait_s\", \"offer\", \"held\"}, d
    o = d[\"offer\"]
    assert set(o) == {\"cores\", \"mem\", \"seconds\", \"floor_micro\",
                      \"zone\", \"kernels\"}, o
    for k in o[\"kernels\"]:
        assert set(k) == {\"name\", \"spec\", \"units_per_s\"}, k"'
test_expect_success "no host name, address, serial or user leaves the machine" '
	{ uname -n; whoami; id -un nobody; cat /etc/machine-id \
		/sys/class/net/*/address /sys/class/dmi/id/*serial* \
		/sys/class/dmi/id/product_uuid; hostname -I; } 2>/dev/null |
	tr " " "\n" | grep -E "^.{4,}" | grep -vx "00:00:00:00:00:00" \
		>secrets; cat secrets; [ -s secrets ] &&
	! grep -F -f secrets one/wire'
test_expect_success "lost replies and 503 lose nothing and repeat nothing" '
	cell bad 60 5 25 4711 &&
	worker w2 bad $sandbox --once 2>err &&
	[ -e bad/done ] && [ "$(grep -c "^accepted" bad/log)" = 60 ] &&
	! grep -E "^(stale|invalid|duplicate|bad|seq)" bad/log &&
	grep "^again" bad/log'
test_expect_success "a wrong token is refused with what the cell said" '
	cell three 1 1 &&
	token=$(printf "b%.0s" $(seq 64)) &&
	test_must_fail worker w3 three $sandbox --once 2>err &&
	grep "the enrolment token is wrong" err && [ ! -e w3/identity.conf ]'
token=$(printf 'a%.0s' $(seq 64))
test_expect_success "without a token it says how to get one" '
	test_must_fail $fallowd --state w4 $user --runner $runner 2>err &&
	grep "this worker is not enrolled; --cell-url URL --enrol TOKEN" err'
test_expect_success "a key others may read is refused" '
	chmod 644 w1/node.key &&
	test_must_fail worker w1 one $sandbox --once 2>err &&
	grep "node.key" err; chmod 600 w1/node.key'
test_expect_success "two workers cannot share a state directory" '
	cell four 0 1 && worker_bg w5 four $sandbox &&
	wait_for 600 test -e w5/status.json &&
	test_must_fail worker w5 four $sandbox --once 2>err &&
	grep "another fallowd runs in $TRASH/w5" err;
	kill $worker_pid; wait $worker_pid'
test_expect_success "an unknown setting is named with its line" '
	mkdir -p w6 && printf "cores = 1\ncolour = red\n" >w6/worker.conf &&
	test_must_fail worker w6 four $sandbox --once 2>err &&
	grep "w6/worker.conf:2: unknown key .colour.; there are: cell_url" err'
test_done

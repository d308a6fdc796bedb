#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t5000-runner.t - fallow-runner splits, runs and assembles the smallest kernel
. "$(dirname "$0")/tap.sh"
export FALLOW_PLUGIN_DIR=$builddir/plugins
runner=$builddir/worker/fallow-runner
json() { # FILE EXPRESSION over d
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"
}

test_expect_success "the kernels are listed" '
	$runner --list >list &&
	[ "$(json list "\"echo\" in d[\"kernels\"]")" = True ]'
test_expect_success "a kernel describes itself with the digest of its spec" '
	$runner --describe echo >d &&
	[ "$(json d "d[\"name\"], d[\"unit\"], d[\"variants\"]")" = \
	  "('"'echo', 'items', ['ref']"')" ] &&
	[ "$(json d "d[\"spec\"]")" = "$(printf %s \
	  "fallow echo 1: canonical bytes = item bytes; units = 1" |
	  sha256sum | cut -d" " -f1)" ]'
test_expect_success "the self-test gives the known answer" '
	$runner --selftest echo >s &&
	[ "$(json s "d[\"match\"] and d[\"variant\"]")" = ref ] &&
	[ "$(json s "d[\"digest\"]")" = "$(json d "d[\"known_answer\"]")" ]'
test_expect_success "lines become items and a plan" '
	printf "one\n\nthree" >in.txt && mkdir sp &&
	$runner --split echo --dir sp -- --input in.txt --output out.txt \
		--chunk 2 >plan 2>progress &&
	cmp <(python3 -m json.tool plan) <(python3 -m json.tool sp/plan.json) &&
	[ "$(json plan "d[\"items\"], d[\"units\"], d[\"chunk\"]")" = \
	  "(3, 3, 2)" ] &&
	grep -x "progress 3 3" progress &&
	[ "$(json plan "d[\"params_digest\"]")" = \
	  "$(sha256sum </dev/null | cut -d" " -f1)" ]'
test_expect_success "an estimate counts units and bytes" '
	$runner --estimate echo --params sp/params --input sp/items >e &&
	[ "$(json e "d[\"units\"], d[\"out_bytes\"], d[\"items\"]")" = \
	  "(3, 8, 3)" ]'
test_expect_success "a run ends with the root of the results" '
	$runner --run echo --params sp/params --input sp/items \
		--output res >r &&
	tail -n1 r >last &&
	[ "$(json last \
	  "d[\"done\"], d[\"items\"], d[\"units\"], d[\"bytes\"]")" = \
	  "(True, 3, 3, 8)" ]'
test_expect_success "the root is the Merkle sum root, computed independently" '
	cat >root.py <<-\EOF
	import hashlib, json, struct, sys
	q = lambda v: struct.pack(">Q", v)
	sha = lambda b: hashlib.sha256(b).digest()
	spec = bytes.fromhex(json.load(open("d"))["spec"])
	params = sha(sys.argv[1].encode() if sys.argv[1:] else b"")
	def leaf(i, b):
	    return (sha(b"\0" + spec + params + q(i) + struct.pack(">I", 0)
	            + q(1) + b), 1, len(b))
	def node(l, r):
	    e = lambda x: x[0] + q(x[1]) + q(x[2])
	    return sha(b"\1" + e(l) + e(r)), l[1] + r[1], l[2] + r[2]
	v = [leaf(i, b) for i, b in enumerate([b"one", b"", b"three"])]
	print(node(node(v[0], v[1]), v[2])[0].hex())
	EOF
	[ "$(python3 root.py)" = "$(json last "d[\"root\"]")" ]'
test_expect_success "the output is assembled in row order" '
	$runner --assemble echo --dir sp --results res >a &&
	[ "$(json a "d[\"output\"], d[\"items\"]")" = "('"'out.txt'"', 3)" ] &&
	cmp out.txt <(printf "one\n\nthree\n")'
test_expect_success "a thousand counted items survive the whole way" '
	mkdir n &&
	$runner --split echo --dir n -- --count 1000 --output n.txt \
		>/dev/null &&
	$runner --run echo --params n/params --input n/items --output n.res \
		>/dev/null &&
	$runner --assemble echo --dir n --results n.res >/dev/null &&
	seq 0 999 | cmp - n.txt'
test_expect_success "an unknown kernel names those that exist" '
	test_must_fail $runner --describe nope 2>err &&
	grep "^fallow-runner: unknown work plugin \"nope\"; there are: .*echo" \
		err'
test_expect_success "an unknown variant names those usable here" '
	test_must_fail $runner --selftest echo --variant fast 2>err &&
	grep "variant \"fast\" of echo is not usable here; there are: ref" err'
test_expect_success "wrong usage exits with 2 and says what is missing" '
	$runner --run echo --params sp/params --output x 2>err; [ $? = 2 ] &&
	grep "^fallow-runner: --input is missing" err'
test_expect_success "a split into a used directory is refused" '
	test_must_fail $runner --split echo --dir sp -- --count 1 2>err &&
	grep "sp is not empty" err'
test_expect_success "an empty input is refused" '
	: >empty && mkdir e1 &&
	test_must_fail $runner --split echo --dir e1 -- --input empty 2>err &&
	grep "empty has no lines" err'
test_expect_success "an option echo does not know is named" '
	mkdir e2 &&
	test_must_fail $runner --split echo --dir e2 -- --colour 2>err &&
	grep "unknown option of echo: --colour" err'
test_expect_success "damaged items are refused with the file's name" '
	head -c 20 sp/items >cut &&
	test_must_fail $runner --run echo --params sp/params --input cut \
		--output x 2>err &&
	grep "^fallow-runner: cut: " err && [ ! -e x ]'
test_expect_success "results that do not match the plan are refused" '
	test_must_fail $runner --assemble echo --dir sp --results n.res 2>err &&
	grep "n.res has 1000 results, the plan 3 items" err'
test_expect_success "an unwritable output is named and nothing is left" '
	test_must_fail $runner --run echo --params sp/params --input sp/items \
		--output no/such/res 2>err &&
	grep "could not write no/such/res" err'
test_expect_success "parameter files enter the digest sorted by name" '
	mkdir p && printf b >p/B && printf a >p/a &&
	$runner --run echo --params p --input sp/items --output res2 >r2 &&
	tail -n1 r2 >last2 &&
	one() { printf %s "$1" | sha256sum | cut -d" " -f1; } &&
	list=$(printf "B 1 %s\na 1 %s\n." "$(one b)" "$(one a)") &&
	[ "$(python3 root.py "${list%.}")" = "$(json last2 "d[\"root\"]")" ]'
test_expect_success "SIGTERM stops a run with status 3 and no result" '
	cat >stopped.py <<-\EOF
	import os, signal, sys
	signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
	os.kill(os.getpid(), signal.SIGTERM)
	os.execv(sys.argv[1], sys.argv[1:])
	EOF
	python3 stopped.py $runner --run echo --params n/params \
		--input n/items --output big.res 2>err
	rc=$?; [ $rc = 3 ] && grep "stopped after 1 of 1000 items" err &&
	! ls big.res* 2>/dev/null'
test_expect_success "a server does a task for every line, each in a process" '
	printf "\n\n" | $runner --serve echo --params sp/params \
		--input sp/items --output served >out &&
	cmp served res && [ "$(grep -c "\"exit\":0" out)" = 2 ] &&
	[ "$(head -n 1 out)" = "{\"ready\":true}" ]'
test_expect_success "and goes on after one that failed" '
	cp sp/items in && mkfifo order &&
	{ $runner --serve echo --params sp/params --input in --output o2 \
		<order >said 2>err & } && exec 9>order && rm in && echo >&9 &&
	for i in $(seq 100); do grep -q exit said && break; sleep 0.1; done &&
	grep "\"exit\":1" said && grep "in: " err && cp sp/items in &&
	echo >&9 && exec 9>&- && wait $! && grep "\"exit\":0" said &&
	cmp o2 res'
test_done

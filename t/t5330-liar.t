#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t5330-liar.t - the liar the other tests rely on really lies, and well
. "$(dirname "$0")/tap.sh"
export FALLOW_PLUGIN_DIR=$builddir/plugins
runner=$builddir/worker/fallow-runner
liar=$builddir/t/liar-runner
mkdir s && $runner --split echo --dir s -- --count 1000 --output o >/dev/null
run() { # RUNNER RESULTS
	"$1" --run echo --params s/params --input s/items --output "$2" \
		>"$2.out" && tail -n 1 "$2.out" >"$2.last"
}
lies() { # FILE: how many bytes of it differ from the truth: one a lie
	cmp -l true "$1" | wc -l
}

test_expect_success "asked anything else it is fallow-runner" '
	cmp <($liar --describe echo) <($runner --describe echo) &&
	cmp <($liar --list) <($runner --list)'
test_expect_success "it lies about one item in ten" '
	run $runner true && run $liar false &&
	n=$(lies false); echo "$n lies" && [ "$n" -ge 60 ] && [ "$n" -le 140 ]'
test_expect_success "and commits to its lies by a root of their own" '
	! cmp -s true.last false.last &&
	python3 -c "import json
a = json.load(open(\"true.last\")); b = json.load(open(\"false.last\"))
assert a[\"root\"] != b[\"root\"], b
for k in (\"items\", \"units\", \"bytes\", \"done\", \"variant\"):
    assert a[k] == b[k], k"'
test_expect_success "the same seed tells the same lies, another one others" '
	run $liar again && cmp false again &&
	FALLOW_LIAR_SEED=2 run $liar other && ! cmp -s false other'
test_expect_success "how often it lies can be said" '
	FALLOW_LIAR_PPM=0 run $liar honest && cmp true honest &&
	FALLOW_LIAR_PPM=1000000 run $liar all && [ "$(lies all)" = 1000 ]'
test_expect_success "an error stays an error" '
	test_must_fail $liar --run echo --params s/params --input nope \
		--output x 2>err && grep "nope" err && ! ls x* 2>/dev/null'
test_done

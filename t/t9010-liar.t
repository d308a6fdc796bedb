#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t9010-liar.t - a worker that lies is caught by proof, and earns nothing
. "$(dirname "$0")/tap.sh"
fallow=$builddir/sched/cmd/fallow
for p in sched/fallowctld sched/fallow-gate worker/fallowd fallow-ledger \
	t/liar-runner; do
	[ -x "$builddir/$p" ] || skip_all "$p is not built"
done
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
	skip_all "PostgreSQL is not installed"
sandbox=bwrap
bwrap --unshare-all --ro-bind / / true 2>/dev/null || sandbox=none
export FALLOW_STATE=$TRASH/state
unset FALLOW_CONF FALLOW_LIBEXEC
test_cleanup '$fallow down >/dev/null 2>&1'

test_expect_success "three workers, the second has a runner that lies" '
	$fallow up --workers 3 --sandbox $sandbox --liar 2 >log 2>&1
	rc=$?; cat log; test $rc -eq 0 &&
	grep "^owner-2  *started with a runner of its own" log'
[ $tap_bad -eq 0 ] || { tail -n 20 "$FALLOW_STATE"/log/* | diag; test_done; }
test_expect_success "the output is right all the same" '
	seq 1 4000 >in && $fallow sbatch --wait --chunk 32 \
		--wrap "srun echo --input in --output out" && cmp in out'
test_expect_success "items were found wrong, the job is COMPLETED" '
	$fallow scontrol show job 1 >show && cat show &&
	grep "JobState=COMPLETED" show && grep "CaughtItems=[1-9]" show'
test_expect_success "every finding is a proof that holds without the cell" '
	$fallow verify-evidence --job 1 --save proofs.json >v && cat v &&
	env -u FALLOW_STATE $fallow verify-evidence proofs.json >w && cmp v w &&
	test "$(grep -c "^the proof holds" w)" -ge 1 &&
	test "$(grep -c "^recomputed  yes" w)" -ge 1'
test_expect_success "all proofs name one worker, and it is locked out" '
	worker=$(sed -n "s/^worker \(v[0-9]*\),.*/\1/p" v | sort -u) &&
	test "$(echo "$worker" | wc -l)" -eq 1 &&
	test "$($fallow sinfo -h -N -o "%N %t" | grep drain | sort -u)" = \
		"$worker drain"'
test_expect_success "it earns nothing, the others do" '
	for k in 1 2 3; do
		$fallow statement --party owner-$k >s$k && cat s$k || return 1
	done && grep "verified \$0.00 " s2 && ! grep "^echo  *work" s2 &&
	grep "^echo  *work" s1 s3'
test_expect_success "the books balance" '
	$fallow audit >audit && tail -n1 audit && grep ", 0 broken" audit'
test_done

# SPDX-License-Identifier: Apache-2.0
# t9100-kill.t - any process may die by SIGKILL at any moment
#
# Each round submits a job, kills one process of the cell while the job is
# under way, starts what is missing, and wants the job done: every task once,
# its output right, the audit clean.  FALLOW_KILL_ROUNDS (10) says how many
# rounds; contrib/check makes it 50.
. "$(dirname "$0")/tap.sh"

rounds=${FALLOW_KILL_ROUNDS:-10}
tasks=${FALLOW_KILL_TASKS:-60}
export PATH="$builddir/sched/cmd:$PATH"
export FALLOW_PLUGIN_DIR="$builddir/plugins" FALLOW_STATE="$TRASH/state"
[ -x "$builddir/worker/fallowd" ] || skip_all "the worker is not built"
[ -x "$builddir/sched/fallow-gate" ] || skip_all "the gate is not built"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
	skip_all "PostgreSQL is not installed"

sandbox=bwrap
up() { fallow up --workers 2 --sandbox "$sandbox" >up.log 2>&1; }
test_cleanup 'fallow down --destroy --yes >/dev/null 2>&1'
if ! up && grep -q bwrap up.log; then
	fallow down --destroy --yes >/dev/null 2>&1
	sandbox=none
fi
test_expect_success 'a cell with two workers comes up' '
	{ up || { cat up.log; false; }; } && fallow status
'
seq 0 $((tasks - 1)) >expected

state() { fallow sacct -X -n -P -j "$1" -o State 2>/dev/null; }
completed() { [ "$(state "$1")" = COMPLETED ]; }
started() {
	n=$(fallow scontrol -o show job "$1" 2>/dev/null |
		sed -n 's/.*TasksDone=\([0-9]*\).*/\1/p')
	[ "${n:-0}" -ge 5 ]
}
victim() { fallow status | sed -n "s/^$1 .*process \([0-9]*\).*/\1/p"; }
# wait_for SECONDS COMMAND...
wait_for() {
	w_end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$w_end" ] || return 1
		sleep 0.05
	done
}
explain() {
	cat up.log
	fallow scontrol show job "$1"
	for f in state/log/*.log; do
		echo "== $f"
		tail -n 8 "$f"
	done
	return 1
}

last=0
set -- fallowctld gate postgres owner-1 owner-2
for round in $(seq 1 "$rounds"); do
	who=$1
	shift
	set -- "$@" "$who"
	test_expect_success "round $round: $who is killed, nothing is lost" '
		id=$(fallow sbatch --parsable --wrap \
			"srun echo --count $tasks --chunk 1 \
			--output out.$round") &&
		test "$id" -gt "$last" && last=$id &&
		wait_for 60 started "$id" &&
		pid=$(victim "$who") && kill -9 $pid &&
		wait_for 30 up &&
		{ wait_for 90 completed "$id" || explain "$id"; } &&
		fallow fetch "$id" && cmp expected "out.$round"
	'
done

test_expect_success "the audit finds every invariant whole" '
	fallow audit >audit.out && grep ", 0 broken" audit.out
'
test_expect_success "every job is done, none is there twice" '
	fallow sacct -X -n -P -o JobID,State >jobs &&
	test "$(grep -c COMPLETED jobs)" = "$rounds" &&
	test "$(cut -d"|" -f1 jobs | sort -u | wc -l)" = "$rounds"
'
test_done

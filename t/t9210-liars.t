# SPDX-License-Identifier: Apache-2.0
# t9210-liars.t - job after job on one cell, each with a fresh liar
#
# FALLOW_RUNS (20) jobs in a row; before each a new owner enrols whose runner
# lies about a tenth of its items, seeded by the run's number.  Every output
# equals the one made at home, every liar that took part is caught and earns
# nothing.  Uses the real model when FALLOW_MODEL_DIR names it.
. "$(dirname "$0")/tap.sh"

runs=${FALLOW_RUNS:-20}
export PATH="$builddir/sched/cmd:$PATH"
export FALLOW_PLUGIN_DIR="$builddir/plugins" FALLOW_STATE="$TRASH/state"
[ -x "$builddir/t/liar-runner" ] || skip_all "the liar is not built"
[ -x "$builddir/sched/fallow-gate" ] || skip_all "the gate is not built"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
	skip_all "PostgreSQL is not installed"
test_cleanup 'fallow down --destroy --yes >/dev/null 2>&1'

# The liar of run N, seeded: a wrapper cannot start a process in the sandbox,
# so the seed travels in the environment of its worker.
up() {
	FALLOW_LIAR_SEED=$((1000 + $1)) fallow up --workers $((2 + $1)) \
		--runner-of $((2 + $1))="$builddir/t/liar-runner" >up.log 2>&1
}

model=${FALLOW_MODEL_DIR:-}
count=${FALLOW_COUNT:-20000}
if [ -z "$model" ]; then
	"$srcdir/t/tiny-model" model && model=$TRASH/model
	count=${FALLOW_COUNT:-4000}
fi
if [ -f /usr/share/wordnet/data.noun ]; then
	"$srcdir/contrib/wordnet-corpus" --count "$count" >corpus.jsonl
else
	seq 1 "$count" | sed 's/.*/{"text": "number & of them all"}/' \
		>corpus.jsonl
fi

test_expect_success 'the job is done at home first' '
	fallow run embed --model "$model" --input corpus.jsonl \
		--output home.npy
'
for run in $(seq 1 "$runs"); do
	test_expect_success "run $run: the output is right to the bit" '
		{ up "$run" || { cat up.log; false; }; } &&
		id=$(fallow sbatch --parsable --wait --wrap "srun embed \
			--model $model --input corpus.jsonl --chunk 128 \
			--output out.npy") &&
		cmp home.npy out.npy && rm out.npy
	'
done
# honest owners have something verified (a tiny model's work is too cheap to
# price), liars nothing
only_honest_pay() {
	for k in ${FALLOW_MODEL_DIR:+1 2}; do
		fallow tonight --party "owner-$k" >line
		grep -q "earned 0\.0 " line && cat line && return 1
	done
	for k in $(seq 3 $((2 + runs))); do
		fallow tonight --party "owner-$k" >line
		grep -q "earned 0\.0 " line || { cat line; return 1; }
	done
}
test_expect_success 'no liar earned anything, every honest owner did' '
	only_honest_pay
'
test_expect_success 'liars that took part are locked out' '
	fallow sinfo -h -o "%D %T" >nodes && cat nodes &&
	awk "/drain/ { n += \$1 } END { exit n < 1 }" nodes
'
test_expect_success 'the audit finds every invariant whole' '
	fallow audit >audit.out && grep ", 0 broken" audit.out
'
test_done

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t9000-first-light.t - from fallow up through all nine nouns to the audit
. "$(dirname "$0")/tap.sh"
fallow=$builddir/sched/cmd/fallow
for p in sched/fallowctld sched/fallow-gate worker/fallowd fallow-ledger; do
	[ -x "$builddir/$p" ] || skip_all "$p is not built"
done
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
	skip_all "PostgreSQL is not installed"
sandbox=bwrap
bwrap --unshare-all --ro-bind / / true 2>/dev/null || sandbox=none
export FALLOW_STATE=$TRASH/state
unset FALLOW_CONF FALLOW_LIBEXEC
test_cleanup '$fallow down >/dev/null 2>&1'
up() { $fallow up --workers 3 --sandbox $sandbox "$@"; }
field() { $fallow sacct -X -n --parsable2 -j "$1" -o "$2"; }
until_state() { # JOB STATE
	local i
	for i in $(seq 200); do
		[ "$(field "$1" State)" = "$2" ] && return 0
		sleep 0.1
	done
	field "$1" State
	return 1
}

test_expect_success "fallow up makes a cell and says so" '
	up >log 2>&1; rc=$?; cat log; test $rc -eq 0 &&
	grep "^cell \"home\" is up at https://127.0.0.1:[0-9]* " log &&
	grep "bank -> prepaid 10.00 USD (play money)" log'
[ $tap_bad -eq 0 ] || { tail -n 20 "$FALLOW_STATE"/log/* | diag; test_done; }
test_expect_success "a second fallow up starts nothing" '
	up >log && test "$(grep -c "runs already" log)" -eq 7 &&
	! grep "started\|play money" log'
test_expect_success "secrets are readable by their owner alone" '
	for f in client.conf ctl/admin.token ctl/cell.key tls/ca.key \
		tls/server.key; do
		test "$(stat -c %a "$FALLOW_STATE/$f")" = 600 || return 1
	done'
test_expect_success "the workers are idle" '
	for i in $(seq 100); do
		$fallow sinfo -h -o "%D %t" >w && grep -x "4 idle" w && break
		sleep 0.1
	done && grep -x "4 idle" w'

seq 1 500 >in
cat >job.sh <<'EOF'
#!/bin/sh
#SBATCH --job-name=lines
#FALLOW chunk=16
srun echo --input in --output out
EOF
test_expect_success "a quote tells the price and submits nothing" '
	$fallow sbatch --quote job.sh >quote && cat quote &&
	grep "^at most 0.00[0-9]* USD: work .*, prepaid 10.00 USD" quote &&
	test -z "$($fallow sacct -n -X)" && test ! -e out'
test_expect_success "sbatch --wait prints the id alone and writes the output" '
	$fallow sbatch --wait job.sh >id 2>err && cat id err &&
	test "$(cat id)" = "Submitted batch job 1" && test ! -s err &&
	cmp in out'
test_expect_success "the job is COMPLETED, its items were checked" '
	test "$(field 1 JobID,JobName,State,ExitCode)" = \
		"1|lines|COMPLETED|0:0" &&
	$fallow scontrol show job 1 >show && cat show &&
	grep "TasksDone=32 TasksFailed=0" show &&
	grep "CheckedItems=[1-9][0-9]* CaughtItems=0" show'
test_expect_success "squeue prints a header and nothing else" '
	left="             JOBID PARTITION     NAME     USER ST" &&
	$fallow squeue >q &&
	test "$(cat q)" = "$left       TIME  NODES NODELIST(REASON)"'
test_expect_success "fetch gets the output again, to another place" '
	rm out && test "$($fallow fetch 1)" = "$TRASH/out" && cmp in out &&
	$fallow fetch 1 --output "$TRASH/again" && cmp in again'
if command -v curl >/dev/null && command -v python3 >/dev/null; then
	test_expect_success "a client killed early is served" '
		conf() { sed -n "s/^$1 = .\(.*\).$/\1/p" \
			"$FALLOW_STATE/client.conf"; } &&
		curl -s --cacert "$(conf ca)" -H \
			"Authorization: Bearer $(conf token)" \
			"$(conf url)/v1/job/1" >j &&
		id=$(python3 -c "import json
print(json.load(open(\"j\"))[\"submission_id\"])") &&
		rm out && cd "$FALLOW_STATE/jobs/home" && mv 1 "new-$id" &&
		cd "$TRASH" && $fallow fetch 1 && cmp in out &&
		test -d "$FALLOW_STATE/jobs/home/1"'
else
	test_skip "a client killed before it knew the number is served" \
		"no curl or no python3"
fi
test_expect_success "srun waits for its job" '
	$fallow srun echo --count 7 --output seven &&
	test "$(wc -l <seven)" = 7'
test_expect_success "an array has a task for every index" '
	$fallow sbatch --parsable --wait --array=10-90:20 --wrap "srun echo" \
		>id && test "$(cat id)" = 3 &&
	test "$(field 3 JobID,State)" = "3_[10-90:20]|COMPLETED"'
test_expect_success "a held job waits for its release" '
	$fallow sbatch --hold --wrap "srun echo --count 5" && sleep 0.5 &&
	test "$($fallow squeue -h -j 4 -o "%t %R")" = "PD (JobHeldUser)" &&
	$fallow scontrol release 4 && until_state 4 COMPLETED'
test_expect_success "a cancelled job is CANCELLED and stays so" '
	$fallow sbatch --hold --wrap "srun echo --count 5" &&
	$fallow scancel 5 && test "$(field 5 State)" = CANCELLED &&
	$fallow scancel 5 && test_must_fail $fallow fetch 5 2>err &&
	grep "job 5 is CANCELLED" err'
if [ -e "$builddir/plugins/work/embed.so" ] && command -v python3 >/dev/null
then
	test_expect_success "embeddings from the cell are those of fallow run" '
		"$srcdir/t/tiny-model" "$TRASH/tiny" &&
		for i in $(seq 90); do
			echo "{\"text\": \"the small dog number $i runs\"}"
		done >c.jsonl &&
		words="embed --model $TRASH/tiny --input c.jsonl --output" &&
		$fallow run $words home.npy &&
		$fallow sbatch --wait --chunk 16 \
			--wrap "srun $words cell.npy" &&
		cmp home.npy cell.npy && cmp home.ids cell.ids'
else
	test_skip "embeddings from the cell are those of fallow run" \
		"no embed kernel or no python3"
fi

test_expect_success "a wrong token is refused in one line" '
	sed "s/^token.*/token = 00/" "$FALLOW_STATE/client.conf" >bad.conf &&
	FALLOW_CONF=$TRASH/bad.conf test_must_fail $fallow sbatch job.sh \
		>o 2>err && cat err && test ! -s o &&
	test "$(wc -l <err)" = 1 &&
	grep "^sbatch: error: .*token" err'
test_expect_success "too little prepaid names both sums" '
	test_must_fail $fallow sbatch --array=0-3999999 --wrap "srun echo" \
		2>err && cat err && grep "17.6.* exceeds prepaid 9.9" err'
test_expect_success "a bound given with the job is kept" '
	test_must_fail $fallow sbatch --max-cost 0.0001 job.sh 2>err &&
	cat err && grep "exceeds the limit" err'
test_expect_success "an output that cannot be written is found first" '
	test_must_fail $fallow sbatch --wrap \
		"srun echo --count 3 --output no/such/o" 2>err && cat err &&
	grep "cannot write output no/such/o" err'
test_expect_success "none of these left anything behind" '
	test "$($fallow sacct -X -n -P -o JobID | tail -n1)" -le 6 &&
	test -z "$(find "$FALLOW_STATE/jobs" -name "new-*")"'

test_expect_success "the switch ends all foreign work until it is turned on" '
	$fallow stop && $fallow stop referee && sleep 0.5 &&
	$fallow sbatch --wrap "srun echo --count 4" >id && cat id &&
	n=$(sed "s/.* //" id) && sleep 1 &&
	test "$(field $n State)" = PENDING && $fallow start referee owner-1 \
		owner-2 owner-3 && until_state $n COMPLETED'
test_expect_success "kill -9 of the controller loses no job" '
	n=$($fallow sbatch --parsable --hold --wrap "srun echo --count 90") &&
	kill -9 "$(cat "$FALLOW_STATE/run/fallowctld.lock")" && up >log &&
	grep "^fallowctld  *started" log &&
	$fallow scontrol release $n && until_state $n COMPLETED'
test_expect_success "a submission outlasts a controller that is killed" '
	seq 7000 9000 >in2 && {
		$fallow sbatch --parsable --hold --chunk 8 --wrap \
			"srun echo --input in2 --output out2" >id & } &&
	sleep 0.3 && kill -9 "$(cat "$FALLOW_STATE/run/fallowctld.lock")" &&
	sleep 0.3 && up >log && wait $! && n=$(cat id) &&
	test "$($fallow squeue -h -j $n -o "%T")" = PENDING &&
	test "$($fallow squeue -h -o "%i" | wc -l)" -eq 1 &&
	$fallow scancel $n'
test_expect_success "kill -9 of PostgreSQL loses no job" '
	n=$($fallow sbatch --parsable --hold --wrap "srun echo --count 90") &&
	kill -9 "$(cat "$FALLOW_STATE/run/postgres.lock")" && up >log &&
	cat log && grep "^postgres  *started" log &&
	$fallow scontrol release $n && until_state $n COMPLETED'
test_expect_success "the books balance" '
	$fallow audit >audit && cat audit &&
	grep "^audit: [1-9][0-9]* invariants, 0 broken" audit'
test_expect_success "owners see what they earned, the customer what he paid" '
	$fallow statement >s && cat s && test "$(grep -c "^owner " s)" -eq 3 &&
	$fallow tonight >t && cat t &&
	test "$(grep -c "^owner-.: Tonight: earned" t)" -eq 3 &&
	$fallow invoice >i && cat i && grep "lines" i'
test_expect_success "fallow down stops everything and keeps the data" '
	$fallow down >log && cat log && test "$(grep -c stopped log)" -eq 7 &&
	{ $fallow status >st; test $? -eq 3; } && ! grep runs st &&
	test -d "$FALLOW_STATE/pg" &&
	test ! -e "$(cat "$FALLOW_STATE/run/socket.dir")"'
test_expect_success "after another fallow up all is as it was" '
	url=$(grep ^url "$FALLOW_STATE/client.conf") && up >log &&
	test "$(field 1 State)" = COMPLETED &&
	test "$url" = "$(grep ^url "$FALLOW_STATE/client.conf")"'
test_expect_success "down --destroy asks, and then deletes" '
	test_must_fail $fallow down --destroy 2>err &&
	grep "nothing was deleted" err && test -d "$FALLOW_STATE" &&
	$fallow down --destroy --yes && test ! -e "$FALLOW_STATE"'
test_done

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t4200-wire.t - bad input to a living cell: each refused in words, none does
# harm
#
# A private cell of PostgreSQL, fallowctld (kept alive by a loop) and
# fallow-gate; sched/api/test/wire is every customer, operator and worker.
. "$(dirname "$0")/tap.sh"
export FALLOW_PLUGIN_DIR=$builddir/plugins
ctld=$builddir/sched/fallowctld
gate=$builddir/sched/fallow-gate
wire=$builddir/sched/api/test/wire
[ -x "$gate" ] || skip_all "the gate is not built"
pg=$(sh "$srcdir/t/pg.sh" start 2>pg.err)
case $? in
0) ;;
77) skip_all "PostgreSQL is not installed" ;;
*) cat pg.err >&2; skip_all "PostgreSQL does not start" ;;
esac
test_cleanup "sh '$srcdir/t/pg.sh' stop '$pg'"
spec=$("$builddir/worker/fallow-runner" --describe echo |
	sed 's/.*"spec": *"\([0-9a-f]*\)".*/\1/')

mkdir blobs tls
cat >cell.conf <<CONF
cell_name = 'wire'
ctld_socket = '$TRASH/ctld.sock'
db = 'host=$pg user=test dbname=postgres'
schema_dir = '$srcdir/accounting/schema'
blob_dir = '$TRASH/blobs'
admin_token_file = '$TRASH/admin.token'
cell_key_file = '$TRASH/cell.key'
CONF
# A loop that starts the controller whenever it has died.
keeper() {
	while [ ! -e stop ]; do
		"$ctld" --config cell.conf 2>>ctld.log &
		echo $! >pid.new && mv pid.new ctld.pid
		wait $!
		echo "ended with $?" >>ctld.log
	done
}
wait_for() {
	for w_i in $(seq 200); do
		"$@" && return 0
		sleep 0.05
	done
	echo "wait_for: gave up on: $*" >&2
	return 1
}
end_cell() {
	touch stop
	kill "$(cat ctld.pid)" "$gate_pid"
	wait "$keeper_pid" "$gate_pid"
}
start_cell() {
	"$wire" cert tls || return 1
	keeper &
	keeper_pid=$!
	wait_for test -S ctld.sock || return 1
	"$gate" --listen 127.0.0.1:0 --cert tls/server.pem \
		--key tls/server.key --ctld "$TRASH/ctld.sock" \
		--port-file "$TRASH/port" 2>gate.log &
	gate_pid=$!
	wait_for test -s port && wait_for test -s admin.token
}
test_expect_success "a private cell comes up" '
	start_cell'
[ -s port ] || { cat ctld.log gate.log >&2; }
test_cleanup 'end_cell 2>/dev/null'
# tell STORY SENTENCE
tell() {
	test_expect_success "$2" '
		"$wire" '"$1"' "https://127.0.0.1:$(cat port)" tls/ca.pem wire \
			admin.token "$spec" ctld.pid >out 2>&1 ||
		{ echo "exit $?"; grep -v "^ok" out; tail -n 2 out ctld.log
		false; }'
}
tell tokens "wrong, expired and foreign tokens are refused in words"
tell enrol "an enrolment token is good for one worker, however often asked"
tell signatures "only an honest signature, made here and now, is believed"
tell sequence "requests are taken once, in their order"
tell bodies "no body is too strange to be refused"
tell money "too little money is said in both sums"
tell submit "a job that cannot be is refused before it begins"
tell blobs "a blob is its bytes, and only its uploader's"
tell foreign "no job reaches another party's blobs"
tell results "a false result is found, whatever is false about it"
tell leases "an ended lease does not rise again"
tell privacy "nobody sees what is another party's"
test_expect_success "nothing of this has ended the controller" '
	! grep -E "^ended|dropped the state|Sanitizer|runtime error" ctld.log'
tell kills "a controller killed within a request has done it once or not at all"
test_expect_success "and the books still balance" '
	end_cell; ! grep -E "Sanitizer|runtime error|LeakSan" ctld.log &&
	FALLOW_DB="host=$pg user=test dbname=postgres" \
		"$builddir/fallow-ledger" audit >audit 2>&1; cat audit;
	grep ", 0 broken" audit'
test_done

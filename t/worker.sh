# SPDX-License-Identifier: Apache-2.0
# worker.sh - what stories about the worker share; source it after tap.sh
#
# Starts cells and workers, and ends them with the test.  As root the worker
# becomes the user nobody: root never runs one.
export FALLOW_PLUGIN_DIR=$builddir/plugins
fallowd=$builddir/worker/fallowd
runner=$builddir/worker/fallow-runner
token=$(printf 'a%.0s' $(seq 64))
user=
[ "$(id -u)" != 0 ] || user="--user nobody"

# cell DIR TASKS ITEMS [FAULTS SEED]: a cell of echo tasks (worker/test)
cell() {
	mkdir -p "$1" || return 1
	"$builddir/worker/test/fakecell" "$@" 2>"$1/err" &
	cell_pid=$!
	test_cleanup "kill $cell_pid 2>/dev/null"
	wait_for 100 test -s "$1/port"
}
# wait_for TENTHS COMMAND...: until it succeeds
wait_for() {
	wait_n=$1
	shift
	while [ "$wait_n" -gt 0 ]; do
		"$@" && return 0
		sleep 0.1
		wait_n=$((wait_n - 1))
	done
	echo "wait_for: gave up on: $*" >&2
	return 1
}
# worker DIR CELL OPTIONS...: run one in the foreground
worker() {
	worker_dir=$1
	worker_cell=$2
	shift 2
	timeout 120 "$fallowd" --state "$worker_dir" $user \
		--runner "$runner" --ca "$worker_cell/ca.pem" \
		--cell-url "https://127.0.0.1:$(cat "$worker_cell/port")" \
		--enrol "$token" "$@"
}
# worker_bg DIR CELL OPTIONS...: in the background; $worker_pid
worker_bg() {
	worker_dir=$1
	worker_cell=$2
	shift 2
	"$fallowd" --state "$worker_dir" $user --runner "$runner" \
		--cell-url "https://127.0.0.1:$(cat "$worker_cell/port")" \
		--ca "$worker_cell/ca.pem" --enrol "$token" "$@" \
		2>>"$worker_dir.log" &
	worker_pid=$!
	test_cleanup "kill $worker_pid 2>/dev/null"
}
# Whether a sandbox can be made here by the user tests run workers as.
has_bwrap() {
	! ldd "$runner" | grep -q libasan || return 1
	bwrap_as=
	[ "$(id -u)" != 0 ] ||
		bwrap_as="setpriv --reuid nobody --regid nogroup --clear-groups"
	$bwrap_as bwrap --unshare-all --ro-bind / / true 2>/dev/null
}

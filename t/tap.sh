# SPDX-License-Identifier: Apache-2.0
# tap.sh - Test Anything Protocol for shell stories; source it first
#
# A story is a list of `test_expect_success "sentence" 'commands'`; commands
# run in the test's scratch directory ($TRASH), all joined with &&.  Ends with
# test_done.  Variables given: builddir, srcdir, TRASH.
: "${srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${builddir:=$PWD}"
export srcdir builddir
tap_n=0
tap_bad=0
TRASH=$(mktemp -d "${TMPDIR:-/tmp}/fallow-t.XXXXXX") || exit 1
chmod 0755 "$TRASH"
tap_cleanup=
test_cleanup() { tap_cleanup="$1; $tap_cleanup"; }
tap_exit() {
	tap_rc=$?
	eval "$tap_cleanup"
	cd / && rm -rf "$TRASH"
	exit "$tap_rc"
}
trap tap_exit EXIT
trap 'exit 130' INT TERM
cd "$TRASH" || exit 1

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}
diag() { sed 's/^/# /' >&2; }
test_expect_success() {
	tap_n=$((tap_n + 1))
	if eval "$2" >"$TRASH/.out" 2>&1 </dev/null; then
		echo "ok $tap_n - $1"
	else
		tap_bad=$((tap_bad + 1))
		echo "not ok $tap_n - $1"
		{ printf '%s\n' "$2"; tail -n 60 "$TRASH/.out"; } | diag
	fi
}
# test_skip SENTENCE REASON
test_skip() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n # SKIP $1: $2"
}
# test_must_fail COMMAND...: the command fails, but is not killed by a signal
test_must_fail() {
	"$@"
	tap_s=$?
	[ "$tap_s" -gt 0 ] && [ "$tap_s" -lt 126 ] && return 0
	echo "test_must_fail: '$*' exited $tap_s" >&2
	return 1
}
test_done() {
	echo "1..$tap_n"
	[ "$tap_bad" -eq 0 ]
	exit
}

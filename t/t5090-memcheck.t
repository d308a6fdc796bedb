# SPDX-License-Identifier: Apache-2.0
# t5090-memcheck.t - an echo job at home, every program of it under memcheck
. "$(dirname "$0")/tap.sh"
command -v valgrind >/dev/null || skip_all "valgrind is not installed"
fallow=$builddir/sched/cmd/fallow
! grep -q 'define FALLOW_SANITIZED' "$builddir/config.h" ||
	skip_all "a sanitized build checks memory itself"

memcheck() {
	valgrind -q --error-exitcode=99 --trace-children=yes \
		--leak-check=full --errors-for-leak-kinds=definite,possible \
		--show-leak-kinds=definite,possible \
		--suppressions="$srcdir/t/valgrind.supp" \
		--log-file="$TRASH/log.%p" "$@"
}
test_expect_success 'a job of 500 lines is split, run and assembled' '
	seq 500 >in &&
	memcheck "$fallow" run echo --input in --output out && cmp in out'
test_expect_success 'memcheck has nothing to say about any process of it' '
	test "$(ls log.* | wc -l)" -ge 4 && cat log.* >all && cat all &&
	test ! -s all'
test_expect_success 'nor about a job that is refused' '
	rm -f log.* &&
	test_must_fail memcheck "$fallow" run echo --input absent --output x &&
	cat log.* >all && cat all && test ! -s all'
test_done

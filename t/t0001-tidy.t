# SPDX-License-Identifier: Apache-2.0
# t0001-tidy.t - the house numbers hold, and the tool that says so can tell
. "$(dirname "$0")/tap.sh"
command -v perl >/dev/null || skip_all "perl is not installed"

tidy() { "$srcdir/t/tidy" --root "$srcdir" --build "$builddir" "$@"; }
holds() { test_expect_success "$2" "tidy $1"; }

holds spdx 'every file names its licence'
holds opening 'every C file opens with its name and one line'
holds function 'no function is longer than 70 lines'
holds file 'no file is longer than 1,000 lines'
holds width 'no line is wider than 80 columns, 100 in .cu'
holds space 'no stray white space'
holds contract 'public headers are contracts: comment to code at least 0.7'
holds banned 'no call that writes past its buffer, parses half or asks a shell'
holds include-c 'no source file is included'
holds no-float 'no binary fraction under accounting/'
holds exit 'nothing below main ends the process'
holds sql 'SQL is constant and lives under accounting/'
holds arrows 'the arrows between directories hold and the core does no I/O'
if command -v objdump >/dev/null; then
	holds globals 'no variable is exported'
else
	test_skip 'no variable is exported' 'objdump is not installed'
fi
case $(for f in clang-format clang-format-14; do $f --version; done 2>&1) in
*"version 14."*) holds format 'clang-format has the last word' ;;
*) test_skip 'clang-format has the last word' 'clang-format 14 is not here' ;;
esac
holds listed 'every test is numbered once and run by make check'
holds names 'no file has a name that says nothing'
holds man 'every program has a man page'
"$srcdir/t/tidy" --root "$srcdir" grown | diag

# The tool itself: a small tree with one offence of each kind.
mkdir -p bad/common bad/sched/core bad/accounting bad/kernels bad/t bad/obj
spdx='/* SPDX-License-Identifier: Apache-2.0 */'
{
	echo "$spdx"
	echo '/* long.c - too much */'
	echo 'int f(void)'
	echo '{'
	seq -f '    g(%g);' 80
	echo '}'
} >bad/common/long.c
{
	echo "$spdx"
	echo '/* calls.c - what is not called here */'
	echo '#include "common/long.c"'
	echo '/* strcpy(a, b) in a comment is prose */'
	echo 'void f(char *a)'
	echo '{'
	echo '    puts("sprintf(a)");'
	echo '    strcpy(a, "x");'
	echo '    exit(1);'
	echo '}'
	echo 'int shared_counter;'
	echo 'static int own_counter;'
	echo 'int *f2(void) { return &own_counter; }'
	echo 'const char *const words[] = {"a", "b"};'
} >bad/common/calls.c
{
	echo "$spdx"
	echo '/* bare.h - a contract that says nothing */'
	seq -f 'int f%g(int);' 20
} >bad/common/bare.h
{
	echo "$spdx"
	echo '/* cell.c - a core that looks at the world */'
	echo '#include <time.h>'
	echo '#include <unistd.h>'
	echo '#include "accounting/store.h"'
	printf 'static const char *q = "SELECT 1 FROM job";\t\n'
} >bad/sched/core/cell.c
{
	echo "$spdx"
	echo '/* pay.c - a double is not money */'
	echo 'static double rate;'
	echo 'static char *f(void) { return "SELECT * FROM t WHERE id = %d"; }'
} >bad/accounting/pay.c
printf '%s\n' "$spdx" '/* k.c - arithmetic */' '#include "common/error.h"' \
	'#include <libpq-fe.h>' >bad/kernels/k.c
printf 'int x;' >bad/common/util.c
printf 'bin_PROGRAMS += fallow\n' >bad/local.mk
touch bad/t/t0009-forgotten.t

offends() {
	test_expect_success "tidy finds: $2" "
		test_must_fail '$srcdir/t/tidy' --root bad --build bad/obj $1 \
			>found && cat found && grep -q '$3' found &&
		test \$(grep -c . found) -eq $4"
}
offends function 'a function of 84 lines' 'common/long.c:3: .* of 83' 1
offends banned 'strcpy, but not in prose' 'common/calls.c:8: .*strcpy' 1
offends include-c 'an included source' 'calls.c:3:' 1
offends exit 'an exit below main' 'calls.c:9:' 1
offends contract 'a bare header' 'bare.h:1:' 1
offends no-float 'a double' 'pay.c:3: double' 1
offends sql 'SQL where it must not be' 'core/cell.c:6:' 2
offends spdx 'a file without licence' 'util.c:1:' 3
offends opening 'a file without a first line' 'util.c:2:' 1
offends space 'a tab, a blank and a missing newline' 'cell.c:6: tab' 3
offends names 'util.c' 'util.c:1:' 1
offends man 'a program without a page' 'local.mk:1: no doc/man/fallow' 1
offends listed 'a forgotten test' 't0009' 1
offends arrows 'arrows that must not be' 'kernels/k.c:3: arrow' 5
test_expect_success 'tidy finds: an exported variable, and only that' '
	${CC:-gcc} -fPIC -w -c -o bad/obj/calls.o -x c - <<-\END &&
	int shared_counter;
	static int own_counter;
	int *f2(void) { return &own_counter; }
	const char *const words[] = {"a", "b"};
	END
	test_must_fail "$srcdir/t/tidy" --root bad --build bad/obj globals \
		>found && cat found && grep -q shared_counter found &&
	test $(grep -c . found) -eq 1'
test_expect_success 'tidy refuses a rule it does not know' '
	test_must_fail "$srcdir/t/tidy" --root bad nonsense 2>found &&
	grep -q "unknown rule" found'
test_done

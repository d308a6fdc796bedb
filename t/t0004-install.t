# SPDX-License-Identifier: Apache-2.0
# t0004-install.t - what is installed works without the tree it came from
. "$(dirname "$0")/tap.sh"
[ -f "$builddir/Makefile" ] || skip_all "not run from a build directory"

prefix=$(sed -n 's/^prefix = //p' "$builddir/Makefile")
at=$TRASH/root$prefix

test_expect_success 'make install fills a DESTDIR and nothing outside it' '
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$builddir" \
		install DESTDIR="$TRASH/root" &&
	test "$(ls root)" = "$(echo "$prefix" | cut -d/ -f2)"'
test_expect_success 'programs, kernels and pages are where they belong' '
	test -x "$at/bin/fallow" &&
	test -x "$at/libexec/fallow/fallow-runner" &&
	test -f "$at/lib/fallow/work/echo.so" &&
	test -f "$at/share/fallow/schema/01-cell.sql" &&
	test -f "$at/share/man/man1/fallow.1"'
test_expect_success 'no installed program points back into the build' '
	find root -type f -perm /111 -exec readelf -d {} + 2>/dev/null |
		grep -E "R(UN)?PATH" >found
	test ! -s found'
test_expect_success 'anybody may read and run what was installed' '
	find root ! -perm -004 >found && test ! -s found'
mv root moved
at=$TRASH/moved$prefix
test_expect_success 'moved elsewhere, it runs a kernel at home' '
	seq 1000 >lines.txt &&
	"$at/bin/fallow" run echo --input lines.txt --output copy.txt &&
	cmp lines.txt copy.txt'
if command -v groff >/dev/null; then
	test_expect_success 'no man page has an error' '
		(cd "$at/share/man" && for page in man*/*; do
			groff -mandoc -Tutf8 -ww -z "$page" 2>&1
		done) >found && cat found && test ! -s found'
else
	test_skip 'no man page has an error' 'groff is not installed'
fi
test_expect_success 'make uninstall leaves nothing behind' '
	mv moved root &&
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$builddir" \
		uninstall DESTDIR="$TRASH/root" &&
	find root -type f >found && cat found && test ! -s found'
test_done

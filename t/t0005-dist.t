# SPDX-License-Identifier: Apache-2.0
# t0005-dist.t - make dist packs the whole tree, and what it packs builds
. "$(dirname "$0")/tap.sh"
[ -f "$builddir/Makefile" ] || skip_all "not run from a build directory"
files=$(git -C "$srcdir" ls-files 2>/dev/null)
[ -n "$files" ] || skip_all "the source tree is not a git work tree"
plain() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS "$@"; }

test_expect_success 'every file git tracks is packed, but for its own' '
	plain make -s -C "$builddir" distdir distdir="$TRASH/dist" \
		am__remove_distdir=: &&
	chmod -R u+w dist && (cd dist && find . -type f) |
		sed "s|^\./||" | sort >packed &&
	printf "%s\n" "$files" | grep -v "^\.gitignore$" | sort >tracked &&
	comm -13 packed tracked >missing && cat missing && test ! -s missing'
if [ -n "${LONG:-}" ]; then
	test_expect_success 'what is packed configures, builds and is tidy' '
		mkdir obj && cd obj && ../dist/configure -q CC="$CC" &&
		plain make -s -j2 check-programs &&
		srcdir=$TRASH/dist builddir=$TRASH/obj \
			bash ../dist/t/t0001-tidy.t'
else
	test_skip 'what is packed builds' 'takes long: make check-long'
fi
test_done

# SPDX-License-Identifier: Apache-2.0
# t0002-readme.t - every command of the README does what the README says
#
# The blocks marked ```sh run in order, in a shell each, as a stranger would
# paste them; a small model of random weights stands in for the real one.  The
# two commands of its first screen change the machine and take long: they, and
# all others after them, run in t9900-clean.t, in a Debian of their own.
. "$(dirname "$0")/tap.sh"

# Write block N to block-N, in order.
awk '/^```sh$/ { n++; f = sprintf("block-%02d", n); printf "" >f; next }
     /^```/ { f = "" }
     f { print >f }' "$srcdir/README.md"

test_expect_success 'the two commands stand first' '
	test "$(cat block-01)" = contrib/quickstart &&
	test "$(cat block-02)" = contrib/check'
test_expect_success 'both exist and can be run' '
	test -x "$srcdir/contrib/quickstart" && test -x "$srcdir/contrib/check"'
test_expect_success 'the nine stages stand in their order, a line each' '
	sed -n "s/^| \([a-z]*\) | .*/\1/p" "$srcdir/README.md" | head -n 10 |
		grep -v "^stage$" | tr "\n" " " >stages &&
	test "$(cat stages)" = \
		"job queue match lease run result verify credit settle "'
test_expect_success 'every file it names in code is there' '
	grep -oE "\`[a-z][a-z0-9_-]*/[a-zA-Z0-9_./-]*\`" "$srcdir/README.md" |
	tr -d "\`" | while read -r path; do
		test -e "$srcdir/$path" || echo "no $path"
	done >dead && cat dead && test ! -s dead'
test_expect_success 'it is short: two screens of 160 columns' '
	test "$(wc -l <"$srcdir/README.md")" -le 100 &&
	! grep -nE "^.{161}" "$srcdir/README.md"'
test_expect_success 'every command of ours in it is known' '
	grep -ohE "^fallow [a-z]+|&& fallow [a-z]+" block-* |
		sed "s/^&& //" | sort -u >named && test -s named &&
	"$builddir/sched/cmd/fallow" --help >help &&
	while read -r _ word; do
		grep -q "^  $word " help || { echo "no $word"; exit 1; }
	done <named'

why=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
	why='PostgreSQL is not installed'
bwrap --unshare-all --ro-bind / / true 2>/dev/null ||
	why='bubblewrap does not work here'
[ -e "$builddir/plugins/work/embed.so" ] || why='the embed kernel is not built'
for n in 01 02; do
	test_skip "block $n runs: $(head -n 1 "block-$n")" 'in t9900-clean.t'
	mv "block-$n" "done-$n"
done
mkdir models home
"$srcdir/t/tiny-model" models/all-MiniLM-L6-v2 >/dev/null 2>&1 ||
	why="${why:-t/tiny-model could not make a model}"
export FALLOW_STATE=$TRASH/state FALLOW_MODEL_PATH=$TRASH/models
export PATH=$builddir/sched/cmd:$PATH
unset FALLOW_CONF FALLOW_LIBEXEC FALLOW_PLUGIN_DIR
test_cleanup 'fallow down >/dev/null 2>&1'
for block in block-*; do
	sentence="block ${block#block-} runs: $(head -n 1 "$block")"
	if [ -n "$why" ]; then
		test_skip "$sentence" "$why"
	else
		test_expect_success "$sentence" "
			(cd home && bash -ex ../$block)"
	fi
done
test_done

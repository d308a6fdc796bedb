# SPDX-License-Identifier: Apache-2.0
# t9900-clean.t - in a bare Debian 12, the README works as it is written
#
# Makes a Debian of its own (t/clean-root), clones the tree to where only root
# may look, and types what the README says, first of all contrib/quickstart.
# contrib/check is left out: it is what runs this.
. "$(dirname "$0")/tap.sh"
[ -n "${LONG:-}" ] || skip_all "takes long: make check-long"
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
command -v debootstrap >/dev/null || skip_all "debootstrap is not installed"
root=$TRASH/debian
"$srcdir/t/clean-root" "$root" true >made 2>&1 || {
	diag <made
	skip_all "no Debian could be made: $(tail -n 1 made)"
}

if ! git clone -q "$srcdir" "$root/root/fallow" 2>/dev/null; then
	mkdir "$root/root/fallow"
	tar -C "$srcdir" --exclude='./build*' -cf - . |
		tar -C "$root/root/fallow" -xf -
fi
# A model that lies here already is not fetched again.
model=all-MiniLM-L6-v2
for dir in ${FALLOW_MODEL_PATH:+"${FALLOW_MODEL_PATH%%:*}"} \
	/var/lib/fallow/models; do
	[ ! -d "$dir/$model" ] || {
		mkdir -p "$root/var/lib/fallow/models"
		cp -R "$dir/$model" "$root/var/lib/fallow/models/"
		break
	}
done

awk '/^```sh$/ { n++; f = sprintf("block-%02d", n); printf "" >f; next }
     /^```/ { f = "" }
     f { print >f }' "$srcdir/README.md"
{
	echo 'cd /root/fallow && umask 077'
	for block in block-*; do
		! grep -q '^contrib/check$' "$block" || continue
		echo "echo '### $block'; bash -ex <<'EOT' || exit 1"
		sed "s|^contrib/quickstart\$|& ${QUICKSTART_OPTIONS:-}|" \
			"$block"
		echo 'EOT'
	done
	echo 'echo "### again"; fallow up'
	echo 'fallow down --destroy --yes'
	echo 'echo "### left: $(pgrep -c "fallow|postgres")"'
} >"$root/root/readme"

test_expect_success 'all the README says is done without an error' '
	"$srcdir/t/clean-root" "$root" bash /root/readme >said 2>&1 ||
		{ tail -n 50 said; exit 1; }'
after() { sed -n "/^### $1/,/^### /p" said; }
after block-01 >quickstart
test_expect_success 'quickstart says what it installed' '
	grep "packages installed in" quickstart'
test_expect_success 'its table shows the job completed and a lie caught' '
	grep -A1 "job  *state  *tasks" quickstart >table && cat table &&
	awk "/COMPLETED/ && \$7 > 0 { good = 1 } END { exit !good }" table'
test_expect_success 'owners have their morning line, the liar earned nothing' '
	test "$(grep -c "owner-.: Tonight: earned" quickstart)" -eq 3 &&
	grep "owner-3: Tonight: earned 0.0 " quickstart'
test_expect_success 'the audit found nothing broken' '
	grep "audit: [1-9][0-9]* invariants, 0 broken" quickstart'
test_expect_success 'the output is what fallow run computes' '
	grep "cmp is silent" quickstart'
test_expect_success 'taken down, nothing is left running' '
	grep -x "### left: 0" said'
test_done

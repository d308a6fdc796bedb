# SPDX-License-Identifier: Apache-2.0
# t0003-doc.t - pages say what the code does
. "$(dirname "$0")/tap.sh"
doc=$srcdir/doc

test_expect_success 'the worked example of the commitment is what is tested' '
	grep -oE "[0-9a-f]{64}" "$doc/2-merkle.md" >said &&
	test $(wc -l <said) -eq 3 &&
	while read -r hash; do
		grep -F "\"$hash\"" "$srcdir/common/test/digest.c" || exit 1
	done <said'
test_expect_success 'every numbered page is in the index under its own number' '
	for f in "$doc"/[0-9]*.md; do
		f=${f##*/}
		test "$f" = 0-index.md || grep -F "($f)" "$doc/0-index.md" ||
			{ echo "$f is not in the index"; exit 1; }
	done &&
	ls "$doc" | sed -n "s/^\([0-9]*\)-.*/\1/p" | sort | uniq -d >twice &&
	test ! -s twice'
test_expect_success 'every link between pages leads somewhere' '
	for f in "$srcdir"/README.md "$srcdir"/NEWS.md "$doc"/*.md; do
		grep -oE "\]\([^)#]+" "$f" | sed "s/^](//" | grep -v :// |
		while read -r to; do
			test -e "${f%/*}/$to" ||
				echo "${f##*/}: no $to"
		done
	done >dead && cat dead && test ! -s dead'
test_done

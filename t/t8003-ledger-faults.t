# SPDX-License-Identifier: Apache-2.0
# t8003-ledger-faults.t - every invariant is made red by a fault planted in
# what runs: in the records a controller hands to the store, or in one line of
# the schema's own functions
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/ledger.sh"

n=0
expect() {
	b=$(broken f$n) && echo "broken: $b" &&
		case " $b " in *" $1 "*) ;; *) false ;; esac
}
# wrong SENTENCE INVARIANT FAULT: a wrong record, committed through the store
wrong() {
	n=$((n + 1))
	test_expect_success "$2: $1" "
		new_db f$n base && drive f$n day $3 && expect $2"
}
# planted SENTENCE INVARIANT FILE SED [FAULT]: the schema's FILE with one line
# changed, then a day (with FAULT) through the store
planted() {
	n=$((n + 1))
	test_expect_success "$2: $1" "
		rm -rf mutant && cp -r '$srcdir/accounting/schema' mutant &&
		chmod -R u+w mutant && sed -i '$4' mutant/$3 &&
		! cmp -s mutant/$3 '$srcdir/accounting/schema/$3' &&
		schema=mutant && new_db f$n && drive f$n day $5 &&
		schema=\$srcdir/accounting/schema && expect $2"
}

test_expect_success 'without a fault nothing is broken' '
	new_db base && drive base none && new_db sound base &&
	drive sound day && test "$(broken sound)" = ""'
test_expect_success 'I00: nothing was ever posted' '
	n=0 && new_db f0 base && expect I00'
planted 'the credit side is folded with one too many' I01 02-ledger.sql \
	's/SELECT cr, -amount FROM fresh/SELECT cr, -amount - 1 FROM fresh/'
planted 'entries are counted once too often' I02 02-ledger.sql \
	's/entries = b.entries + d.n/entries = b.entries + d.n + 1/'
planted 'the floor is not checked' I03 02-ledger.sql \
	's/CHECK (NOT floor_zero OR bal \* sign >= 0)/CHECK (true)/' overdraft
planted 'a number is skipped' I04 03-post.sql \
	's/SELECT s0 + row_number/SELECT s0 + 1 + row_number/'
planted 'a batch adds up to one more' I05 03-post.sql \
	's/coalesce(sum(amount), 0), now_us/sum(amount) + 1, now_us/'
planted 'the chain takes the wrong batch number' I06 03-post.sql \
	's/acct.batch_hash(head.hash, bn,/acct.batch_hash(head.hash, bn + 1,/'
planted 'edges are not enforced' I07 03-post.sql \
	's/IS DISTINCT FROM x.kind LIMIT 1/IS DISTINCT FROM x.kind LIMIT 0/' \
	bad-edge
wrong 'a window claims more than was escrowed' I08 window-amount
wrong 'tasks are verified and paid in two windows' I09 paid-twice
wrong 'a fee is lower than its tariff says' I10 wrong-price
wrong 'a line has a credit too many' I10 wrong-credit
wrong 'a job ends and keeps its reserve' I11 keeps-reserve
wrong 'a job ends without a time' I11 ends-early
wrong 'the leg of the fee is dropped' I12 no-fee-leg
wrong 'a leg is posted twice under another id' I12 leg-twice
wrong 'a check is paid more than its line' I12 salt-leg
test_expect_success 'I13: postings go into a closed period' '
	rm -rf mutant && cp -r "$srcdir/accounting/schema" mutant &&
	chmod -R u+w mutant &&
	sed -i "s/WHERE closed_at IS NOT NULL) THEN/WHERE false) THEN/" \
		mutant/02-ledger.sql &&
	sed -i "s/SELECT closed_at IS NOT NULL INTO/SELECT false INTO/" \
		mutant/03-post.sql &&
	schema=mutant && n=100 && new_db f100 && drive f100 day &&
	ledger f100 close --period 202512 && drive f100 more &&
	schema=$srcdir/accounting/schema && expect I13'
test_expect_success 'I14: a period is closed under the hash before' '
	rm -rf mutant && cp -r "$srcdir/accounting/schema" mutant &&
	chmod -R u+w mutant &&
	sed -i "s/last_seq, hash FROM acct/last_seq, prev_hash FROM acct/" \
		mutant/03-post.sql &&
	schema=mutant && n=101 && new_db f101 && drive f101 day &&
	ledger f101 close --period 202512 &&
	schema=$srcdir/accounting/schema && expect I14'
n=200
wrong 'a reserve is posted twice' I15 reserve-twice
wrong 'a task is counted once too few' I16 task-count
planted 'overlapping tariffs are let in' I17 03-post.sql \
	's/b.tariff_id = ANY (ids) LIMIT 1/b.tariff_id = ANY (ids) LIMIT 0/' \
	tariff-overlap
wrong 'a window has fewer units than its results' I18 window-units
wrong 'a job has spent less than its lines' I19 spent
planted 'a witness is told another head' I20 03-post.sql \
	's/VALUES (b, h, w)/VALUES (b, sha256(h), w)/'
wrong 'more credits are issued than the line says' I21 quantity
wrong 'a window with a wrong item is paid' I22 wrong-but-paid
wrong 'an owner checks himself' I23 self-check
wrong 'a connected owner checks' I23 connected
wrong 'a reserve is posted twice' I24 reserve-twice
planted 'the next billing id is not kept' I25 01-cell.sql \
	's/next_billing = greatest(next_billing, b),//'

# and what the store refuses at once, with the reason
refuses() {
	n=$((n + 1))
	test_expect_success "refused: $1" "
		new_db f$n base && test_must_fail drive f$n day $2 2>err &&
		cat err &&
		grep -q '$3' err && b=\$(broken f$n) && test \"\$b\" = I00"
}
refuses 'an overdraft' overdraft bal_floor
refuses 'a leg without an edge' bad-edge 'cannot go from account 1'
refuses 'overlapping tariffs' tariff-overlap 'overlaps tariff 1'
test_done

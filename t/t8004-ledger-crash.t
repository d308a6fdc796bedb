# SPDX-License-Identifier: Apache-2.0
# t8004-ledger-crash.t - what was acknowledged survives, and nothing is posted
# twice
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/ledger.sh"

replay="SELECT acct.post(array_agg(transfer_id), array_agg(kind),
	array_agg(dr_party), array_agg(dr_purpose), array_agg(cr_party),
	array_agg(cr_purpose), array_agg(unit), array_agg(amount::bigint),
	array_agg(ref), array_agg(event_us), '{}', '{}', '{}', '{}', '{}', '{}',
	'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') FROM audit.leg"

test_expect_success 'rounds of postings survive kill -9 of PostgreSQL' '
	new_db load && : >acked &&
	for round in 1 2; do
		drive load load >>acked 2>err &
		pid=$! && i=0
		before=$(wc -l <acked)
		while test $(wc -l <acked) -lt $((before + 20)); do
			kill -0 $pid || { cat err; exit 1; }
			sleep 0.1 && i=$((i + 1)) && test $i -lt 300 || exit 1
		done
		"$srcdir/t/pg.sh" crash "$PG"
		wait $pid
		test $? -eq 4 || { cat err; exit 1; }
		"$srcdir/t/pg.sh" again "$PG" || exit 1
	done && test $(wc -l <acked) -ge 40'
test_expect_success 'every acknowledged round is there, whole' '
	q load "SELECT ref FROM acct.transfer WHERE kind = 1 AND ref > 1000000
		GROUP BY ref HAVING count(*) = 20" | sort >kept &&
	sort acked | comm -23 - kept >lost && cat lost && test ! -s lost'
test_expect_success 'no round is there in part' '
	q load "SELECT ref FROM acct.transfer WHERE ref > 1000000 GROUP BY ref
		HAVING count(*) <> 20" >part && cat part && test ! -s part'
test_expect_success 'nothing is broken' '
	test "$(broken load)" = "" && ledger load verify-chain'
test_expect_success 'posting all of it again posts nothing' '
	count="SELECT count(*), max(batch_no) FROM acct.transfer" &&
	n=$(q load "$count") && test "$(q load "$replay")" = 0 &&
	test "$(q load "$count")" = "$n"'
test_expect_success 'with one micro-unit more it is refused as a whole' '
	test_must_fail q load "$(echo "$replay" |
		sed "s/amount::bigint)/amount::bigint + 1)/")" 2>err &&
	grep "other content" err && test "$(broken load)" = ""'
test_done

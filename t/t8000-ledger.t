# SPDX-License-Identifier: Apache-2.0
# t8000-ledger.t - a day and a night of a small cell, as the ledger tells them
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/ledger.sh"

test_expect_success 'a day of two owners goes into the ledger' '
	new_db day && drive day day'
test_expect_success 'the audit finds nothing broken and exits 0' '
	ledger day audit >audit.txt &&
	tail -n 1 audit.txt | grep -x "audit: 26 invariants, 0 broken" &&
	test $(grep -c "^ok I" audit.txt) -eq 26'
test_expect_success 'it says each invariant in the words of doc/8-ledger.md' '
	sed -n "s/^| \(I[0-9]*\) | \(.*\) |$/ok \1 \2/p" \
		"$srcdir/doc/8-ledger.md" >doc.txt &&
	grep "^ok I" audit.txt | diff doc.txt -'
test_expect_success 'as JSON it says the same' '
	ledger day audit --json >audit.json &&
	test $(grep -c "\"bad\": 0" audit.json) -eq 26 &&
	grep "\"broken\": 0" audit.json'
test_expect_success 'the chain computes to the same hashes outside PostgreSQL' '
	ledger day verify-chain >chain.txt &&
	grep "11 batches, 17 transfers, 4 lines, 0 broken" chain.txt'
test_expect_success 'every document names the same head' '
	for doc in statement invoice tonight balance; do
		ledger day $doc --party 2 | tail -n 1
	done >heads && ledger day trial-balance | tail -n 1 >>heads &&
	grep "^chain head: batch 10 [0-9a-f]\{64\}$" heads &&
	test $(sort -u heads | wc -l) -eq 1'
test_expect_success 'the statement shows units, tariff, sums and three states' '
	ledger day statement --party 2 >s.txt &&
	tr -s " " <s.txt | grep \
		"^embed work 10 20 10000000000000000 0.100000 0.024000$" &&
	grep "tariff 1: 0.240000 USD a GPUC" s.txt &&
	grep -F "escrow \$0.00 | verified \$0.02 | paid \$0.00" s.txt &&
	grep "gross 0.024000 USD since the beginning$" s.txt'
test_expect_success 'as JSON its amounts are integers in micro-units' '
	ledger day statement --party 2 --json >s.json &&
	grep "\"escrow\": 0," s.json && grep "\"verified\": 24000," s.json &&
	grep "\"paid\": 0," s.json && grep "\"gross\": 24000$" s.json'
test_expect_success 'what is not verified yet is shown as escrow' '
	ledger day statement --party 3 >s.txt &&
	grep "not yet verified: 3 tasks in 1 windows" s.txt &&
	grep -F "escrow \$0.007200 | verified \$0.00 | paid \$0.00" s.txt'
test_expect_success 'a period without work is a statement without lines' '
	ledger day statement --party 2 --since-us 1 --until-us 2 >s.txt &&
	! grep "^embed" s.txt && grep "gross 0.024000" s.txt'
test_expect_success 'the invoice adds up to what the accounts lost' '
	ledger day invoice --party 4 >i.txt &&
	grep "^work 0.024000 + fee 0.002400 = total 0.026400 USD, \$0.03" \
		i.txt &&
	grep "prepaid  *9.963040 USD" i.txt &&
	grep "reserve  *0.003360 USD" i.txt'
test_expect_success 'a party nobody knows is an error naming it' '
	test_must_fail ledger day statement --party 77 2>err &&
	grep "no such party: 77" err'
test_expect_success 'an unknown report is an error listing those there are' '
	test_must_fail ledger day weather 2>err &&
	grep "no report \"weather\": there are audit, statement" err'
test_expect_success 'a number that is none is refused' '
	test_must_fail ledger day tonight --party 2 --watts 12.3456 2>err &&
	grep "watts \"12.3456\" is not a number" err &&
	test_must_fail ledger day tonight --party 9999999999999999999 2>err'
test_expect_success 'no database is an error' '
	test_must_fail env -u FALLOW_DB "$builddir/fallow-ledger" audit 2>err &&
	grep "no database" err'
test_expect_success 'the head a reader holds is found in the chain' '
	head=$(sed -n "s/^chain head: batch //p" chain.txt | tr " " :) &&
	ledger day audit --head "$head" | grep "^ok I99"'
test_expect_success 'another head is not' '
	other=10:$(printf "%064d" 0) &&
	test_must_fail ledger day audit --head $other >out &&
	grep "^BROKEN I99 the head you hold" out'

if command -v hledger >/dev/null; then
	test_expect_success 'hledger agrees with every balance' '
		ledger day journal >j.hledger && hledger -f j.hledger check -s'
	test_expect_success 'and not when one micro-unit is changed' '
		sed "0,/USD 0.010560/s//USD 0.010561/" j.hledger >bad.hledger &&
		test_must_fail hledger -f bad.hledger check -s &&
		sed "s/= USD -9.963040/= USD -9.963041/" j.hledger \
			>bad.hledger &&
		! cmp -s j.hledger bad.hledger &&
		test_must_fail hledger -f bad.hledger check -s'
else
	test_skip 'hledger agrees with every balance' 'hledger is not installed'
fi

estimated='estimated $0.31 electricity cost'
test_expect_success 'the worked example: 2.4 GPU credits, $0.31' '
	new_db night && drive night night &&
	ledger night tonight --party 2 --watts 400 --price-kwh 0.17 >t.txt &&
	head -n 3 t.txt >want &&
	grep -xF "Tonight: earned 2.4 GPU credits, $estimated" want &&
	grep -F "of this: 4.21 GPU credits worth \$1.01, estimated \$0.54" \
		want &&
	grep -xF "escrow \$0.00 | verified \$0.58 | paid \$0.00" want'
test_expect_success 'doc/8-ledger.md shows the same lines' '
	while IFS= read -r line; do
		grep -xF "$line" "$srcdir/doc/8-ledger.md" || exit 1
	done <want'
test_expect_success 'its estimate is 310080 micro-dollars, in C and in SQL' '
	ledger night tonight --party 2 --watts 400 --price-kwh 0.17 --json |
		grep "\"electricity_micro\": 310080" &&
	test $(q night "SELECT acct.energy_cost(16416000000, 400000, 170000)") \
		-eq 310080'
test_expect_success 'an owner who earned nothing is told so' '
	ledger night tonight --party 3 >t.txt &&
	grep "^Tonight: earned 0.0 CPU credits, estimated \$0.00" t.txt &&
	grep "nothing was measured yet" t.txt'
test_expect_success 'closing a month seals it under the head' '
	new_db closed day && ledger closed close --period 202512 &&
	test "$(broken closed)" = "" &&
	test $(q closed "SELECT close_batch FROM acct.period") -eq 10 &&
	test_must_fail ledger closed close --period 202512 2>err &&
	grep "can only be closed, once" err'
test_expect_success 'what comes later goes into the next open month' '
	drive closed more &&
	test $(q closed "SELECT count(*) FROM acct.transfer
		WHERE period_id = 202601") -eq 1 &&
	test "$(broken closed)" = ""'
test_done

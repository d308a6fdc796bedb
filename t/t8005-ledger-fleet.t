# SPDX-License-Identifier: Apache-2.0
# t8005-ledger-fleet.t - whatever the core commits under a hostile fleet, the
# database takes, the audit finds sound, and a controller starts from
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/ledger.sh"

for seed in ${FLEET_SEEDS:-5 6 48}; do
	test_expect_success "seed $seed: every commit is accepted" '
		"$builddir/t/fleet/fleet" --seed $seed --tape tape &&
		new_db fleet$seed &&
		"$builddir/t/ledger-tape" "$(conn fleet$seed)" "$schema" \
			tape >played && cat played &&
		grep "^[1-9][0-9]* batches played" played'
	test_expect_success "seed $seed: a fresh core starts from it" '
		grep "^[1-9][0-9]* records restored" played'
	test_expect_success "seed $seed: nothing is broken" '
		ledger fleet$seed audit >out || { cat out; false; }'
	test_expect_success "seed $seed: statements of all owners add up" '
		all="SELECT party_id FROM cell.party" &&
		for p in $(q fleet$seed "$all"); do
			ledger fleet$seed statement --party $p >out || exit 1
			! grep "DOES NOT ADD UP" out || exit 1
		done'
	test_expect_success "seed $seed: the chain computes the same in C" '
		ledger fleet$seed verify-chain'
done
test_done

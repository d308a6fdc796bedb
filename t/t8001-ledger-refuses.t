# SPDX-License-Identifier: Apache-2.0
# t8001-ledger-refuses.t - what the database itself forbids, whoever asks
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/ledger.sh"

# refused NAME PATTERN SQL: the statements fail with a message
refused() {
	test_expect_success "$1" "
		test_must_fail q day \"BEGIN; $3; ROLLBACK\" 2>err &&
		cat err && grep -q \"$2\" err"
}
none="'{}','{}','{}','{}','{}'"
none="$none,$none,$none"
new=11111111-1111-1111-1111-111111111111
# post KIND DR_PARTY DR CR_PARTY CR UNIT AMOUNT [ID]
post() {
	echo "SELECT acct.post(ARRAY['${8:-$new}'::uuid],\
ARRAY[$1]::smallint[],ARRAY[$2]::bigint[],ARRAY[$3]::smallint[],\
ARRAY[$4]::bigint[],ARRAY[$5]::smallint[],ARRAY['$6'],ARRAY[$7]::bigint[],\
ARRAY[9]::bigint[],ARRAY[1765000000000000]::bigint[],$none)"
}
test_expect_success 'a day goes into the ledger' 'new_db day && drive day day'

refused 'a transfer cannot be changed' 'append-only' \
	'UPDATE acct.transfer SET amount = amount + 1 WHERE seq = 1'
refused 'a transfer cannot be deleted' 'append-only' \
	'DELETE FROM acct.transfer WHERE seq = 1'
refused 'transfers cannot be truncated' 'append-only' \
	'TRUNCATE acct.transfer CASCADE'
refused 'not even by a replica' 'append-only' \
	"SET LOCAL session_replication_role = replica;
	 UPDATE acct.transfer SET amount = amount + 1 WHERE seq = 1"
refused 'a batch cannot be changed' 'append-only' \
	'UPDATE acct.batch SET n = n WHERE batch_no = 1'
refused 'a billing line cannot be changed' 'append-only' \
	'UPDATE acct.billing SET amount = 0'
refused 'a billing line cannot be deleted' 'append-only' \
	'DELETE FROM acct.billing'
refused 'a tariff cannot be edited' 'append-only' \
	'UPDATE acct.tariff SET price_micro = 1'
refused 'an account cannot change hands' 'append-only' \
	'UPDATE acct.account SET party_id = 3'
refused 'a witnessed head cannot be forgotten' 'append-only' \
	'DELETE FROM acct.witness'
refused 'a result cannot be changed' 'its rows are kept' \
	'UPDATE cell.result SET units = 0'
refused 'a verdict cannot be deleted' 'its rows are kept' \
	'DELETE FROM cell.verdict'
refused 'a job cannot be deleted' 'its rows are kept' 'DELETE FROM cell.job'
refused 'an overdraft is refused' 'bal_floor' \
	"$(post 2 4 2 4 3 USD 99000000)"
refused 'an id with other content is refused' 'other content' \
	"$(post 1 1 1 4 2 USD 5 "$(q day 'SELECT transfer_id FROM acct.transfer
		WHERE seq = 1')")"
refused 'money of one party cannot be reserved for another' 'cannot go' \
	"$(post 2 4 2 3 3 USD 5)"
refused 'a kind cannot join accounts it has no edge for' 'cannot go' \
	"$(post 1 1 1 2 6 USD 5)"
refused 'credits cannot be posted as money' 'cannot go' \
	"$(post 1 1 1 4 2 GPUC 5)"
refused 'an unknown unit is refused' 'cannot go' "$(post 1 1 1 4 2 XAU 5)"
refused 'a negative amount is refused' 'check constraint' \
	"$(post 1 1 1 4 2 USD -5)"
refused 'nothing is refused' 'check constraint' "$(post 1 1 1 4 2 USD 0)"
refused 'a party that does not exist is refused' 'foreign key' \
	"$(post 1 1 1 77 2 USD 5)"
refused 'nothing is posted into a closed period' 'closed period' \
	"SELECT acct.close_period(202512); INSERT INTO acct.transfer SELECT
	 seq + 100, gen_random_uuid(), batch_no, ref, event_us, amount, dr, cr,
	 period_id, kind, unit FROM acct.transfer WHERE seq = 1"
refused 'a closed period stays closed' 'closed, once' \
	"SELECT acct.close_period(202512);
	 UPDATE acct.period SET closed_at = NULL, close_batch = NULL,
	 close_seq = NULL, close_hash = NULL"
refused 'an unknown period is refused' 'foreign key' \
	"INSERT INTO acct.transfer SELECT seq + 100, gen_random_uuid(),
	 batch_no, ref, event_us, amount, dr, cr, 209901, kind, unit
	 FROM acct.transfer WHERE seq = 1"
refused 'a window is billed for its work once' 'billing_window' \
	"INSERT INTO acct.billing SELECT billing_id + 100, batch_no, window_id,
	 job_id, owner, customer, purpose, tariff_id, tasks, items, units,
	 credit_micro, amount, fee, busy_us, at_us FROM acct.billing
	 WHERE billing_id = 1"
refused 'tariffs cannot overlap' 'overlaps tariff 1' \
	"SELECT acct.add_tariff('{9}', '{embed}', '{cell}', '{USD}', '{GPUC}',
	 '{1}', '{1}', '{1}', '{0}', '{5}', '{9}')"
refused 'a status nobody defined is refused' 'check constraint' \
	'UPDATE cell.work_window SET state = 9'
refused 'a job cannot spend more than its quote' 'check constraint' \
	'UPDATE cell.job SET spent_amount = quote_amount + 1'
refused 'the poster cannot touch transfers' 'permission denied' \
	'SET LOCAL ROLE fallow_post; INSERT INTO acct.transfer
	 SELECT * FROM acct.transfer LIMIT 1'
refused 'the poster cannot touch balances' 'permission denied' \
	'SET LOCAL ROLE fallow_post; UPDATE acct.balance SET bal = 0'
refused 'the poster cannot read results' 'permission denied' \
	'SET LOCAL ROLE fallow_post; SELECT count(*) FROM cell.result'
refused 'the controller cannot touch the ledger' 'permission denied' \
	'SET LOCAL ROLE fallow_ctl; INSERT INTO acct.witness
	 VALUES (1, sha256(null), null)'
refused 'the controller cannot delete a job' 'permission denied' \
	'SET LOCAL ROLE fallow_ctl; DELETE FROM cell.job'
test_expect_success 'the owner of the ledger cannot log in' '
	test "$(q day "SELECT bool_or(rolcanlogin OR rolsuper) FROM pg_roles
		WHERE rolname LIKE '\''fallow_%'\''")" = f'
test_expect_success 'after all that nothing is broken' '
	test "$(broken day)" = "" && ledger day audit | tail -n 1'
test_done

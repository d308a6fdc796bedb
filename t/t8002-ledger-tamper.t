# SPDX-License-Identifier: Apache-2.0
# t8002-ledger-tamper.t - an owner of the database turns the triggers off and
# changes one thing; the audit sees each
. "$(dirname "$0")/tap.sh"
. "$srcdir/t/ledger.sh"

off='DO $$ DECLARE t text; BEGIN FOR t IN SELECT c.oid::regclass FROM pg_class c
	WHERE relnamespace IN ('"'acct'::regnamespace, 'cell'::regnamespace"')
	AND relkind = '"'r'"' LOOP EXECUTE format(
	'"'ALTER TABLE %s DISABLE TRIGGER ALL'"', t); END LOOP; END $$;
	ALTER TABLE acct.balance DROP CONSTRAINT bal_floor;
	ALTER TABLE acct.transfer DROP CONSTRAINT transfer_check;
	DROP INDEX acct.billing_window'
n=0
# seen SENTENCE INVARIANT SQL: afterwards that invariant, at least, is broken
seen() {
	n=$((n + 1))
	test_expect_success "$1: $2" "
		new_db t$n day && q t$n \"$3\" &&
		b=\$(broken t$n) && echo \"\$b\" &&
		case \" \$b \" in *' $2 '*) ;; *) false ;; esac"
}
test_expect_success 'a day goes into the ledger, then the guards come off' '
	new_db day && drive day day && q day "$off"'
last='(SELECT max(batch_no) FROM acct.batch)'

seen 'an emptied ledger' I00 'DELETE FROM acct.transfer'
seen 'money out of nothing' I01 \
	'UPDATE acct.balance SET bal = bal + 1 WHERE account_id = 1'
seen 'a balance edited' I02 \
	'UPDATE acct.balance SET entries = entries + 1 WHERE account_id = 1'
seen 'an account below its floor' I03 \
	'UPDATE acct.balance SET bal = 5 WHERE sign = -1'
seen 'a transfer deleted' I04 'DELETE FROM acct.transfer WHERE seq = 5'
seen 'a batch deleted' I05 'DELETE FROM acct.batch WHERE batch_no = 5'
seen 'an amount edited' I06 \
	'UPDATE acct.transfer SET amount = amount + 1 WHERE seq = 3'
seen 'a payee swapped' I06 \
	'UPDATE acct.transfer SET cr = cr + 1, dr = dr + 1 WHERE seq = 3'
seen 'a line edited' I06 'UPDATE acct.billing SET busy_us = 0'
seen 'a batch antedated' I06 'UPDATE acct.batch SET posted_us = 1'
seen 'a transfer across units' I07 \
	"UPDATE acct.transfer SET unit = 'GPUC' WHERE seq = 1"
seen 'escrow that no window explains' I08 \
	'UPDATE cell.work_window SET amount = amount + 1 WHERE state = 1'
seen 'a task taken out of a window that was paid' I09 \
	'UPDATE cell.task SET state = 1 WHERE window_id = 1 AND task = 0'
seen 'a tariff edited' I10 'UPDATE acct.tariff SET price_micro = 250000'
seen 'a tariff moved past the job' I10 \
	'UPDATE acct.tariff SET valid_from_us = 1865000000000000'
seen 'an ended job that reserves' I11 \
	'UPDATE cell.job SET reserved = 1 WHERE ended_us > 0'
seen 'a line without its legs' I12 \
	'INSERT INTO acct.billing SELECT billing_id + 100, batch_no, window_id,
	 job_id, owner, customer, purpose, tariff_id, tasks, items, units,
	 credit_micro, amount, fee, busy_us, at_us FROM acct.billing'
seen 'a period closed before its postings' I13 \
	"UPDATE acct.period SET closed_at = now(), close_batch = 3,
	 close_seq = 3,
	 close_hash = '\\\\x00'"
seen 'a period closed under a hash of nobody' I14 \
	"UPDATE acct.period SET closed_at = now(), close_batch = $last,
	 close_seq = 17, close_hash = '\\\\x00'"
seen 'a period closed inside a batch' I14 \
	"UPDATE acct.period SET closed_at = now(), close_batch = b.batch_no,
	 close_seq = 16, close_hash = b.hash FROM acct.batch b
	 WHERE b.batch_no = $last"
seen 'a reserve no job explains' I15 \
	'UPDATE cell.job SET reserved = reserved + 1 WHERE job_id = 2'
seen 'a task uncounted' I16 'UPDATE cell.job SET tasks_done = 2
	WHERE job_id = 2'
seen 'a second tariff for the same work' I17 \
	'INSERT INTO acct.tariff SELECT 9, kernel, zone, unit, credit_unit, 1,
	 1, 1, 0, 5, 0 FROM acct.tariff'
seen 'units added to a result' I18 'UPDATE cell.result SET units = units + 1'
seen 'a job that spent less than its lines' I19 \
	'UPDATE cell.job SET spent_amount = 0'
seen 'the tail cut off, consistently' I20 "
	SELECT acct.add_witness(batch_no, hash, 'a worker') FROM acct.batch
	 WHERE batch_no = $last;
	WITH d AS (DELETE FROM acct.transfer WHERE batch_no = $last
	 RETURNING *),
	 e AS (SELECT dr a, amount v FROM d UNION ALL SELECT cr, -amount FROM d)
	UPDATE acct.balance b SET bal = bal - x.v, entries = entries - x.n FROM
	 (SELECT a, sum(v) v, count(*) n FROM e GROUP BY a) x
	 WHERE b.account_id = x.a;
	DELETE FROM acct.batch WHERE batch_no = $last"
seen 'history rewritten with every hash after it' I20 "
	SELECT acct.add_witness(batch_no, hash, 'a worker') FROM acct.batch
	 WHERE batch_no = $last;
	UPDATE acct.transfer SET event_us = event_us + 1 WHERE seq = 3;
	DO 'DECLARE h bytea; b record; BEGIN
	 SELECT hash INTO h FROM acct.batch WHERE batch_no = 0;
	 FOR b IN SELECT * FROM acct.batch WHERE batch_no > 0 ORDER BY 1 LOOP
	 UPDATE acct.batch SET prev_hash = h, hash = acct.batch_hash(h,
	  b.batch_no,
	  b.first_seq, b.n, b.n_lines, b.posted_us) WHERE batch_no = b.batch_no
	  RETURNING hash INTO h; END LOOP; END'"
seen 'credits nobody worked for' I21 \
	'UPDATE acct.billing SET credit_micro = credit_micro + 1'
seen 'a wrong item forgotten' I22 \
	'UPDATE cell.draw SET state = 5 WHERE window_id = 1'
seen 'a checker who was a friend' I23 \
	'UPDATE cell.party SET beneficial_owner = 2 WHERE party_id = 3'
seen 'a reserve moved between two jobs' I24 \
	'UPDATE cell.job SET reserved =
	 CASE job_id WHEN 1 THEN 360 ELSE 3000 END'
seen 'the ids turned back' I25 'UPDATE cell.writer SET next_billing = 2'
test_expect_success 'the chain of a rewritten history still computes' '
	ledger t26 verify-chain && ledger t27 verify-chain'
test_expect_success 'and of an edited one does not, outside PostgreSQL too' '
	test_must_fail ledger t7 verify-chain >out &&
	grep "1 broken, first at batch 3" out'
test_done

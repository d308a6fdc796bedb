-- SPDX-License-Identifier: Apache-2.0
-- 90-audit.sql - what must hold in every committed state
--
-- One row an invariant: its name, the sentence (doc/8-ledger.md has the same
-- list) and how many rows contradict it.  One query is one snapshot, so it may
-- run beside a working cell.
CREATE SCHEMA IF NOT EXISTS audit;

-- Jobs with the unit their money is in.
CREATE OR REPLACE VIEW audit.priced_job AS
  SELECT j.*, t.unit, t.credit_unit
    FROM cell.job j JOIN acct.tariff t USING (tariff_id);

-- Every leg with the accounts it joins.
CREATE OR REPLACE VIEW audit.leg AS
  SELECT t.*, d.party_id dr_party, d.purpose dr_purpose, d.unit dr_unit,
         c.party_id cr_party, c.purpose cr_purpose, c.unit cr_unit
    FROM acct.transfer t
    JOIN acct.account d ON d.account_id = t.dr
    JOIN acct.account c ON c.account_id = t.cr;

-- Natural-side balances.
CREATE OR REPLACE VIEW audit.standing AS
  SELECT a.party_id, a.purpose, a.unit, b.bal * b.sign AS amount
    FROM acct.account a JOIN acct.balance b USING (account_id);

-- Two parties are connected when one person benefits.
CREATE OR REPLACE FUNCTION audit.connected(a bigint, b bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT count(DISTINCT beneficial_owner) < 2
    FROM cell.party WHERE party_id IN (a, b)
$$;

-- The legs each billing line calls for.
CREATE OR REPLACE VIEW audit.due_leg AS
  SELECT b.billing_id, x.kind, x.dr_party, x.dr_purpose, x.cr_party,
         x.cr_purpose, x.amount
    FROM acct.billing b,
    LATERAL (VALUES
      (1, 6, b.owner, 4, b.owner, 6, b.amount::bigint),
      (1, 6, b.customer, 3, NULL::bigint, 8, b.fee::bigint),
      (1, 13, NULL, 12, b.owner, 13, b.credit_micro::bigint),
      (2, 15, b.customer, 9, b.owner, 6, b.amount),
      (2, 13, NULL, 12, b.owner, 13, b.credit_micro),
      (3, 15, b.owner, 6, b.customer, 9, b.amount))
      AS x (purpose, kind, dr_party, dr_purpose, cr_party, cr_purpose, amount)
   WHERE x.purpose = b.purpose AND x.amount > 0;

CREATE OR REPLACE VIEW audit.invariant AS
WITH e AS MATERIALIZED (
  SELECT dr a, amount::bigint v FROM acct.transfer
  UNION ALL SELECT cr, -amount FROM acct.transfer),
s AS (SELECT a, sum(v) v, count(*) n FROM e GROUP BY a),
line AS (
  SELECT b.*, t.unit, t.credit_unit,
         acct.credits(b.units, t.rate_num, t.rate_den) AS want_credit,
         t.price_micro, t.fee_ppm, t.kernel, t.valid_from_us, t.valid_to_us
    FROM acct.billing b LEFT JOIN acct.tariff t USING (tariff_id)),
got AS (
  SELECT ref, kind, dr_purpose, cr_purpose, sum(amount) amount,
         min(dr_party) dr_party, min(cr_party) cr_party, count(*) n
    FROM audit.leg WHERE kind IN (6, 13, 15)
   GROUP BY ref, kind, dr_purpose, cr_purpose)
SELECT 'I00' AS id, 'the ledger is not empty' AS title,
  (SELECT (count(*) = 0)::int::bigint FROM (
     SELECT FROM acct.transfer LIMIT 1) x) AS bad
UNION ALL SELECT 'I01', 'the accounts of every unit sum to zero',
  (SELECT count(*) FROM (
     SELECT FROM acct.balance JOIN acct.account USING (account_id)
      GROUP BY unit HAVING sum(bal) <> 0) x)
UNION ALL SELECT 'I02', 'every balance is the sum and count of its entries',
  (SELECT count(*) FROM acct.balance b FULL JOIN s ON s.a = b.account_id
    WHERE b.bal IS DISTINCT FROM coalesce(s.v, 0)
       OR b.entries IS DISTINCT FROM coalesce(s.n, 0))
UNION ALL SELECT 'I03', 'no account is below its floor',
  (SELECT count(*) FROM acct.account a
     JOIN acct.purpose p USING (purpose)
     LEFT JOIN acct.balance b USING (account_id)
    WHERE b.account_id IS NULL
       OR (p.floor_zero AND b.bal * CASE p.normal WHEN 'D' THEN 1 ELSE -1 END
           < 0))
UNION ALL SELECT 'I04', 'transfer numbers run from 1 without a gap',
  (SELECT coalesce(max(seq) - count(*), 0)
        + coalesce(abs(min(seq) - 1), 0) FROM acct.transfer)
UNION ALL SELECT 'I05', 'batches tile the transfers and lines they count',
  (SELECT count(*) FROM (
     SELECT batch_no, first_seq, lag(last_seq) OVER w p,
            lag(batch_no) OVER w pb FROM acct.batch
     WINDOW w AS (ORDER BY batch_no)) x
    WHERE batch_no > 0 AND (first_seq, batch_no)
          IS DISTINCT FROM (p + 1, pb + 1))
  + (SELECT count(*) FROM acct.transfer t LEFT JOIN acct.batch b
       USING (batch_no)
      WHERE b.batch_no IS NULL
         OR t.seq NOT BETWEEN b.first_seq AND b.last_seq)
  + (SELECT count(*) FROM acct.batch b
       LEFT JOIN (SELECT batch_no, count(*) n, sum(amount) v
                    FROM acct.transfer GROUP BY 1) t USING (batch_no)
       LEFT JOIN (SELECT batch_no, count(*) n
                    FROM acct.billing GROUP BY 1) l USING (batch_no)
      WHERE (b.n, b.n_lines, b.sum_amount) IS DISTINCT FROM
            (coalesce(t.n, 0), coalesce(l.n, 0), coalesce(t.v, 0)))
UNION ALL SELECT 'I06', 'every batch hash follows from the one before',
  (SELECT count(*) FROM acct.batch b
     LEFT JOIN acct.batch p ON p.batch_no = b.batch_no - 1
    WHERE CASE b.batch_no WHEN 0
      THEN b.hash <> sha256('fallow-ledger-v1')
      ELSE b.prev_hash IS DISTINCT FROM p.hash
        OR b.hash IS DISTINCT FROM acct.batch_hash(p.hash, b.batch_no,
             b.first_seq, b.n, b.n_lines, b.posted_us) END)
UNION ALL SELECT 'I07', 'every transfer joins accounts its kind allows',
  (SELECT count(*) FROM audit.leg l
     JOIN acct.unit u ON u.code = l.unit
     LEFT JOIN acct.edge x
       ON (x.kind, x.dr, x.cr) = (l.kind, l.dr_purpose, l.cr_purpose)
    WHERE x.kind IS NULL OR (x.same AND l.dr_party <> l.cr_party)
       OR x.unit <> u.kind OR l.unit <> l.dr_unit OR l.unit <> l.cr_unit)
UNION ALL SELECT 'I08', 'an owner''s escrow is the sum of his open windows',
  (SELECT count(*) FROM (
     SELECT party_id, unit, amount FROM audit.standing WHERE purpose = 4) a
   FULL JOIN (
     SELECT w.party_id, j.unit, sum(w.amount) amount
       FROM cell.work_window w JOIN audit.priced_job j USING (job_id)
      WHERE w.state IN (1, 2) GROUP BY 1, 2) w USING (party_id, unit)
    WHERE coalesce(a.amount, 0) <> coalesce(w.amount, 0))
UNION ALL SELECT 'I09', 'no task is paid for twice',
  (SELECT count(*) FROM (
     SELECT job_id, sum(tasks) n FROM acct.billing WHERE purpose = 1
      GROUP BY 1) b
   FULL JOIN (
     SELECT t.job_id, count(*) n FROM cell.task t
       JOIN cell.work_window w USING (window_id)
      WHERE t.state = 2 AND w.state = 3 GROUP BY 1) t USING (job_id)
    WHERE b.n IS DISTINCT FROM t.n)
UNION ALL SELECT 'I10', 'every line is its units at its job''s tariff',
  (SELECT count(*) FROM line l LEFT JOIN cell.job j USING (job_id)
    WHERE CASE
      WHEN l.tariff_id IS NULL OR (l.purpose = 1 AND l.credit_micro = 0
           AND l.amount = 0 AND l.fee = 0)
      THEN l.credit_micro + l.amount + l.fee <> 0
        OR NOT (l.purpose = 1 AND (l.tariff_id IS NULL OR j.zone = 'own'
             OR l.want_credit = 0 OR audit.connected(l.owner, l.customer)))
      WHEN l.purpose = 3
      THEN l.credit_micro <> 0 OR l.fee <> 0
        OR l.amount > acct.gross(l.want_credit, l.price_micro)
        OR l.amount > (SELECT sum(p.amount) FROM acct.billing p
                        WHERE p.window_id = l.window_id AND p.purpose = 1)
      ELSE l.credit_micro <> l.want_credit
        OR l.amount <> acct.gross(l.want_credit, l.price_micro)
        OR l.fee <> CASE l.purpose WHEN 1 THEN acct.ppm(l.amount, l.fee_ppm)
                    ELSE 0 END
      END
      OR l.tariff_id IS DISTINCT FROM j.tariff_id
      OR (l.tariff_id IS NOT NULL AND (l.kernel <> j.kernel
          OR j.submitted_us < l.valid_from_us
          OR (l.valid_to_us > 0 AND j.submitted_us >= l.valid_to_us))))
UNION ALL SELECT 'I11', 'an ended job reserves nothing and has no open window',
  (SELECT count(*) FROM cell.job j
    WHERE (j.state IN (4, 5, 6)) <> (j.ended_us > 0)
       OR (j.ended_us > 0 AND (j.reserved <> 0
           OR EXISTS (SELECT FROM cell.work_window w
                       WHERE w.job_id = j.job_id AND w.state IN (1, 2))))
       OR (j.state = 4 AND j.tasks_failed > 0))
UNION ALL SELECT 'I12', 'every line is paid in full, exactly once',
  (SELECT count(*) FROM audit.due_leg d FULL JOIN got g
     ON (g.ref, g.kind, g.dr_purpose, g.cr_purpose)
      = (d.billing_id, d.kind, d.dr_purpose, d.cr_purpose)
    WHERE d.amount IS DISTINCT FROM g.amount OR g.n <> 1
       OR d.dr_party <> g.dr_party OR d.cr_party <> g.cr_party)
  + (SELECT count(*) FROM cell.work_window w
       LEFT JOIN (SELECT * FROM acct.billing WHERE purpose = 1) b
         USING (window_id)
      WHERE (w.state = 3 AND w.tasks > 0) <> (b.billing_id IS NOT NULL)
         OR (b.units, b.tasks, b.items, b.owner, b.job_id) IS DISTINCT FROM
            (CASE WHEN b.billing_id IS NOT NULL THEN w.units END,
             CASE WHEN b.billing_id IS NOT NULL THEN w.tasks END,
             CASE WHEN b.billing_id IS NOT NULL THEN w.items END,
             CASE WHEN b.billing_id IS NOT NULL THEN w.party_id END,
             CASE WHEN b.billing_id IS NOT NULL THEN w.job_id END))
UNION ALL SELECT 'I13', 'nothing is posted in a period after it closed',
  (SELECT count(*) FROM acct.transfer t JOIN acct.period p USING (period_id)
    WHERE t.batch_no > p.close_batch)
  + (SELECT count(*) FROM acct.transfer t
      WHERE t.period_id < acct.month_of(t.event_us)
         OR NOT EXISTS (SELECT FROM acct.period p
                         WHERE p.period_id = t.period_id))
UNION ALL SELECT 'I14', 'a closed period ends with a head of the chain',
  (SELECT count(*) FROM acct.period p
     LEFT JOIN acct.batch b ON b.batch_no = p.close_batch
    WHERE p.closed_at IS NOT NULL
      AND (p.close_hash, p.close_seq) IS DISTINCT FROM (b.hash, b.last_seq))
UNION ALL SELECT 'I15', 'a customer''s reserve is the sum of his jobs''',
  (SELECT count(*) FROM (
     SELECT party_id, unit, amount FROM audit.standing WHERE purpose = 3) a
   FULL JOIN (SELECT party_id, unit, sum(reserved) amount
                FROM audit.priced_job GROUP BY 1, 2) j USING (party_id, unit)
    WHERE coalesce(a.amount, 0) <> coalesce(j.amount, 0))
UNION ALL SELECT 'I16', 'a job''s counters count its tasks',
  (SELECT count(*) FROM cell.job j LEFT JOIN (
     SELECT job_id, count(*) FILTER (WHERE state = 2) d,
            count(*) FILTER (WHERE state = 3) f,
            count(*) FILTER (WHERE state = 4) c
       FROM cell.task GROUP BY 1) t USING (job_id)
    WHERE j.tasks_done <> coalesce(t.d, 0)
       OR j.tasks_failed <> coalesce(t.f, 0)
       OR j.tasks_cancelled < coalesce(t.c, 0)
       OR (j.state = 4 AND j.tasks_done + j.tasks_cancelled <> j.tasks))
UNION ALL SELECT 'I17', 'tariffs of one kernel, zone and unit never overlap',
  (SELECT count(*) FROM acct.tariff a JOIN acct.tariff b
     ON (a.kernel, a.zone, a.unit) = (b.kernel, b.zone, b.unit)
    AND a.tariff_id < b.tariff_id
    AND (a.valid_to_us = 0 OR b.valid_from_us < a.valid_to_us)
    AND (b.valid_to_us = 0 OR a.valid_from_us < b.valid_to_us))
UNION ALL SELECT 'I18', 'a window has the tasks and units of its results',
  (SELECT count(*) FROM cell.work_window w LEFT JOIN (
     SELECT window_id, job_id, count(*) n, sum(units) u
       FROM cell.task WHERE state = 2 GROUP BY 1, 2) t
       USING (window_id, job_id)
    WHERE w.state < 4
      AND (w.tasks <> coalesce(t.n, 0) OR w.units <> coalesce(t.u, 0)))
  + (SELECT count(*) FROM cell.task t
      WHERE t.state = 2 AND NOT EXISTS (
        SELECT FROM cell.result r
         WHERE (r.job_id, r.task, r.window_id, r.worker_id, r.units)
             = (t.job_id, t.task, t.window_id, t.worker_id, t.units)))
UNION ALL SELECT 'I19', 'what a job spent is its lines, within its quote',
  (SELECT count(*) FROM cell.job j LEFT JOIN (
     SELECT job_id, sum(amount) a, sum(fee) f
       FROM acct.billing WHERE purpose = 1 GROUP BY 1) b USING (job_id)
    WHERE j.spent_amount <> coalesce(b.a, 0) OR j.spent_fee <> coalesce(b.f, 0)
       OR j.spent_amount > j.quote_amount OR j.spent_fee > j.quote_fee)
UNION ALL SELECT 'I20', 'every head somebody saw is still in the chain',
  (SELECT count(*) FROM acct.witness w LEFT JOIN acct.batch b USING (batch_no)
    WHERE b.hash IS DISTINCT FROM w.hash)
UNION ALL SELECT 'I21', 'credits earned are the credits of verified work',
  (SELECT count(*) FROM (
     SELECT party_id, unit, amount FROM audit.standing WHERE purpose = 13) q
   FULL JOIN (SELECT owner party_id, credit_unit unit, sum(credit_micro) amount
                FROM line WHERE credit_micro > 0 GROUP BY 1, 2) b
     USING (party_id, unit)
    WHERE coalesce(q.amount, 0) <> coalesce(b.amount, 0))
UNION ALL SELECT 'I22', 'no paid task holds a wrong or unanswered item',
  (SELECT count(*) FROM cell.draw d
     JOIN cell.task t USING (job_id, task, attempt, window_id)
     JOIN cell.work_window w USING (window_id)
    WHERE d.state IN (1, 3, 5) AND t.state = 2 AND w.state = 3)
UNION ALL SELECT 'I23', 'nobody checked work of his own beneficial owner',
  (SELECT count(*) FROM cell.draw d
     JOIN cell.worker k ON k.worker_id = d.checker_id AND NOT k.referee
     JOIN cell.work_window w ON w.window_id = d.window_id
     JOIN cell.party a ON a.party_id = k.party_id
     JOIN cell.party b ON b.party_id = w.party_id
    WHERE a.beneficial_owner = b.beneficial_owner)
UNION ALL SELECT 'I24', 'a job''s reserve follows from its own postings',
  (SELECT count(*) FROM cell.job j LEFT JOIN (
     SELECT job_id, sum(v) v FROM (
       SELECT ref job_id, CASE kind WHEN 2 THEN amount ELSE -amount END v
         FROM acct.transfer WHERE kind IN (2, 3)
       UNION ALL SELECT w.job_id, CASE t.kind WHEN 4 THEN -t.amount
                                  ELSE t.amount END
         FROM acct.transfer t JOIN cell.work_window w ON w.window_id = t.ref
        WHERE t.kind IN (4, 5)
       UNION ALL SELECT b.job_id, -l.amount FROM audit.leg l
         JOIN acct.billing b ON b.billing_id = l.ref
        WHERE l.kind = 6 AND l.dr_purpose = 3) x GROUP BY 1) x USING (job_id)
    WHERE j.reserved <> coalesce(x.v, 0))
UNION ALL SELECT 'I25', 'no id is at or above the next to be given out',
  (SELECT count(*) FROM cell.writer w WHERE
     w.next_job <= (SELECT coalesce(max(job_id), 0) FROM cell.job)
     OR w.next_window <= (SELECT coalesce(max(window_id), 0)
                            FROM cell.work_window)
     OR w.next_check <= (SELECT coalesce(max(check_id), 0) FROM cell.draw)
     OR w.next_verdict <= (SELECT coalesce(max(verdict_id), 0)
                             FROM cell.verdict)
     OR w.next_billing <= (SELECT coalesce(max(billing_id), 0)
                             FROM acct.billing)
     OR w.next_party <= (SELECT coalesce(max(party_id), 0) FROM cell.party)
     OR w.next_worker <= (SELECT coalesce(max(worker_id), 0)
                            FROM cell.worker));

GRANT USAGE ON SCHEMA audit TO fallow_ctl;
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO fallow_ctl;

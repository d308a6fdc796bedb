-- SPDX-License-Identifier: Apache-2.0
-- 03-post.sql - the ledger's only doors
SET LOCAL ROLE fallow_owner;

-- yyyymm (UTC) of a time, by integers
CREATE FUNCTION acct.month_of(us bigint) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT (extract(year FROM date '1970-01-01' + (us / 86400000000)::int) * 100
    + extract(month FROM date '1970-01-01' + (us / 86400000000)::int))::int
$$;

CREATE FUNCTION acct.next_month(m int) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE m % 100 WHEN 12 THEN m + 89 ELSE m + 1 END
$$;

-- The period a fact of month m is posted in: m itself, or, when m is closed,
-- the first open one after it.  Opens it where needed.
CREATE FUNCTION acct.open_period(m int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE closed boolean;
BEGIN
  LOOP
    SELECT closed_at IS NOT NULL INTO closed
      FROM acct.period WHERE period_id = m;
    IF NOT FOUND THEN
      INSERT INTO acct.period (period_id) VALUES (m);
      RETURN m;
    END IF;
    IF NOT closed THEN
      RETURN m;
    END IF;
    m := acct.next_month(m);
  END LOOP;
END $$;

-- The link of a batch (doc/8-ledger.md, "The chain").  Integers are big-endian,
-- the unit padded to 8.  Accounts appear as (party, purpose), so renumbering
-- them shows.  (plpgsql, since it keeps its plan and an SQL function does not.)
CREATE FUNCTION acct.batch_hash(prev bytea, b bigint, first bigint, n int,
                                lines int, posted bigint) RETURNS bytea
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN sha256(prev || int8send(b) || int8send(first) || int4send(n)
    || int4send(lines) || int8send(posted)
    || coalesce((SELECT string_agg(
           int8send(l.billing_id) || int8send(coalesce(l.window_id, 0))
        || int8send(coalesce(l.job_id, 0)) || int8send(l.owner)
        || int8send(l.customer) || int2send(l.purpose)
        || int8send(coalesce(l.tariff_id, 0)) || int8send(l.tasks)
        || int8send(l.items) || int8send(l.units) || int8send(l.credit_micro)
        || int8send(l.amount) || int8send(l.fee) || int8send(l.busy_us)
        || int8send(l.at_us), ''::bytea ORDER BY l.billing_id)
      FROM acct.billing l WHERE lines > 0 AND l.batch_no = b), '')
    || coalesce((SELECT string_agg(
           int8send(t.seq) || uuid_send(t.transfer_id) || int2send(t.kind)
        || int8send(d.party_id) || int2send(d.purpose)
        || int8send(c.party_id) || int2send(c.purpose)
        || convert_to(rpad(t.unit, 8), 'UTF8') || int8send(t.amount)
        || int8send(t.ref) || int8send(t.event_us) || int4send(t.period_id),
        ''::bytea ORDER BY t.seq)
      FROM acct.transfer t
      JOIN acct.account d ON d.account_id = t.dr
      JOIN acct.account c ON c.account_id = t.cr
     WHERE t.seq BETWEEN first AND first + n - 1), ''));
END $$;
CREATE INDEX billing_batch ON acct.billing (batch_no);

-- Add priced lines; a repeated line must be the same line.
CREATE FUNCTION acct.add_lines(bn bigint,
  ids bigint[], windows bigint[], jobs bigint[], owners bigint[],
  customers bigint[], purposes smallint[], tariffs bigint[], n_tasks bigint[],
  n_items bigint[], n_units bigint[], credits bigint[], amounts bigint[],
  fees bigint[], busy bigint[], ats bigint[]) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE fresh int;
BEGIN
  INSERT INTO acct.billing (batch_no, billing_id, window_id, job_id, owner,
      customer, purpose, tariff_id, tasks, items, units, credit_micro, amount,
      fee, busy_us, at_us)
    SELECT bn, * FROM unnest(ids, windows, jobs, owners, customers, purposes,
      tariffs, n_tasks, n_items, n_units, credits, amounts, fees, busy, ats)
    ON CONFLICT (billing_id) DO NOTHING;
  GET DIAGNOSTICS fresh = ROW_COUNT;
  IF fresh < cardinality(ids) AND EXISTS (
    SELECT FROM unnest(ids, windows, jobs, owners, customers, purposes,
        tariffs, n_units, credits, amounts, fees)
        AS i (id, w, j, o, c, p, t, u, cr, a, f)
      JOIN acct.billing b ON b.billing_id = i.id
     WHERE (b.window_id, b.job_id, b.owner, b.customer, b.purpose, b.tariff_id,
            b.units, b.credit_micro, b.amount, b.fee)
       IS DISTINCT FROM (i.w, i.j, i.o, i.c, i.p, i.t, i.u, i.cr, i.a, i.f))
  THEN
    RAISE EXCEPTION 'a billing line is used again with other content'
      USING ERRCODE = 'unique_violation';
  END IF;
  RETURN fresh;
END $$;

-- Open the accounts a posting needs, and refuse what no edge allows.
CREATE FUNCTION acct.prepare(kinds smallint[], drs bigint[],
  dr_purposes smallint[], crs bigint[], cr_purposes smallint[], units text[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE bad record;
BEGIN
  SELECT i.* INTO bad
    FROM unnest(kinds, drs, dr_purposes, crs, cr_purposes, units)
      AS i (k, d, dp, c, cp, u)
    LEFT JOIN acct.edge e ON (e.kind, e.dr, e.cr) = (i.k, i.dp, i.cp)
    LEFT JOIN acct.unit x ON x.code = i.u
   WHERE e.kind IS NULL OR (e.same AND i.d <> i.c)
      OR e.unit IS DISTINCT FROM x.kind LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'a transfer of kind % cannot go from account % of party % '
        'to account % of party % in %',
        bad.k, bad.dp, bad.d, bad.cp, bad.c, bad.u
      USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO acct.account (party_id, purpose, unit)
    SELECT DISTINCT p, a, u
      FROM (SELECT * FROM unnest(drs, dr_purposes, units)
            UNION ALL SELECT * FROM unnest(crs, cr_purposes, units))
        AS i (p, a, u)
     WHERE NOT EXISTS (SELECT FROM acct.account x
        WHERE (x.party_id, x.purpose, x.unit) = (i.p, i.a, i.u))
     ORDER BY p, a, u;
END $$;

-- Post transfers and the billing lines they pay, as one batch of the chain.
-- Returns how many transfers were new: a transfer posted before is skipped
-- when it is the same and aborts everything when it is not.
CREATE FUNCTION acct.post(
  ids uuid[], kinds smallint[], drs bigint[], dr_purposes smallint[],
  crs bigint[], cr_purposes smallint[], units text[], amounts bigint[],
  refs bigint[], events bigint[],
  b_ids bigint[], b_windows bigint[], b_jobs bigint[], b_owners bigint[],
  b_customers bigint[], b_purposes smallint[], b_tariffs bigint[],
  b_tasks bigint[], b_items bigint[], b_units bigint[], b_credits bigint[],
  b_amounts bigint[], b_fees bigint[], b_busy bigint[], b_ats bigint[])
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head acct.batch; bn bigint; s0 bigint; fresh int := 0; lines int := 0;
  now_us bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(7421);  -- one poster: gap-free seq, one chain
  SELECT * INTO head FROM acct.batch ORDER BY batch_no DESC LIMIT 1;
  bn := head.batch_no + 1;
  s0 := head.last_seq;
  IF cardinality(b_ids) > 0 THEN
    lines := acct.add_lines(bn, b_ids, b_windows, b_jobs, b_owners,
      b_customers, b_purposes, b_tariffs, b_tasks, b_items, b_units, b_credits,
      b_amounts, b_fees, b_busy, b_ats);
  END IF;
  IF cardinality(ids) > 0 THEN
    PERFORM acct.prepare(kinds, drs, dr_purposes, crs, cr_purposes, units);
    IF EXISTS (
      SELECT FROM unnest(ids, kinds, drs, dr_purposes, crs, cr_purposes, units,
                         amounts, refs)
          AS i (id, k, d, dp, c, cp, u, a, r)
        JOIN acct.transfer t ON t.transfer_id = i.id
        JOIN acct.account x ON x.account_id = t.dr
        JOIN acct.account y ON y.account_id = t.cr
       WHERE (t.kind, x.party_id, x.purpose, y.party_id, y.purpose, t.unit,
              t.amount::bigint, t.ref)
         IS DISTINCT FROM (i.k, i.d, i.dp, i.c, i.cp, i.u, i.a, i.r)) THEN
      RAISE EXCEPTION 'a transfer id is used again with other content'
        USING ERRCODE = 'unique_violation';
    END IF;
    INSERT INTO acct.transfer (seq, transfer_id, batch_no, ref, event_us,
                               amount, dr, cr, period_id, kind, unit)
      WITH months AS MATERIALIZED (
        SELECT m, acct.open_period(m) AS period
          FROM (SELECT DISTINCT acct.month_of(e) FROM unnest(events) e) z (m))
      SELECT s0 + row_number() OVER (ORDER BY i.n), i.id, bn, i.r, i.e, i.a,
             x.account_id, y.account_id, months.period, i.k, i.u
        FROM unnest(ids, kinds, drs, dr_purposes, crs, cr_purposes, units,
                    amounts, refs, events)
          WITH ORDINALITY AS i (id, k, d, dp, c, cp, u, a, r, e, n)
        JOIN acct.account x
          ON (x.party_id, x.purpose, x.unit) = (i.d, i.dp, i.u)
        JOIN acct.account y
          ON (y.party_id, y.purpose, y.unit) = (i.c, i.cp, i.u)
        JOIN months ON months.m = acct.month_of(i.e)
       WHERE NOT EXISTS (SELECT FROM acct.transfer t
                          WHERE t.transfer_id = i.id);
    GET DIAGNOSTICS fresh = ROW_COUNT;
  END IF;
  IF fresh + lines = 0 THEN
    RETURN 0;
  END IF;
  now_us := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
  INSERT INTO acct.batch
    SELECT bn, head.hash,
           acct.batch_hash(head.hash, bn, s0 + 1, fresh, lines, now_us),
           s0 + 1, s0 + fresh, fresh, lines, coalesce(sum(amount), 0), now_us
      FROM acct.transfer WHERE seq BETWEEN s0 + 1 AND s0 + fresh;
  RETURN fresh;
END $$;

-- Append tariffs; for one kernel, zone and unit their periods never overlap.
CREATE FUNCTION acct.add_tariff(ids bigint[], kernels text[], zones text[],
  units text[], credit_units text[], prices bigint[], nums bigint[],
  dens bigint[], fees int[], froms bigint[], tos bigint[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE fresh int; bad record;
BEGIN
  INSERT INTO acct.tariff
    SELECT * FROM unnest(ids, kernels, zones, units, credit_units, prices,
                         nums, dens, fees, froms, tos);
  GET DIAGNOSTICS fresh = ROW_COUNT;
  SELECT a.tariff_id x, b.tariff_id y INTO bad
    FROM acct.tariff a JOIN acct.tariff b
      ON (a.kernel, a.zone, a.unit) = (b.kernel, b.zone, b.unit)
     AND a.tariff_id < b.tariff_id
     AND (a.valid_to_us = 0 OR b.valid_from_us < a.valid_to_us)
     AND (b.valid_to_us = 0 OR a.valid_from_us < b.valid_to_us)
   WHERE a.tariff_id = ANY (ids) OR b.tariff_id = ANY (ids) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'tariff % overlaps tariff %', bad.y, bad.x
      USING ERRCODE = 'exclusion_violation';
  END IF;
  RETURN fresh;
END $$;

-- Keep a head somebody saw.
CREATE FUNCTION acct.add_witness(b bigint, h bytea, w text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO acct.witness (batch_no, hash, witness) VALUES (b, h, w)
    ON CONFLICT (batch_no, witness) DO NOTHING
$$;

-- Close a period under the head the ledger has now.
CREATE FUNCTION acct.close_period(p int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7421);
  UPDATE acct.period SET closed_at = clock_timestamp(),
      (close_batch, close_seq, close_hash) =
        (SELECT batch_no, last_seq, hash FROM acct.batch
          ORDER BY batch_no DESC LIMIT 1)
    WHERE period_id = p;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'period % does not exist', p;
  END IF;
END $$;

-- Pricing, as common/record.h says it; numeric keeps 128 bits and more.
CREATE FUNCTION acct.credits(units bigint, num bigint, den bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT div(units::numeric * num, den)::bigint
$$;
CREATE FUNCTION acct.gross(credit_micro bigint, price_micro bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT div(credit_micro::numeric * price_micro, 1000000)::bigint
$$;
CREATE FUNCTION acct.ppm(amount bigint, p int)
RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT div(amount::numeric * p, 1000000)::bigint
$$;
-- Estimates for display, rounded half up: energy from milliwatts and busy
-- time, wear from device time.
CREATE FUNCTION acct.energy_cost(busy_us bigint, milliwatts bigint,
                                 price_kwh bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT div(busy_us::numeric * milliwatts * price_kwh + 1800000000000000,
             3600000000000000)::bigint
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA acct FROM PUBLIC;
GRANT USAGE ON SCHEMA acct TO fallow_post;
GRANT EXECUTE ON FUNCTION acct.post, acct.add_tariff, acct.add_witness,
  acct.close_period TO fallow_post;
GRANT EXECUTE ON FUNCTION acct.credits, acct.gross, acct.ppm, acct.energy_cost,
  acct.month_of, acct.batch_hash TO fallow_ctl;
GRANT SELECT ON ALL TABLES IN SCHEMA acct TO fallow_ctl;
RESET ROLE;

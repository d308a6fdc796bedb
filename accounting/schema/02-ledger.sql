-- SPDX-License-Identifier: Apache-2.0
-- 02-ledger.sql - double entry: accounts, transfers, billing lines, one chain
--
-- doc/8-ledger.md explains it.  Everything here belongs to fallow_owner; the
-- controller writes through acct.post and acct.add_tariff only.  Rows are
-- append-only; a balance is the one thing that changes, and is derived.
CREATE SCHEMA acct AUTHORIZATION fallow_owner;
SET LOCAL ROLE fallow_owner;

CREATE DOMAIN acct.micro AS bigint
  CHECK (VALUE BETWEEN -9000000000000000 AND 9000000000000000);

CREATE TABLE acct.unit (
  code  text PRIMARY KEY CHECK (code ~ '^[A-Z]{3,5}$'),
  kind  text NOT NULL CHECK (kind IN ('fiat', 'credit')),
  minor smallint NOT NULL CHECK (minor BETWEEN 0 AND 6)
);
INSERT INTO acct.unit VALUES ('USD', 'fiat', 2), ('EUR', 'fiat', 2),
  ('CHF', 'fiat', 2), ('GPUC', 'credit', 6), ('CPUC', 'credit', 6);

-- enum purpose of common/record.h
CREATE TABLE acct.purpose (
  purpose    smallint PRIMARY KEY,
  name       text UNIQUE NOT NULL,
  normal     text NOT NULL CHECK (normal IN ('D', 'C')),
  floor_zero boolean NOT NULL
);
INSERT INTO acct.purpose VALUES
  (1, 'bank', 'D', true), (2, 'prepaid', 'C', true),
  (3, 'reserve', 'C', true), (4, 'escrow', 'C', true),
  (5, 'held', 'C', true), (6, 'payable', 'C', true),
  (7, 'settling', 'C', true), (8, 'fee', 'C', true),
  (9, 'verify_cost', 'D', false), (10, 'rounding', 'C', false),
  (11, 'grant', 'C', false), (12, 'qty_issued', 'D', true),
  (13, 'qty_earned', 'C', true);

-- What may be posted: enum transfer_kind and the accounts each kind joins.
-- same: both accounts belong to one party.
CREATE TABLE acct.edge (
  kind smallint NOT NULL,
  name text NOT NULL,
  dr   smallint NOT NULL REFERENCES acct.purpose,
  cr   smallint NOT NULL REFERENCES acct.purpose,
  same boolean NOT NULL,
  unit text NOT NULL CHECK (unit IN ('fiat', 'credit')),
  PRIMARY KEY (kind, dr, cr)
);
INSERT INTO acct.edge VALUES
  (1, 'fund', 1, 2, false, 'fiat'),
  (1, 'fund', 11, 2, false, 'fiat'),
  (2, 'reserve', 2, 3, true, 'fiat'),
  (3, 'release', 3, 2, true, 'fiat'),
  (4, 'escrow', 3, 4, false, 'fiat'),
  (5, 'reject', 4, 3, false, 'fiat'),
  (6, 'verify', 4, 6, true, 'fiat'),
  (6, 'verify', 4, 5, true, 'fiat'),
  (6, 'verify', 3, 8, false, 'fiat'),
  (6, 'verify', 9, 6, false, 'fiat'),
  (7, 'mature', 5, 6, true, 'fiat'),
  (8, 'settle', 6, 7, true, 'fiat'),
  (8, 'settle', 7, 1, false, 'fiat'),
  (11, 'correct', 6, 3, false, 'fiat'),
  (11, 'correct', 6, 2, false, 'fiat'),
  (11, 'correct', 8, 2, false, 'fiat'),
  (11, 'correct', 9, 2, false, 'fiat'),
  (11, 'correct', 2, 1, false, 'fiat'),
  (11, 'correct', 13, 12, false, 'credit'),
  (12, 'round', 10, 6, false, 'fiat'),
  (12, 'round', 6, 10, false, 'fiat'),
  (13, 'quantity', 12, 13, false, 'credit'),
  (14, 'spend', 6, 2, true, 'fiat'),
  (15, 'check', 6, 9, false, 'fiat'),
  (15, 'check', 9, 6, false, 'fiat');

CREATE TABLE acct.account (
  account_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  party_id   bigint NOT NULL REFERENCES cell.party,
  purpose    smallint NOT NULL REFERENCES acct.purpose,
  unit       text NOT NULL REFERENCES acct.unit,
  UNIQUE (party_id, purpose, unit),
  UNIQUE (account_id, unit)
);

-- Debit-positive; kept apart from the immutable account so that updates stay
-- on their page.
CREATE TABLE acct.balance (
  account_id int PRIMARY KEY REFERENCES acct.account,
  bal        acct.micro NOT NULL DEFAULT 0,
  entries    bigint NOT NULL DEFAULT 0,
  sign       smallint NOT NULL CHECK (sign IN (-1, 1)),
  floor_zero boolean NOT NULL,
  CONSTRAINT bal_floor CHECK (NOT floor_zero OR bal * sign >= 0)
) WITH (fillfactor = 50);

-- A calendar month in UTC, opened by the first posting in it.
CREATE TABLE acct.period (
  period_id   int PRIMARY KEY CHECK (period_id BETWEEN 197001 AND 219912
                                     AND period_id % 100 BETWEEN 1 AND 12),
  closed_at   timestamptz,
  close_batch bigint,
  close_seq   bigint,
  close_hash  bytea,
  CHECK ((closed_at IS NULL) = (close_batch IS NULL)
     AND (closed_at IS NULL) = (close_seq IS NULL)
     AND (closed_at IS NULL) = (close_hash IS NULL))
);

CREATE TABLE acct.tariff (
  tariff_id     bigint PRIMARY KEY CHECK (tariff_id > 0),
  kernel        cell.name NOT NULL,
  zone          text NOT NULL,
  unit          text NOT NULL REFERENCES acct.unit,
  credit_unit   text NOT NULL REFERENCES acct.unit,
  price_micro   acct.micro NOT NULL CHECK (price_micro >= 0),
  rate_num      bigint NOT NULL CHECK (rate_num > 0),
  rate_den      bigint NOT NULL CHECK (rate_den > 0),
  fee_ppm       int NOT NULL CHECK (fee_ppm BETWEEN 0 AND 500000),
  valid_from_us bigint NOT NULL CHECK (valid_from_us >= 0),
  valid_to_us   bigint NOT NULL
    CHECK (valid_to_us = 0 OR valid_to_us > valid_from_us)
);

-- Head of a batch: what one commit posted.
CREATE TABLE acct.batch (
  batch_no   bigint PRIMARY KEY,
  prev_hash  bytea NOT NULL,
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  first_seq  bigint NOT NULL,
  last_seq   bigint NOT NULL,
  n          int NOT NULL CHECK (n >= 0),
  n_lines    int NOT NULL CHECK (n_lines >= 0),
  sum_amount numeric NOT NULL,
  posted_us  bigint NOT NULL,
  CHECK (last_seq - first_seq + 1 = n),
  CHECK (n + n_lines > 0 OR batch_no = 0),
  UNIQUE (prev_hash)
);
INSERT INTO acct.batch VALUES
  (0, '\x', sha256('fallow-ledger-v1'), 1, 0, 0, 0, 0, 0);

CREATE TABLE acct.transfer (
  seq         bigint PRIMARY KEY,
  transfer_id uuid UNIQUE NOT NULL,
  batch_no    bigint NOT NULL REFERENCES acct.batch
                DEFERRABLE INITIALLY DEFERRED,
  ref         bigint NOT NULL,
  event_us    bigint NOT NULL,
  amount      acct.micro NOT NULL CHECK (amount > 0),
  dr          int NOT NULL,
  cr          int NOT NULL,
  period_id   int NOT NULL REFERENCES acct.period,
  kind        smallint NOT NULL,
  unit        text NOT NULL,
  CHECK (dr <> cr),
  FOREIGN KEY (dr, unit) REFERENCES acct.account (account_id, unit),
  FOREIGN KEY (cr, unit) REFERENCES acct.account (account_id, unit)
);
CREATE INDEX transfer_ref ON acct.transfer (ref, kind);

-- A priced line, written when its window verifies; enum billing_purpose.
CREATE TABLE acct.billing (
  billing_id   bigint PRIMARY KEY CHECK (billing_id > 0),
  batch_no     bigint NOT NULL REFERENCES acct.batch
                 DEFERRABLE INITIALLY DEFERRED,
  window_id    bigint REFERENCES cell.work_window,
  job_id       bigint REFERENCES cell.job,
  owner        bigint NOT NULL REFERENCES cell.party,
  customer     bigint NOT NULL REFERENCES cell.party,
  purpose      smallint NOT NULL CHECK (purpose BETWEEN 1 AND 3),
  tariff_id    bigint REFERENCES acct.tariff,
  tasks        bigint NOT NULL CHECK (tasks >= 0),
  items        bigint NOT NULL CHECK (items >= 0),
  units        bigint NOT NULL CHECK (units >= 0),
  credit_micro acct.micro NOT NULL CHECK (credit_micro >= 0),
  amount       acct.micro NOT NULL CHECK (amount >= 0),
  fee          acct.micro NOT NULL CHECK (fee >= 0),
  busy_us      bigint NOT NULL,
  at_us        bigint NOT NULL
);
-- a window is paid for its own work once
CREATE UNIQUE INDEX billing_window ON acct.billing (window_id)
  WHERE purpose = 1;
CREATE INDEX billing_owner ON acct.billing (owner, at_us);
CREATE INDEX billing_customer ON acct.billing (customer, at_us);

-- Heads of the chain that somebody else saw.
CREATE TABLE acct.witness (
  batch_no bigint NOT NULL,
  hash     bytea NOT NULL CHECK (octet_length(hash) = 32),
  witness  text NOT NULL,
  seen_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (batch_no, witness)
);

CREATE FUNCTION acct.deny() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'cannot % %.%: the ledger is append-only',
      lower(TG_OP), TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

DO $$
DECLARE t text; what text;
BEGIN
  FOREACH t IN ARRAY ARRAY['unit', 'purpose', 'edge', 'account', 'tariff',
      'batch', 'transfer', 'billing', 'witness', 'balance', 'period'] LOOP
    what := 'DELETE OR TRUNCATE';
    IF t NOT IN ('balance', 'period') THEN
      what := 'UPDATE OR ' || what;
    END IF;
    EXECUTE format('CREATE TRIGGER immutable BEFORE %s ON acct.%I '
        'FOR EACH STATEMENT EXECUTE FUNCTION acct.deny()', what, t);
    EXECUTE format('ALTER TABLE acct.%I ENABLE ALWAYS TRIGGER immutable', t);
  END LOOP;
END $$;

-- A period changes once: it closes, with the head the ledger then has.
CREATE FUNCTION acct.period_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.closed_at IS NOT NULL OR NEW.period_id <> OLD.period_id
     OR NEW.closed_at IS NULL THEN
    RAISE EXCEPTION 'cannot change period %: it can only be closed, once',
        OLD.period_id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER once BEFORE UPDATE ON acct.period
  FOR EACH ROW EXECUTE FUNCTION acct.period_once();
ALTER TABLE acct.period ENABLE ALWAYS TRIGGER once;

CREATE FUNCTION acct.open_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO acct.balance (account_id, sign, floor_zero)
    SELECT NEW.account_id, CASE normal WHEN 'D' THEN 1 ELSE -1 END, floor_zero
      FROM acct.purpose WHERE purpose = NEW.purpose;
  RETURN NULL;
END $$;
CREATE TRIGGER account_balance AFTER INSERT ON acct.account
  FOR EACH ROW EXECUTE FUNCTION acct.open_balance();
ALTER TABLE acct.account ENABLE ALWAYS TRIGGER account_balance;

-- Fold the transfers of one statement into the balances, in account order.
CREATE FUNCTION acct.fold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE want int; got int;
BEGIN
  IF EXISTS (SELECT FROM fresh JOIN acct.period USING (period_id)
             WHERE closed_at IS NOT NULL) THEN
    RAISE EXCEPTION 'cannot post into a closed period'
      USING ERRCODE = 'restrict_violation';
  END IF;
  WITH d AS (
    SELECT a, sum(v)::bigint v, count(*) n
      FROM (SELECT dr a, amount::bigint v FROM fresh
            UNION ALL SELECT cr, -amount FROM fresh) x GROUP BY a ORDER BY a),
  u AS (
    UPDATE acct.balance b SET bal = b.bal + d.v, entries = b.entries + d.n
      FROM d WHERE b.account_id = d.a RETURNING 1)
  SELECT (SELECT count(*) FROM d), (SELECT count(*) FROM u) INTO want, got;
  IF got <> want THEN
    RAISE EXCEPTION 'an account has no balance row';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER transfer_fold AFTER INSERT ON acct.transfer
  REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION acct.fold();
ALTER TABLE acct.transfer ENABLE ALWAYS TRIGGER transfer_fold;
RESET ROLE;

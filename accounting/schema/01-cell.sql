-- SPDX-License-Identifier: Apache-2.0
-- 01-cell.sql - what the cell remembers: parties, workers, jobs, results
--
-- Rows are those of common/record.h, written by accounting/store only.  Times
-- are microseconds since 1970 UTC, money is micro-units, 0 as an id is stored
-- as NULL where it names another row.  Rows written for every task (task,
-- result, draw) carry a primary key that begins with their job and no other
-- index, and no foreign key; what they refer to is checked by the audit.

-- Roles.  fallow_owner owns the ledger and logs in nowhere; fallow_post may
-- call the ledger's functions and touches no table; fallow_ctl is what the
-- controller acts as.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['fallow_owner', 'fallow_post', 'fallow_ctl'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', r);
    END IF;
  END LOOP;
END $$;
GRANT fallow_post TO fallow_ctl;
GRANT fallow_owner, fallow_ctl TO CURRENT_USER;

GRANT USAGE ON SCHEMA cell TO fallow_ctl, fallow_owner;

CREATE DOMAIN cell.micro AS bigint
  CHECK (VALUE BETWEEN -9000000000000000 AND 9000000000000000);
CREATE DOMAIN cell.time_us AS bigint CHECK (VALUE >= 0);
CREATE DOMAIN cell.name AS text CHECK (octet_length(VALUE) <= 63);
CREATE DOMAIN cell.sha256 AS bytea CHECK (octet_length(VALUE) = 32);

-- The one writer: epoch and serial of the last commit, and the next free ids.
CREATE TABLE cell.writer (
  one          boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch        int NOT NULL,
  serial       bigint NOT NULL,
  next_job     bigint NOT NULL DEFAULT 1,
  next_window  bigint NOT NULL DEFAULT 1,
  next_check   bigint NOT NULL DEFAULT 1,
  next_verdict bigint NOT NULL DEFAULT 1,
  next_billing bigint NOT NULL DEFAULT 1,
  next_party   bigint NOT NULL DEFAULT 1,
  next_worker  bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 10);
INSERT INTO cell.writer (epoch, serial) VALUES (0, 0);

-- Last serial every earlier epoch committed, for a controller that died
-- between COMMIT and its answer.
CREATE TABLE cell.epoch (
  epoch      int PRIMARY KEY,
  last_serial bigint,
  began_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE cell.party (
  party_id         bigint PRIMARY KEY CHECK (party_id > 0),
  name             cell.name NOT NULL,
  roles            bigint NOT NULL CHECK (roles BETWEEN 0 AND 7),
  beneficial_owner bigint NOT NULL REFERENCES cell.party
                     DEFERRABLE INITIALLY DEFERRED,
  locked           boolean NOT NULL,
  accepted_tasks   bigint NOT NULL CHECK (accepted_tasks >= 0),
  strict_tasks     int NOT NULL,
  fund_serial      bigint NOT NULL CHECK (fund_serial >= 0),
  created_us       cell.time_us NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE cell.worker (
  worker_id    bigint PRIMARY KEY CHECK (worker_id > 0),
  party_id     bigint NOT NULL REFERENCES cell.party,
  pubkey       bytea NOT NULL CHECK (octet_length(pubkey) = 32),
  referee      boolean NOT NULL,
  state        smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
  enrolled_us  cell.time_us NOT NULL,
  last_seen_us cell.time_us NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE cell.job (
  job_id          bigint PRIMARY KEY CHECK (job_id > 0),
  party_id        bigint NOT NULL REFERENCES cell.party,
  submission_id   uuid NOT NULL,
  name            cell.name NOT NULL,
  user_name       cell.name NOT NULL,
  kernel          cell.name NOT NULL,
  spec            cell.sha256 NOT NULL,
  params          cell.sha256,
  input           smallint NOT NULL CHECK (input IN (1, 2)),
  tasks           bigint NOT NULL,
  items_per_task  bigint NOT NULL,
  items           bigint NOT NULL,
  units_per_item  bigint NOT NULL,
  units           bigint NOT NULL CHECK (units >= 0),
  array_first     bigint NOT NULL,
  array_step      bigint NOT NULL,
  is_array        boolean NOT NULL,
  zone            text NOT NULL,
  nice            int NOT NULL,
  time_limit_us   bigint NOT NULL,
  submitted_us    cell.time_us NOT NULL,
  started_us      cell.time_us NOT NULL,
  ended_us        cell.time_us NOT NULL,
  state           smallint NOT NULL CHECK (state BETWEEN 1 AND 7),
  reason          cell.name NOT NULL,
  tasks_done      bigint NOT NULL,
  tasks_failed    bigint NOT NULL,
  tasks_cancelled bigint NOT NULL,
  tariff_id       bigint,
  quote_amount    cell.micro NOT NULL CHECK (quote_amount >= 0),
  quote_fee       cell.micro NOT NULL CHECK (quote_fee >= 0),
  reserved        cell.micro NOT NULL CHECK (reserved >= 0),
  spent_amount    cell.micro NOT NULL CHECK (spent_amount >= 0),
  spent_fee       cell.micro NOT NULL CHECK (spent_fee >= 0),
  checked_items   bigint NOT NULL,
  caught_items    bigint NOT NULL,
  CHECK (tasks_done + tasks_failed + tasks_cancelled <= tasks),
  CHECK (spent_amount <= quote_amount AND spent_fee <= quote_fee)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX job_submission ON cell.job (party_id, submission_id)
  WHERE submission_id <> '00000000-0000-0000-0000-000000000000';
CREATE INDEX job_submitted ON cell.job (submitted_us);

-- Written once, when the job is first seen: digests of its tasks' inputs and
-- their units, 32 and 8 bytes each (u64be).
CREATE TABLE cell.job_input (
  job_id     bigint PRIMARY KEY REFERENCES cell.job,
  blobs      bytea,
  task_units bytea
);
ALTER TABLE cell.job_input ALTER blobs SET STORAGE EXTERNAL;

CREATE TABLE cell.task (
  job_id     bigint NOT NULL,
  worker_id  bigint NOT NULL,
  window_id  bigint NOT NULL,
  units      bigint NOT NULL,
  started_us bigint NOT NULL,
  ended_us   bigint NOT NULL,
  task       int NOT NULL,
  attempt    int NOT NULL,
  code       bigint NOT NULL,
  state      smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
  PRIMARY KEY (job_id, task)
);

CREATE TABLE cell.work_window (
  window_id  bigint PRIMARY KEY CHECK (window_id > 0),
  job_id     bigint REFERENCES cell.job,
  worker_id  bigint NOT NULL REFERENCES cell.worker,
  party_id   bigint NOT NULL REFERENCES cell.party,
  state      smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
  newcomer   boolean NOT NULL,
  tasks      bigint NOT NULL,
  items      bigint NOT NULL,
  units      bigint NOT NULL,
  salt_items bigint NOT NULL,
  salt_units bigint NOT NULL,
  fee_units  bigint NOT NULL,
  amount     cell.micro NOT NULL CHECK (amount >= 0),
  steps      bigint NOT NULL,
  busy_us    bigint NOT NULL,
  drawn      bigint NOT NULL,
  equal      bigint NOT NULL,
  wrong      bigint NOT NULL,
  opened_us  cell.time_us NOT NULL,
  closed_us  cell.time_us NOT NULL,
  CHECK (equal <= drawn)  -- wrong counts salts answered wrongly too
) WITH (fillfactor = 50);
CREATE INDEX work_window_job ON cell.work_window (job_id);

CREATE TABLE cell.result (
  job_id      bigint NOT NULL,
  worker_id   bigint NOT NULL,
  window_id   bigint NOT NULL,
  units       bigint NOT NULL,
  root_units  bigint NOT NULL,
  root_bytes  bigint NOT NULL,
  received_us bigint NOT NULL,
  task        int NOT NULL,
  epoch       int NOT NULL,
  attempt     int NOT NULL,
  n_items     int NOT NULL,
  root        bytea NOT NULL,
  blob        bytea,
  bytes       bytea,
  map         bytea,
  PRIMARY KEY (job_id, task, epoch, attempt)
);
ALTER TABLE cell.result ALTER bytes SET STORAGE EXTERNAL,
                        ALTER map SET STORAGE EXTERNAL;

-- An item drawn from a committed task, to be recomputed elsewhere.
CREATE TABLE cell.draw (
  job_id       bigint NOT NULL,
  check_id     bigint NOT NULL,
  window_id    bigint NOT NULL,
  units        bigint NOT NULL,
  checker_id   bigint NOT NULL,
  drawn_us     bigint NOT NULL,
  answered_us  bigint NOT NULL,
  task         int NOT NULL,
  attempt      int NOT NULL,
  epoch        int NOT NULL,
  item         bigint NOT NULL,
  position     int NOT NULL,
  state        smallint NOT NULL CHECK (state BETWEEN 1 AND 6),
  referee_only boolean NOT NULL,
  committed    bytea NOT NULL,
  answer            bytea,
  checker_window_id bigint,
  checker_job_id    bigint,
  checker_task      int,
  checker_attempt   int,
  checker_epoch     int,
  checker_position  int,
  PRIMARY KEY (job_id, check_id)
) WITH (fillfactor = 50);

CREATE TABLE cell.verdict (
  verdict_id     bigint PRIMARY KEY CHECK (verdict_id > 0),
  kind           smallint NOT NULL CHECK (kind IN (1, 2)),
  worker_id      bigint NOT NULL REFERENCES cell.worker,
  party_id       bigint NOT NULL REFERENCES cell.party,
  job_id         bigint NOT NULL,
  task           int NOT NULL,
  attempt        int NOT NULL,
  epoch          int NOT NULL,
  position       int NOT NULL,
  source_job_id  bigint NOT NULL,
  source_task    int NOT NULL,
  source_item    bigint NOT NULL,
  expected_code  bigint NOT NULL,
  expected_units bigint NOT NULL,
  expected       bytea,
  at_us          cell.time_us NOT NULL
);

-- The last state-changing request of each worker and the reply it was given.
CREATE TABLE cell.request (
  worker_id bigint PRIMARY KEY REFERENCES cell.worker,
  seq       bigint NOT NULL,
  body      bytea NOT NULL,
  reply     bytea
) WITH (fillfactor = 50);
ALTER TABLE cell.request ALTER reply SET STORAGE EXTERNAL;

CREATE TABLE cell.token (
  hash       cell.sha256 PRIMARY KEY,
  kind       smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
  party_id   bigint NOT NULL REFERENCES cell.party,
  created_us cell.time_us NOT NULL,
  expires_us cell.time_us NOT NULL,
  used_us    cell.time_us NOT NULL,
  revoked    boolean NOT NULL
);

CREATE TABLE cell.blob (
  digest   cell.sha256 NOT NULL,
  party_id bigint NOT NULL,
  size     bigint NOT NULL CHECK (size >= 0),
  at_us    cell.time_us NOT NULL,
  PRIMARY KEY (digest, party_id)
);

-- Every transaction of the controller begins with this: a controller whose
-- epoch has passed changes nothing, whatever it still believes.
CREATE FUNCTION cell.fence(e int, s bigint, j bigint, w bigint, c bigint,
                           v bigint, b bigint, p bigint, k bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE cell.writer SET serial = s,
      next_job = greatest(next_job, j),
      next_window = greatest(next_window, w),
      next_check = greatest(next_check, c),
      next_verdict = greatest(next_verdict, v),
      next_billing = greatest(next_billing, b),
      next_party = greatest(next_party, p),
      next_worker = greatest(next_worker, k)
    WHERE epoch = e AND serial < s;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'epoch % serial % is fenced off', e, s
      USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'another controller has started';
  END IF;
END $$;

-- A new controller begins: returns its epoch.
CREATE FUNCTION cell.begin_epoch() RETURNS int LANGUAGE plpgsql AS $$
DECLARE w cell.writer;
BEGIN
  SELECT * INTO w FROM cell.writer FOR UPDATE;
  INSERT INTO cell.epoch (epoch, last_serial) VALUES (w.epoch, w.serial);
  UPDATE cell.writer SET epoch = w.epoch + 1, serial = 0;
  RETURN w.epoch + 1;
END $$;

-- Whether batch (e, s) was committed.
CREATE FUNCTION cell.was_committed(e int, s bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT serial >= s FROM cell.writer WHERE epoch = e),
    (SELECT last_serial >= s FROM cell.epoch WHERE epoch = e), false)
$$;

CREATE FUNCTION cell.deny() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'cannot % %.%: its rows are kept',
      lower(TG_OP), TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

-- Nothing is ever deleted; results and verdicts never change either.
DO $$
DECLARE t text; what text;
BEGIN
  FOREACH t IN ARRAY ARRAY['writer', 'epoch', 'party', 'worker', 'job',
      'job_input', 'task', 'work_window', 'result', 'draw', 'verdict',
      'request', 'token', 'blob'] LOOP
    what := 'DELETE OR TRUNCATE';
    IF t IN ('epoch', 'job_input', 'result', 'verdict') THEN
      what := 'UPDATE OR ' || what;
    END IF;
    EXECUTE format('CREATE TRIGGER keep BEFORE %s ON cell.%I '
        'FOR EACH STATEMENT EXECUTE FUNCTION cell.deny()', what, t);
    EXECUTE format('ALTER TABLE cell.%I ENABLE ALWAYS TRIGGER keep', t);
  END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA cell TO fallow_ctl;
GRANT SELECT, REFERENCES ON ALL TABLES IN SCHEMA cell TO fallow_owner;

-- The journal: what a run did, so that the next process can go on, and what it set aside.
-- Additive: every statement may be run again on a database that has it.
CREATE SCHEMA IF NOT EXISTS ecluse;
COMMENT ON SCHEMA ecluse IS 'The journal of Écluse. Drop it only when `ecluse status` shows no unfinished run.';

CREATE TABLE IF NOT EXISTS ecluse.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    fingerprint text NOT NULL,
    plan jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('building', 'ready', 'switched', 'finished', 'rolled_back')),
    stage text NOT NULL,
    restarts integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    switched_at timestamptz,
    ended_at timestamptz,
    note text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS run_unfinished ON ecluse.run (migration)
    WHERE status IN ('building', 'ready', 'switched');

CREATE TABLE IF NOT EXISTS ecluse.step (
    run bigint NOT NULL REFERENCES ecluse.run ON DELETE CASCADE,
    name text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seconds double precision,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (run, name)
);

CREATE TABLE IF NOT EXISTS ecluse.chunk (
    run bigint NOT NULL REFERENCES ecluse.run ON DELETE CASCADE,
    flow text NOT NULL,
    lo bigint NOT NULL,
    hi bigint NOT NULL,
    rows bigint NOT NULL,
    ms double precision NOT NULL,
    PRIMARY KEY (run, flow, lo)
);

-- What must not change under a copy: the file of a captured table and its trigger.
CREATE TABLE IF NOT EXISTS ecluse.watch (
    run bigint NOT NULL REFERENCES ecluse.run ON DELETE CASCADE,
    alias text NOT NULL,
    relation oid NOT NULL,
    filenode bigint NOT NULL,
    trigger_xmins text NOT NULL,
    pages bigint NOT NULL,
    PRIMARY KEY (run, alias)
);

CREATE TABLE IF NOT EXISTS ecluse.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES ecluse.run ON DELETE CASCADE,
    flow text NOT NULL,
    alias text NOT NULL,
    source text NOT NULL,
    unit text,
    key text NOT NULL,
    reason text NOT NULL,
    row jsonb NOT NULL,
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'discarded', 'carried')),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS quarantine_unit ON ecluse.quarantine (run, flow, unit);

CREATE TABLE IF NOT EXISTS ecluse.parked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES ecluse.run ON DELETE CASCADE,
    flow text NOT NULL,
    alias text NOT NULL,
    source text NOT NULL,
    unit text,
    key text NOT NULL,
    reason text NOT NULL,
    row jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX IF NOT EXISTS parked_unit ON ecluse.parked (run, flow, unit);

-- Units that a rollback carried home under lock: what of them is to be parked is found after its commit.
CREATE TABLE IF NOT EXISTS ecluse.to_park (
    run bigint NOT NULL REFERENCES ecluse.run ON DELETE CASCADE,
    flow text NOT NULL,
    unit text NOT NULL
);

-- Without a key, nothing could be deleted from it where a publication takes all tables.
ALTER TABLE ecluse.to_park REPLICA IDENTITY FULL;

CREATE TABLE IF NOT EXISTS ecluse.proof (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES ecluse.run ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    moment text NOT NULL,
    passed boolean NOT NULL,
    result jsonb NOT NULL
);

-- What happened when, and how long each stage, each attempt under lock and each wait took.
CREATE TABLE IF NOT EXISTS ecluse.timeline (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES ecluse.run ON DELETE CASCADE,
    kind text NOT NULL,
    name text NOT NULL,
    began timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended timestamptz,
    seconds double precision,
    outcome text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS timeline_run ON ecluse.timeline (run);

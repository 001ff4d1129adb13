CREATE TYPE public.sport AS ENUM ('run', 'ride', 'other');
CREATE TYPE public.rank AS ENUM ('athlete', 'coach');
CREATE TABLE activities (
    id integer PRIMARY KEY,
    kind varchar(40) NOT NULL DEFAULT 'Run',
    note text,
    CONSTRAINT activities_kind_check CHECK (kind <> '')
);
CREATE INDEX activities_kind_idx ON activities (kind);
CREATE TABLE people (
    id integer PRIMARY KEY,
    rank varchar(20) NOT NULL DEFAULT 'athlete',
    CONSTRAINT people_rank_check CHECK (rank IN ('athlete', 'Coach', 'coach', 'trainer'))
);
CREATE VIEW runs AS SELECT id, note FROM activities WHERE note LIKE 'x%';
INSERT INTO activities SELECT i, (ARRAY['Run', 'run', 'TrailRun', 'RIDE', 'Cycling', 'E-Bike "x"', 'Yoga', 'other'])[1 + i % 8],
    'x' || i FROM generate_series(1, 200) i;
INSERT INTO people SELECT i, (ARRAY['athlete', 'Coach', 'coach', 'trainer'])[1 + i % 4] FROM generate_series(1, 40) i;

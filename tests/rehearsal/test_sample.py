"""A sample of rows: about as many as were asked for, the same each time, and no reference that leads nowhere."""

from __future__ import annotations

import psycopg
import pytest

from ecluse.model.names import Name
from ecluse.postgres.connect import Database
from ecluse.postgres.copies.copying import copy_database
from ecluse.postgres.copies.place import Place
from ecluse.postgres.copies.sample import Reference, Sample, foreign_keys
from ecluse.postgres.copies.source import Source
from tests.harness import load

TABLES = """
CREATE TABLE countries (code text PRIMARY KEY);
CREATE TABLE people (id uuid PRIMARY KEY, country text NOT NULL REFERENCES countries, boss uuid REFERENCES people,
    number integer UNIQUE);
CREATE TABLE teams (a integer, b text, lead uuid NOT NULL REFERENCES people, PRIMARY KEY (a, b));
CREATE TABLE members (person uuid NOT NULL REFERENCES people, a integer NOT NULL, b text NOT NULL,
    FOREIGN KEY (a, b) REFERENCES teams, PRIMARY KEY (person, a, b));
CREATE TABLE visits (id bigint PRIMARY KEY, person integer REFERENCES people (number), at date) PARTITION BY RANGE (id);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (4000);
CREATE TABLE visits_2 PARTITION OF visits DEFAULT;
CREATE TABLE eggs (id integer PRIMARY KEY, hen integer);
CREATE TABLE hens (id integer PRIMARY KEY, egg integer NOT NULL REFERENCES eggs);
ALTER TABLE eggs ADD FOREIGN KEY (hen) REFERENCES hens DEFERRABLE;
CREATE TABLE log (line text);
CREATE TABLE events (id integer PRIMARY KEY, who text);
CREATE TABLE orphans (id integer PRIMARY KEY, person uuid);

INSERT INTO countries SELECT 'c' || n FROM generate_series(1, 20) n;
INSERT INTO people SELECT md5(n::text)::uuid, 'c' || 1 + n % 20, CASE WHEN n > 1 THEN md5((n / 2)::text)::uuid END, n
    FROM generate_series(1, 4000) n;
INSERT INTO teams SELECT n % 50, 't' || n, md5((1 + n % 4000)::text)::uuid FROM generate_series(1, 2000) n;
INSERT INTO members SELECT md5((1 + n % 4000)::text)::uuid, n % 50, 't' || n FROM generate_series(1, 2000) n;
INSERT INTO visits SELECT n, CASE WHEN n % 5 > 0 THEN 1 + n % 4000 END, '2025-01-01' FROM generate_series(1, 8000) n;
INSERT INTO eggs SELECT n, NULL FROM generate_series(1, 3000) n;
INSERT INTO hens SELECT n, n FROM generate_series(1, 3000) n;
UPDATE eggs SET hen = id - 1 WHERE id > 1 AND id % 2 = 0;
INSERT INTO log SELECT 'line ' || n FROM generate_series(1, 3000) n;
INSERT INTO events SELECT n, md5((1 + n % 4000)::text)::uuid::text FROM generate_series(1, 5000) n;
INSERT INTO orphans SELECT n, md5('nobody' || n)::uuid FROM generate_series(1, 1500) n;
ALTER TABLE orphans ADD CONSTRAINT never FOREIGN KEY (person) REFERENCES people NOT VALID;
ANALYZE;
"""
KEYS = """
SELECT conrelid::regclass::text, confrelid::regclass::text,
    (SELECT string_agg(format('p.%I = c.%I', f.attname, o.attname), ' AND ') FROM unnest(conkey, confkey) k (o, f)
        JOIN pg_attribute o ON o.attrelid = conrelid AND o.attnum = k.o
        JOIN pg_attribute f ON f.attrelid = confrelid AND f.attnum = k.f),
    (SELECT string_agg(format('c.%I IS NOT NULL', attname), ' AND ') FROM pg_attribute
        WHERE attrelid = conrelid AND attnum = ANY (conkey))
FROM pg_constraint WHERE contype = 'f' AND convalidated
"""
SOFT = Reference(Name("public", "events"), ("who",), Name("public", "people"), ("id",), soft=True)


def count(database: Database, query: str) -> int:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        row = conn.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


def sampled(database: Database, place: Place, percent: float) -> Database:
    with Source(database) as source:
        tables = {t.name: t for t in source.catalog.tables.values()}
        sample = Sample(tables, (*foreign_keys(tables), SOFT), percent)
        copied = copy_database(source, "app", place, sample=sample)
        assert copied.fetched > 0
    return place.databases["app"]


def test_references_are_whole_and_the_share_is_about_right(database: Database, place: Place) -> None:
    load(database, TABLES)
    copy = sampled(database, place, 20)
    with psycopg.connect(copy.conninfo, autocommit=True) as conn:
        keys = conn.execute(KEYS.encode()).fetchall()
        assert len(keys) >= 9, "all foreign keys are there, and hold"
        for child, parent, match, full in keys:
            left = f"SELECT count(*) FROM {child} c WHERE {full} AND NOT EXISTS (SELECT FROM {parent} p WHERE {match})"
            assert conn.execute(left.encode()).fetchone() == (0,), (child, parent)
    assert (
        count(copy, "SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT FROM people WHERE id::text = e.who)") == 0
    )
    assert count(copy, "SELECT count(*) FROM countries") == 20, "a short list is taken whole"
    whole = {"people": 4000, "members": 2000, "visits": 8000, "log": 3000, "events": 5000, "orphans": 1500}
    shares = {name: count(copy, f"SELECT count(*) FROM {name}") / rows for name, rows in whole.items()}
    for name in ("members", "visits", "log", "events", "orphans"):
        assert shares[name] == pytest.approx(0.2, abs=0.06), shares
    # Bosses, and people whom a team needs, come along.
    assert 0.2 < shares["people"] < 0.6, shares
    # Children follow: of a person who was drawn, all visits are there.
    drawn = "(abs(hashtextextended(id::text, 0) % 1000000) < 200000)"
    for database_ in (database, copy):
        visits = (
            f"SELECT count(*) FROM visits v JOIN people p ON p.number = v.person WHERE {drawn.replace('id', 'p.id')}"
        )
        assert count(database_, visits) == count(database, visits)


def test_the_same_rows_are_drawn_each_time(database: Database, place: Place) -> None:
    load(database, TABLES)
    digest = "SELECT hashtext(string_agg(id::text, ',' ORDER BY id)) FROM people"
    first = count(sampled(database, place, 5), digest)
    assert count(sampled(database, place, 5), digest) == first
    assert count(sampled(database, place, 6), digest) != first

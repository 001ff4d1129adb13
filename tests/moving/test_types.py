"""Values of every kind, from each version of the server to the newest, and back."""

from __future__ import annotations

from pathlib import Path

from ecluse.postgres.connect import Database
from tests.harness import load
from tests.moving.places import Places, rows

TYPES = """
CREATE TYPE public.mood AS ENUM ('glad', 'sad');
CREATE DOMAIN public.short AS text CHECK (length(VALUE) < 30);
CREATE TYPE public.point3 AS (x int, y numeric, z text);
"""
TABLE = """
CREATE TABLE public."Odd Things" (
    a bigint, b text COLLATE "C", "C c" varchar(20), d char(5), e numeric(30, 10), f double precision, g real,
    h timestamptz, i timestamp, j date, k time, l timetz, m interval, n bytea, o boolean, p jsonb, q json, r uuid,
    s int[], t text[][], u public.mood, v public.short, w public.point3, x inet, y public.mood[], z bit varying,
    PRIMARY KEY (a, b)
);
INSERT INTO public."Odd Things" VALUES
    (1, 'x', 'v', 'c  ', 1.10, '-0', 'NaN', 'infinity', '-infinity', 'infinity', '24:00', '23:59:59.999999+14',
     '1 mon -1 day 00:00:00.000001', '\\x00ff5c0a', true, '{"b": 1.10, "a": [null, "\\u00e9"]}', '{"b": 1.10,  "a": 1}',
     gen_random_uuid(), '{1,NULL,3}', '{{a,"b,c"},{"\\\\","NULL"}}', 'sad', 'it''s', '(1,2.50,"q ""z"" \\\\")',
     '10.0.0.1/8', '{glad,sad}', B'1010'),
    (-9223372036854775808, E'\\t\\n\\\\N', NULL, NULL, 'NaN', 'infinity', '1e-45', '4713-01-01 BC', NULL, NULL, NULL,
     NULL, NULL, '', false, 'null', 'null', NULL, '{}', '{}', NULL, NULL, '(,,)', NULL, '{}', B''),
    (9223372036854775807, repeat('é', 5000), '', '', 12345678901234567890.0123456789, 0.1, 0.1,
     '294276-12-31 23:59:59.999999+00',
     '0001-01-01 BC', '5874897-12-31', '00:00', '00:00-14', '178000000 years', decode(repeat('00', 9000), 'hex'), NULL,
     '[]', '[]', gen_random_uuid(), NULL, NULL, 'glad', '', NULL, '::1', NULL, NULL);
INSERT INTO public."Odd Things" (a, b) SELECT n, n::text FROM generate_series(10, 500) n;
"""
MIGRATION = """
name = "bring"
[[operation]]
kind = "move_table"
from = "origin"
table = 'public."Odd Things"'
"""
ALL = 'SELECT t::text FROM public."Odd Things" t ORDER BY a, b COLLATE "C"'


def test_every_kind_of_value_arrives_and_comes_home(
    any_server_database: Database, database: Database, tmp_path: Path
) -> None:
    for each in (any_server_database, database):
        load(each, TYPES)
    load(any_server_database, TABLE)
    file = tmp_path / "bring.toml"
    file.write_text(MIGRATION)
    places = Places(database, file, origin=any_server_database)
    before = rows(any_server_database, ALL)
    assert len(before) == 494
    places.apply()
    places.switch()
    places.verify()
    assert rows(database, ALL) == before
    load(database, "UPDATE public.\"Odd Things\" SET a = a + 1000, u = 'glad', e = 2.50 WHERE a BETWEEN 10 AND 400")
    after = rows(database, ALL)
    places.verify()
    places.rollback()
    assert rows(any_server_database, ALL) == after
    assert rows(database, "SELECT count(*) FROM ecluse.parked") == [(0,)]

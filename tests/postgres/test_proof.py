"""The verifier, verified: faults are planted, one at a time, and each must be found and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from ecluse.errors import DatabaseError, Interrupted, OurBug
from ecluse.model.report import Comparison
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.proof.checksum import second_hash
from ecluse.proof.compare import Pair, Relation, compare, compare_all, compare_here, quick_equal
from ecluse.proof.readers import readers

# name: type, the value, the value it was corrupted to
VALUE_FAULTS = {
    "null to empty": ("text", "NULL", "''"),
    "null to the word": ("text", "NULL", "'<null>'"),
    "null to NULL": ("text", "NULL", "'NULL'"),
    "trailing blank": ("text", "'a'", "'a '"),
    "leading blank": ("text", "'a'", "' a'"),
    "case": ("text", "'Ecluse'", "'ecluse'"),
    "accent composed otherwise": ("text", "U&'\\00C9'", "U&'E\\0301'"),
    "newline": ("text", "E'a\\nb'", "E'a\\r\\nb'"),
    "varchar blank": ("varchar(5)", "'a'", "'a '"),
    "bpchar blank": ("bpchar", "'a'", "'a '"),
    "bpchar null to empty": ("char(3)", "NULL", "''"),
    "name": ("name", "'a'", "'A'"),
    "internal char": ('"char"', "'a'", "'b'"),
    "float8 1e-15": ("float8", "1e-15", "2e-15"),
    "float8 last bit": ("float8", "0.1::float8 + 0.2::float8", "0.3"),
    "float8 minus zero": ("float8", "0", "'-0'"),
    "float8 nan": ("float8", "'NaN'", "'Infinity'"),
    "float8 nan to null": ("float8", "'NaN'", "NULL"),
    "float4 last bit": ("float4", "16777216", "16777214"),
    "float4 minus zero": ("float4", "0", "'-0'"),
    "numeric scale": ("numeric", "1.1", "1.10"),
    "numeric far digit": ("numeric", "1e-40", "2e-40"),
    "numeric nan": ("numeric", "'NaN'", "0"),
    "smallint": ("smallint", "1", "-1"),
    "bigint that folds to the same hash": ("bigint", "0", "4294967297"),
    "bool": ("bool", "NULL", "false"),
    "microsecond": ("timestamptz", "'2024-01-01 00:00:00.000001Z'", "'2024-01-01 00:00:00.000002Z'"),
    "timestamp that folds to the same hash": ("timestamp", "'2000-01-01'", "'2000-01-01 01:11:34.967297'"),
    "infinity": ("timestamptz", "'infinity'", "'-infinity'"),
    "date": ("date", "'0001-01-01'", "'0001-01-01 BC'"),
    "timetz zone": ("timetz", "'12:00+01'", "'11:00+00'"),
    "time": ("time", "'24:00'", "'00:00'"),
    "interval of equal length": ("interval", "'1 month'", "'30 days'"),
    "byte": ("bytea", "'\\x00ff'", "'\\x00fe'"),
    "bytea to its text": ("bytea", "'\\x61'", "'\\x5c783631'"),
    "uuid": ("uuid", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
    "jsonb value": ("jsonb", "'{\"a\": 1}'", '\'{"a": "1"}\''),
    "jsonb number scale": ("jsonb", "'[1.1]'", "'[1.10]'"),
    "jsonb null to null": ("jsonb", "NULL", "'null'"),
    "jsonb to a string of it": ("jsonb", "'{\"a\": 1}'", "to_jsonb('{\"a\": 1}'::text)"),
    "json whitespace": ("json", "'{\"a\": 1}'", "'{\"a\":1}'"),
    "json key order": ("json", '\'{"a":1,"b":2}\'', '\'{"b":2,"a":1}\''),
    "array null to the word": ("text[]", "ARRAY[NULL]::text[]", "ARRAY['NULL']"),
    "array empty to null": ("text[]", "'{}'", "NULL"),
    "array empty to one of null": ("int[]", "'{}'", "'{NULL}'"),
    "array bounds": ("int[]", "'{1,2}'", "'[0:1]={1,2}'"),
    "array order": ("int[]", "'{1,2}'", "'{2,1}'"),
    "array separator": ("text[]", "ARRAY['a,b']", "ARRAY['a','b']"),
    "float array minus zero": ("float8[]", "'{0}'", "'{-0}'"),
    "enum": ("public.mood", "'sad'", "'ok'"),
    "enum whose cast to text says less": ("public.weather", "'rain'", "'sun'"),
    "domain over such an enum": ("public.sky", "'rain'", "'sun'"),
    "domain": ("public.percent", "1", "1.0"),
    "composite of nulls": ("public.both", "NULL", "ROW(NULL, NULL)::public.both"),
    "composite field": ("public.both", "ROW(1, 'a,b')::public.both", "ROW(1, 'a b')::public.both"),
    "range bound": ("int4range", "'empty'", "NULL"),
    "tsvector": ("tsvector", "'a:1'", "'a:2'"),
    "inet mask": ("inet", "'10.0.0.1'", "'10.0.0.1/24'"),
    "bit length": ("varbit", "B'1'", "B'10'"),
    "money": ("money", "1", "1.01"),
    "point": ("point", "'(0,1)'", "'(0,1.0000000000000002)'"),
    "oid": ("oid", "0", "1"),
}

TYPES = """
    CREATE TYPE public.mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN public.percent AS numeric CHECK (VALUE < 101);
    CREATE TYPE public.both AS (a int, b text);
    CREATE TYPE public.weather AS ENUM ('rain', 'sun');
    CREATE FUNCTION public.told(public.weather) RETURNS text LANGUAGE sql AS 'SELECT ''weather''::text';
    CREATE CAST (public.weather AS text) WITH FUNCTION public.told(public.weather);
    CREATE DOMAIN public.sky AS public.weather;
"""

COLUMNS = ("id", "a", "b")


@pytest.fixture
def connect(any_server_database: Database) -> Callable[[], Session]:
    with open_session(any_server_database) as session:
        session.execute(TYPES)
    return lambda: open_session(any_server_database)


def build(session: Session, kind: str, value: str = "NULL") -> None:
    """Tables l and r with the same 40 rows; row 7 has the value."""
    session.execute(
        f"""DROP TABLE IF EXISTS public.l, public.r;
        CREATE TABLE public.l (id int, a {kind}, b text);
        INSERT INTO public.l SELECT g, NULL, 'b' || g FROM pg_catalog.generate_series(1, 40) g;
        UPDATE public.l SET a = {value} WHERE id = 7;
        CREATE TABLE public.r AS TABLE public.l""".encode()
    )


def halves(table: str, columns: tuple[str, ...] = COLUMNS, key: tuple[str, ...] = ("id",)) -> Relation:
    return Relation(tuple(f"SELECT * FROM public.{table} WHERE id {op} 20" for op in ("<=", ">")), columns, key)


def pair(key: tuple[str, ...] = ("id",), columns: tuple[str, ...] = COLUMNS) -> Pair:
    return Pair("public.r", "forward", halves("l", columns, key), halves("r", columns, key))


def kinds(found: Comparison) -> list[tuple[str, str]]:
    return [(difference.key, difference.kind) for difference in found.differences]


@pytest.mark.parametrize("fault", VALUE_FAULTS)
def test_a_changed_value_is_found(connect: Callable[[], Session], fault: str) -> None:
    kind, value, corrupted = VALUE_FAULTS[fault]
    with connect() as session:
        build(session, kind, value)
        same = compare_here(session, pair())
        assert same.equal and same.left_rows == 40 and not same.more
        session.execute(f"UPDATE public.r SET a = {corrupted} WHERE id = 7".encode())
        found = compare_here(session, pair())
        assert not found.equal
        assert kinds(found) == [("7", "different")]
        assert found.differences[0].columns == ("a",)
        assert found.differences[0].left == {} and found.more == 0
        assert not quick_equal(session, "SELECT * FROM public.l", "SELECT * FROM public.r", COLUMNS)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("x", "|y"), ("x|", "y")),
        (("x,", "y"), ("x", ",y")),
        (('x"', "y"), ("x", '"y')),
        (("x)", "(y"), ("x", ")(y")),
        (("x\\", "y"), ("x", "\\y")),
        (("xy", ""), ("x", "y")),
        (("x", "y"), ("y", "x")),
        ((None, "x"), ("x", None)),
        (("", None), (None, "")),
    ],
)
def test_what_moves_between_columns_is_found(
    connect: Callable[[], Session], left: tuple[str | None, ...], right: tuple[str | None, ...]
) -> None:
    with connect() as session:
        build(session, "text")
        for table, values in (("l", left), ("r", right)):
            session.execute(f"UPDATE public.{table} SET a = %s, b = %s WHERE id = 7".encode(), values)
        assert kinds(compare_here(session, pair())) == [("7", "different")]


ROW_FAULTS = {
    "missing": ("DELETE FROM public.r WHERE id = 7", [("7", "missing")]),
    "extra": ("INSERT INTO public.r VALUES (41, NULL, 'b')", [("41", "extra")]),
    "extra of nulls": ("INSERT INTO public.r VALUES (41, NULL, NULL)", [("41", "extra")]),
    "duplicate": ("INSERT INTO public.r SELECT * FROM public.r WHERE id = 7", [("7", "duplicate")]),
    "duplicate for another": (
        "DELETE FROM public.r WHERE id = 8; INSERT INTO public.r SELECT * FROM public.r WHERE id = 7",
        [("7", "duplicate"), ("8", "missing")],
    ),
    "duplicated twice": (
        "INSERT INTO public.r SELECT r.* FROM public.r, pg_catalog.generate_series(1, 2) WHERE id = 7",
        [("7", "duplicate"), ("7", "duplicate")],
    ),
    "swapped between keys": (
        "UPDATE public.r SET b = CASE id WHEN 7 THEN 'b8' ELSE 'b7' END WHERE id IN (7, 8)",
        [("7", "different"), ("8", "different")],
    ),
    "another key": ("UPDATE public.r SET id = 50 WHERE id = 7", [("50", "extra"), ("7", "missing")]),
    "null key": ("UPDATE public.r SET id = NULL WHERE id = 7", [("7", "missing")]),
    "empty": ("TRUNCATE public.r", [(str(n), "missing") for n in sorted(range(1, 41), key=str)]),
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_changed_set_of_rows_is_found(connect: Callable[[], Session], fault: str) -> None:
    script, expected = ROW_FAULTS[fault]
    with connect() as session:
        build(session, "int")
        session.execute(script.encode())
    found = compare(connect, pair(), limit=100)
    assert kinds(found) == expected and not found.equal and found.more == 0


def test_without_a_key_rows_are_missing_extra_or_duplicate(connect: Callable[[], Session]) -> None:
    with connect() as session:
        build(session, "int")
        session.execute("UPDATE public.r SET a = 1 WHERE id = 7")
        session.execute("INSERT INTO public.r SELECT * FROM public.r WHERE id = 8")
    found = compare(connect, pair(key=()), show_values=True)
    assert kinds(found) == [("", "duplicate"), ("", "extra"), ("", "missing")]
    assert found.differences[1].right == {"id": "7", "a": "1", "b": "b7"}
    assert found.differences[2].left == {"id": "7", "a": None, "b": "b7"}


@pytest.mark.parametrize("name", ["p", "m", "h", "t", "k", "h1"])
def test_a_column_may_have_any_short_name(connect: Callable[[], Session], name: str) -> None:
    with connect() as session:
        build(session, "jsonb", "'{\"a\": 1}'")
        for table in "lr":
            session.execute(f'ALTER TABLE public.{table} RENAME a TO "{name}"'.encode())
        session.execute(f"UPDATE public.r SET {name} = '[]' WHERE id = 7".encode())
    found = compare(connect, pair(columns=("id", name, "b")), show_values=True)
    assert kinds(found) == [("7", "different")]
    assert found.differences[0].right == {name: "[]"}


def test_secrets_are_not_shown_even_when_asked_for(connect: Callable[[], Session]) -> None:
    with connect() as session:
        build(session, "text", "'of a person'")
        for table in "lr":
            session.execute(f"ALTER TABLE public.{table} RENAME a TO access_token".encode())
        session.execute("UPDATE public.r SET access_token = 'of another' WHERE id = 7")
    found = compare(connect, pair(columns=("id", "access_token", "b")), show_values=True)
    assert kinds(found) == [("7", "different")]
    assert (found.differences[0].left, found.differences[0].right) == ({"access_token": "***"},) * 2


def test_values_are_shown_only_when_asked_for(connect: Callable[[], Session]) -> None:
    with connect() as session:
        build(session, "text", "'100% sécret, \"quoted\"'")
        session.execute("UPDATE public.r SET a = '' WHERE id = 7")
    hidden, shown = compare(connect, pair()), compare(connect, pair(), show_values=True)
    assert "sécret" not in repr(hidden)
    assert shown.differences[0].left == {"a": '100% sécret, "quoted"'}
    assert shown.differences[0].right == {"a": ""}


def test_a_key_of_several_columns_and_names_for_the_report(connect: Callable[[], Session]) -> None:
    with connect() as session:
        build(session, "text")
        session.execute("UPDATE public.r SET a = '' WHERE id = 7")
    left = Relation(("SELECT id AS x, a AS y, b AS z FROM public.l -- a comment",), ("x", "y", "z"), ("x", "z"))
    found = compare(connect, Pair("r", "forward", left, halves("r", key=("id", "b")), COLUMNS))
    assert kinds(found) == [("(7,b7)", "different")]
    assert found.differences[0].columns == ("a",)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ('\'{"a":1,"b":2}\'::jsonb', '\'{"b":2, "a":1}\'::jsonb', True),
        ("1::int2", "1::int8", True),
        ("'a'::varchar", "'a'::text", True),
        ("'NaN'::float8", "-('NaN'::float8)", True),
        ("1::int", "'1'::text", True),  # types that cannot be sent alike are compared as text
        ("'a'::char(3)", "'a'::text", False),
        ("1.0::numeric", "1::int", False),
        ("'A'::public.mood2", "'A'::text", True),
        ("'x'::public.word", "'x'::text", True),
        ("NULL::int", "NULL::text", True),
        ("''::text", "NULL::int", False),
    ],
)
def test_what_is_equal_across_types(connect: Callable[[], Session], left: str, right: str, equal: bool) -> None:
    with connect() as session:
        session.execute("CREATE TYPE public.mood2 AS ENUM ('A'); CREATE DOMAIN public.word AS text")
        assert quick_equal(session, f"SELECT {left} AS v", f"SELECT {right} AS v", ("v",)) is equal


def test_a_collation_for_which_different_strings_are_equal(connect: Callable[[], Session]) -> None:
    with connect() as session:
        if not session.execute("SELECT FROM pg_catalog.pg_collation WHERE collprovider = 'i' LIMIT 1").fetchone():
            pytest.skip("this server has no ICU")
        session.execute(
            "CREATE COLLATION public.blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
        )
        build(session, "text COLLATE public.blind", "'Ecluse'")
        session.execute("UPDATE public.r SET a = 'écluse' WHERE id = 7")
        assert kinds(compare_here(session, pair())) == [("7", "different")]


def test_rows_without_columns_are_counted(connect: Callable[[], Session]) -> None:
    with connect() as session:
        assert quick_equal(session, "SELECT FROM pg_catalog.generate_series(1, 3)", "VALUES (1), (2), (3)", ())
        assert not quick_equal(session, "SELECT", "SELECT FROM pg_catalog.generate_series(1, 2)", ())


def test_a_table_as_wide_as_tables_can_be(connect: Callable[[], Session]) -> None:
    names = tuple(f"c{n}" for n in range(1600))
    with connect() as session:
        session.execute(f"CREATE TABLE public.l ({', '.join(f'{name} bool' for name in names)})".encode())
        session.execute("INSERT INTO public.l (c1, c1599) VALUES (true, false)")
        session.execute("CREATE TABLE public.r AS TABLE public.l; UPDATE public.r SET c1599 = NULL")
        sides = (Relation((f"TABLE public.{table}",), names, ("c1",)) for table in "lr")
        found = compare_here(session, Pair("r", "forward", *sides), show_values=True)
        assert found.differences[0].columns == ("c1599",) and found.differences[0].left == {"c1599": "f"}


def test_many_differences_are_counted(connect: Callable[[], Session]) -> None:
    with connect() as session:
        session.execute(
            """CREATE TABLE public.l AS SELECT g AS id, 0 AS a, 'x' AS b FROM pg_catalog.generate_series(1, 120000) g;
            CREATE TABLE public.r AS TABLE public.l; UPDATE public.r SET a = 1 WHERE id % 100 = 0"""
        )
        few = compare(connect, pair(), limit=3)
        assert len(few.differences) == 3 and few.more == 1197
        session.execute("UPDATE public.r SET a = 2")
        every = compare(connect, pair(), limit=3)
        assert len(every.differences) == 3 and every.more == 119_997


def test_one_scan_serves_several_relations_and_rows_can_be_picked(connect: Callable[[], Session]) -> None:
    with connect() as session:
        build(session, "int", "1")
        query = ("SELECT id, a, b, id < 30 AS low, id > 35 AS high FROM public.l",)
        low = Relation(query, COLUMNS, ("id",), "low")
        high = Relation(query, ("id", "b"), ("id",), "high")
        pairs = [
            Pair("low", "forward", low, Relation(("SELECT * FROM public.r WHERE id < 30",), COLUMNS, ("id",))),
            Pair("high", "forward", high, Relation(("SELECT * FROM public.r WHERE id > 34",), ("id", "b"), ("id",))),
            Pair("none", "forward", Relation((), COLUMNS), Relation((), COLUMNS)),
            Pair("nothing", "forward", Relation((), COLUMNS), Relation(("TABLE public.r",), COLUMNS)),
        ]
        told: list[tuple[int, int]] = []
        with readers(connect, 2) as both:
            found = compare_all(pairs, both, progress=lambda done, total: told.append((done, total)))
    assert [c.equal for c in found] == [True, False, True, False]
    assert [c.left_rows for c in found] == [29, 5, 0, 0]
    assert kinds(found[1]) == [("35", "extra")]
    assert len(found[3].differences) == 20 and found[3].more == 20
    assert told[-1] == (4, 4)


def test_two_databases(connect: Callable[[], Session], second_database: Database) -> None:
    with connect() as session, open_session(second_database) as second:
        build(session, "text", "'x'")
        second.execute(TYPES)
        build(second, "text", "'y'")
    with readers(connect, 2) as left, readers(lambda: open_session(second_database), 1) as right:
        assert kinds(compare_all([pair()], left, right)[0]) == [("7", "different")]


def test_sessions_must_be_pinned(connect: Callable[[], Session]) -> None:
    with connect() as session:
        session.execute("SET TimeZone = 'Europe/Paris'")
        session.execute("SET row_security = on")
        with pytest.raises(OurBug) as caught:
            quick_equal(session, "SELECT 1 AS v", "SELECT 1 AS v", ("v",))
    assert caught.value.details == "TimeZone is 'Europe/Paris', row_security is 'on'"


def test_all_parts_are_read_at_one_snapshot_while_writers_write(connect: Callable[[], Session]) -> None:
    done = threading.Event()

    def write() -> None:
        with connect() as session:
            number = 0
            while not done.is_set():
                number += 1
                with session.transaction():
                    for table in "lr":
                        values = (number % 40 + 1, number, number)
                        session.execute(f"DELETE FROM public.{table} WHERE id = %s".encode(), values[:1])
                        session.execute(f"INSERT INTO public.{table} VALUES (%s, %s, %s)".encode(), values)

    with connect() as session:
        build(session, "int")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [compare(connect, pair(), workers=3) for _ in range(15)]
    finally:
        done.set()
        writer.join()
    assert all(c.equal for c in found)
    assert len({c.left_sum for c in found}) > 1  # the writer was at work


def test_a_snapshot_of_another_transaction(connect: Callable[[], Session]) -> None:
    with connect() as session, connect() as other:
        build(session, "int")
        with session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            (snapshot,) = session.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone() or ("",)
            other.execute("DELETE FROM public.r WHERE id < 30")
            with readers(connect, 2, snapshot=snapshot) as both:
                assert compare_all([pair()], both)[0].equal
    assert not compare(connect, pair()).equal


def test_it_stops_when_told(connect: Callable[[], Session]) -> None:
    stop = threading.Event()
    slow = Relation(tuple(f"SELECT {n} AS v, pg_catalog.pg_sleep(60)::text AS s" for n in range(5)), ("v", "s"))
    threading.Timer(0.5, stop.set).start()
    with readers(connect, 2, stop=stop) as both, pytest.raises(Interrupted):
        compare_all([Pair("slow", "forward", slow, slow)], both)


def test_an_error_of_the_server_is_raised_once_without_the_value(connect: Callable[[], Session]) -> None:
    with connect() as session:
        build(session, "text", "'sécret'")
    bad = tuple(f"SELECT a::int AS v FROM public.l WHERE {n} > 0 AND id = 7" for n in range(1, 6))
    broken = Pair("l", "forward", Relation(bad, ("v",)), Relation(bad, ("v",)))
    with pytest.raises(DatabaseError) as caught:
        compare(connect, broken)
    assert caught.value.sqlstate == "22P02" and "sécret" not in str(caught.value)


def test_the_second_sum_tells_sets_that_only_add_up_to_the_same(connect: Callable[[], Session]) -> None:
    """The hashes 1 and 4 have the sum of 2 and 3."""
    with connect() as session:
        sums = [
            session.execute(
                f"SELECT sum(h), sum({second_hash('h')}) FROM unnest(%s::bigint[]) h".encode(), (hashes,)
            ).fetchone()
            for hashes in ([1, 4], [2, 3])
        ]
    assert sums[0] and sums[1]
    assert sums[0][0] == sums[1][0]
    assert sums[0][1] != sums[1][1]


def test_the_second_hash_is_of_all_bits_of_the_first(database: Database) -> None:
    """That of a bigint is the same where both halves, taken together, are."""
    first, other = "5::bigint", "((1::bigint << 32) + 4)"
    with psycopg.connect(database.conninfo) as conn:
        found = conn.execute(
            f"SELECT hashint8extended({first}, 1) = hashint8extended({other}, 1), "
            f"{second_hash(first)} = {second_hash(other)}".encode()
        ).fetchone()
    assert found == (True, False)

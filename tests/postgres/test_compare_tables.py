"""`ecluse compare` below the command line: what it finds, what it must not find, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from benchmarks.verify.tables import DUPLICATED, SHAPES
from psycopg.conninfo import make_conninfo

from ecluse.errors import CannotCompare, EcluseError, MappingError, MissingRights, NotInDatabase, WrongUsage
from ecluse.model.names import Name
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.proof.choice import Asked
from ecluse.proof.key_map import KeyMap
from ecluse.proof.tables import Compared, Effort, Place, compare_tables
from tests.conftest import MAJORS

ROWS = 240
WIDE = SHAPES[30]


def execute(database: Database, *statements: str) -> None:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


def compare(
    a: Database, one: str, other: str, b: Database | None = None, *, key_map: KeyMap | None = None, **asked: object
) -> Compared:
    places = Place(a, Name.parse(one)), Place(b or a, Name.parse(other))
    return compare_tables(*places, Asked(**asked), Effort(show_values=True), key_map)  # type: ignore[arg-type]


def rows(found: Compared) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(d.key, d.kind, d.columns) for d in found.comparison.differences]


@pytest.fixture
def elsewhere(servers: Callable[[int], EmbeddedServer]) -> Iterator[Database]:
    """A database on the oldest server there is: another one than that of `database`."""
    server = servers(MAJORS[-1])
    yield Database("elsewhere", server.create_database("compared"))
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute("DROP DATABASE compared WITH (FORCE)")


def test_the_twelve_faults_are_found_and_nothing_else(database: Database, elsewhere: Database) -> None:
    """In one database, and between two servers of different versions."""
    for each in (database, elsewhere):
        execute(each, *WIDE.create(ROWS))
    pairs = [(database, None), (database, elsewhere), (elsewhere, database)]
    for a, b in pairs:
        same = compare(a, "first", "second", b)
        assert same.equal and same.choice.key == ("id",) and same.comparison.left_rows == ROWS
        assert compare(a, "loose_first", "loose_second", b).equal
    faults = WIDE.faults(ROWS)
    for each in (database, elsewhere):
        execute(each, DUPLICATED, *(statement for fault in faults for statement in fault.plant()))
    kinds = {"missing row": "missing", "extra row": "extra"}
    wanted = {(str(f.key), kinds.get(f.name, "different")) for f in faults if not f.equal}
    assert len(faults) == 11 and len(wanted) == 10
    for a, b in pairs:
        found = compare(a, "first", "second", b)
        assert {(key, kind) for key, kind, _ in rows(found)} == wanted and not found.equal and not found.comparison.more
        assert [kind for _, kind, _ in rows(compare(a, "loose_first", "loose_second", b))] == ["duplicate"]


PEOPLE = """
CREATE TABLE people (no int PRIMARY KEY, name text, born date, secret text, kept text);
INSERT INTO people SELECT i, 'Name ' || i, date '2000-01-01' + i, 's' || i, 'k' FROM generate_series(1, 40) i;
CREATE TABLE accounts (id uuid PRIMARY KEY, called text, born text, kept text);
INSERT INTO accounts SELECT md5(no::text)::uuid, upper(name), born::text, kept FROM people;
CREATE TABLE ids AS SELECT 0 AS "from", no AS old, md5(no::text) AS new FROM people;
"""
CALLED = {"called": "upper(name)"}


def test_keys_are_mapped_by_a_table_a_file_or_an_expression(database: Database, tmp_path: Path) -> None:
    execute(database, PEOPLE)
    table, mapped = KeyMap(Name("public", "ids"), "old", "new"), {**CALLED, "id": "no"}
    file = KeyMap(tmp_path / "ids.csv", "old", "new")
    with psycopg.connect(database.conninfo) as conn:
        pairs = conn.execute("SELECT old, upper(new) FROM ids").fetchall()
    assert isinstance(file.source, Path)
    file.source.write_text("old,why,new\n" + "".join(f"{old},x,{new}\n" for old, new in pairs))
    ways = [(table, mapped), (file, mapped), (None, {**CALLED, "id": "md5(m.no::text)::uuid -- as it was"})]

    def all_ways(**further: object) -> list[Compared]:
        return [
            compare(database, "people", "accounts", key_map=key_map, mapped=map_, exclude=("secret",), **further)
            for key_map, map_ in ways
        ]

    for found in all_ways():
        assert found.equal and found.comparison.left_rows == 40
        assert ("born", "date", "text") in found.types
    execute(database, "UPDATE accounts SET called = 'X' WHERE id = md5('7')::uuid")
    with psycopg.connect(database.conninfo) as conn:
        (seven, one), *_ = conn.execute("SELECT md5('7')::uuid::text, md5('1')::uuid::text").fetchall()
    for found in all_ways():
        assert rows(found) == [(seven, "different", ("called",))]
        assert found.comparison.differences[0].left == {"called": "NAME 7"}
    # A condition over the row as it is compared: over A's, what is mapped is what it is mapped to.
    assert all(not f.equal and f.comparison.left_rows == 1 for f in all_ways(where="called IN ('X', 'NAME 7')"))
    assert all(f.equal and f.comparison.left_rows == 39 for f in all_ways(where="called NOT IN ('X', 'NAME 7')"))
    execute(database, "DELETE FROM ids WHERE old = 1")
    found = compare(database, "people", "accounts", key_map=table, mapped=mapped, exclude=("secret",))
    assert {("not in the key map: 1", "missing"), (one, "extra")} <= {(key, kind) for key, kind, _ in rows(found)}
    # Neither a key that is NULL nor a condition over the key hides a row that is not in the map.
    execute(
        database,
        "ALTER TABLE accounts DROP CONSTRAINT accounts_pkey",
        "ALTER TABLE accounts ALTER id DROP NOT NULL",
        "UPDATE accounts SET id = NULL WHERE id = md5('1')::uuid",
        "UPDATE accounts SET called = 'NAME 7' WHERE called = 'X'",
    )
    for where, seen in (("", 1), ("id > '00000000-0000-0000-0000-000000000000'", 1), ("kept = 'other' AND id = id", 0)):
        found = compare(
            database, "people", "accounts", key_map=table, key=("id",), mapped=mapped, exclude=("secret",), where=where
        )
        assert [k for k, *_ in rows(found)].count("not in the key map: 1") == seen and found.equal is not bool(seen)
    execute(database, "INSERT INTO ids SELECT * FROM ids WHERE old IN (2, 3)")
    with pytest.raises(CannotCompare, match="several new keys for 2 old keys"):
        compare(database, "people", "accounts", key_map=table, mapped=mapped, key=("id",), exclude=("secret",))


def test_what_one_side_has_alone_is_told_and_is_a_difference(database: Database) -> None:
    execute(database, PEOPLE, "CREATE TABLE others AS SELECT no, name, born, kept, 1 AS more FROM people")
    found = compare(database, "people", "others")
    assert (found.choice.only_in_a, found.choice.only_in_b) == (("secret",), ("more",))
    assert found.comparison.equal and not found.equal and found.choice.key == ("no",)
    assert compare(database, "people", "others", exclude=("secret", "more")).equal
    execute(database, "UPDATE others SET kept = 'other' WHERE no = 5")
    some = compare(database, "people", "others", columns=("name", "born"))
    assert some.equal and some.choice.columns == ("no", "name", "born")  # what tells rows apart is compared as well
    assert rows(compare(database, "people", "others", columns=("kept",))) == [("5", "different", ("kept",))]
    # Without the key, rows are a multiset.
    keyless = compare(database, "people", "others", exclude=("no", "secret", "more", "name", "born"))
    assert keyless.choice.key == () and [kind for _, kind, _ in rows(keyless)] == ["duplicate", "extra"]


REFUSED: dict[str, tuple[dict[str, object], type[EcluseError], str]] = {
    "no such key": ({"key": ("names",)}, NotInDatabase, "--key: B has no column 'names'; did you mean 'name'"),
    "no such column": ({"columns": ("nme",)}, NotInDatabase, "did you mean 'name'"),
    "on one side": ({"columns": ("more",)}, NotInDatabase, "--columns: A has no column 'more'"),
    "nothing to exclude": ({"exclude": ("nowhere",)}, NotInDatabase, "neither side has a column 'nowhere'"),
    "in and out": ({"key": ("no",), "exclude": ("no",)}, WrongUsage, "to be compared, and to be left out"),
    "nothing left": ({"exclude": ("no", "name", "born", "kept")}, WrongUsage, "no column to compare"),
    "mapped to nothing": ({"mapped": {"gone": "1"}}, NotInDatabase, "--map: B has no column 'gone'"),
    "mapped from nothing": ({"mapped": {"name": "nam"}}, NotInDatabase, "--map name: A has no column 'nam'"),
    "another row": ({"mapped": {"name": "(SELECT 'x')"}}, MappingError, "--map name: a mapping sees one row"),
    "a set of rows": ({"mapped": {"name": "max(name)"}}, MappingError, "reads several"),
    "each time another": ({"mapped": {"name": "now()::text"}}, MappingError, "differs each time"),
    "more than one": ({"where": "true); DELETE FROM people; --"}, MappingError, "--where"),
    "a torn bracket": ({"where": "no = 1) OR (no = 2"}, MappingError, "closes a bracket that it has not opened"),
    "no function": ({"where": "unknown_one(name)"}, CannotCompare, "unknown_one"),
    "no number": ({"mapped": {"no": "name::int"}}, CannotCompare, "invalid input syntax"),
}


def test_what_cannot_be_compared_is_refused_with_a_reason(database: Database) -> None:
    execute(database, PEOPLE, "CREATE TABLE others AS SELECT no, name, born, kept, 1 AS more FROM people")
    for asked, error, words in REFUSED.values():
        with pytest.raises(error, match=words) as raised:
            compare(database, "people", "others", **asked)
        assert raised.value.state.startswith("nothing was changed")
        assert raised.value.exit_status in (1, 2) and "Name 1" not in str(raised.value.as_dict())
    for name, words in {"peple": "did you mean 'public.people'", "x.people": "has no table or view x.people"}.items():
        with pytest.raises(NotInDatabase, match=words):
            compare(database, "people", name)


RIGHTS = """
CREATE ROLE {role} LOGIN;
CREATE TABLE mine (id int PRIMARY KEY, a text, secret text);
INSERT INTO mine SELECT i, 'a', 's' FROM generate_series(1, 9) i;
CREATE TABLE yours AS TABLE mine;
CREATE VIEW seen AS SELECT id, a FROM mine;
ALTER VIEW seen OWNER TO {role};
ALTER TABLE yours ADD PRIMARY KEY (id);
"""


def test_rows_that_a_role_may_not_see_are_never_missing_rows(database: Database) -> None:
    role = f"reader_{database.conninfo.rpartition('_')[2]}"
    execute(database, RIGHTS.format(role=role))
    theirs = replace(database, conninfo=database.conninfo.replace("user=postgres", f"user={role}"))
    try:
        with pytest.raises(MissingRights, match="may not read") as raised:
            compare(theirs, "mine", "yours")
        assert 'GRANT SELECT ("id", "a", "secret") ON "public"."mine"' in raised.value.hint
        execute(database, f"GRANT SELECT ON yours TO {role}; GRANT SELECT (id, a) ON mine TO {role}")
        with pytest.raises(MissingRights, match='"secret"'):
            compare(theirs, "mine", "yours")
        assert compare(theirs, "mine", "yours", exclude=("secret",)).equal
        execute(database, "ALTER TABLE yours ENABLE ROW LEVEL SECURITY")
        with pytest.raises(MissingRights, match="would hide rows"):
            compare(theirs, "mine", "yours", exclude=("secret",))
        # The owner is kept from rows only by FORCE; through a view, only the server knows.
        execute(database, f"ALTER TABLE yours OWNER TO {role}")
        assert compare(theirs, "mine", "yours", exclude=("secret",)).equal
        execute(database, "ALTER TABLE yours FORCE ROW LEVEL SECURITY; ALTER TABLE mine ENABLE ROW LEVEL SECURITY")
        with pytest.raises(MissingRights, match="would hide rows") as raised:
            compare(theirs, "yours", "yours")
        assert "FORCE" in raised.value.details and "BYPASSRLS" in raised.value.hint
        with pytest.raises(CannotCompare, match="row-level security"):
            compare(theirs, "seen", "seen")
    finally:
        execute(database, f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_partitions_views_and_queries_are_compared_as_tables_are(database: Database) -> None:
    execute(
        database,
        """CREATE TABLE plain AS SELECT i AS id, repeat('x', 400) || i AS word FROM generate_series(1, 3000) i;
        CREATE TABLE parted (id int, word text) PARTITION BY RANGE (id);
        CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);
        CREATE TABLE parted_high PARTITION OF parted DEFAULT;
        INSERT INTO parted TABLE plain;
        CREATE TABLE parent (id int, word text); CREATE TABLE child () INHERITS (parent);
        INSERT INTO parent SELECT * FROM plain WHERE id < 9; INSERT INTO child SELECT * FROM plain WHERE id >= 9;
        CREATE VIEW shown AS TABLE plain; CREATE MATERIALIZED VIEW filled AS TABLE plain;
        CREATE DOMAIN word AS text; CREATE TABLE domained (word word, id bigint);
        INSERT INTO domained SELECT word, id FROM plain""",
    )
    names = ("parted", "parent", "shown", "filled", "domained")
    for name in names:
        found = compare(database, "plain", name, key=("id",))
        assert found.equal and found.comparison.right_rows == 3000, name
    execute(database, "UPDATE plain SET word = 'y' WHERE id = 2999; REFRESH MATERIALIZED VIEW filled")
    for name in names:
        assert compare(database, "plain", name).equal is (name in ("shown", "filled"))
    query = Place(database, query="SELECT word, id FROM public.plain WHERE id <> 2999 -- all but one")
    other = Place(database, Name("public", "parted"))
    found = compare_tables(query, other, Asked(key=("id",)), Effort(workers=3))
    assert rows(found) == [("2999", "extra", ())] and found.comparison.left_rows == 2999


def test_the_same_bytes_in_two_encodings_are_not_the_same_text(database: Database, server: EmbeddedServer) -> None:
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute("CREATE DATABASE in_latin1 ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    try:
        latin = Database("latin", make_conninfo(database.conninfo, dbname="in_latin1"))
        execute(database, "CREATE TABLE words AS SELECT 1 AS id, chr(233) AS word")  # e acute: C3 A9 in UTF8
        execute(latin, "CREATE TABLE words AS SELECT 1 AS id, chr(195) || chr(169) AS word")  # two letters: C3 A9
        with pytest.raises(CannotCompare, match="A is in UTF8 and B is in LATIN1") as raised:
            compare(database, "words", "words", latin)
        assert raised.value.details.endswith("letters: word") and "convert_to" in raised.value.hint
        assert compare(database, "words", "words", latin, exclude=("word",)).equal
        execute(latin, "INSERT INTO words SELECT 2, chr(233)")
        query = "SELECT convert_to(word, 'UTF8') AS word FROM public.words WHERE id = "
        for number, equal in ((1, False), (2, True)):
            places = Place(database, query=f"{query}1"), Place(latin, query=f"{query}{number}")
            assert compare_tables(*places, Asked(), Effort()).equal is equal
    finally:
        with psycopg.connect(server.conninfo(), autocommit=True) as conn:
            conn.execute("DROP DATABASE in_latin1 WITH (FORCE)")

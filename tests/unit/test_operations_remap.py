"""remap_ids: nothing without evidence, every old value back to the letter, and what is refused before and late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.engine import quarantine
from ecluse.errors import EcluseError, MigrationFileError, ValueRefused
from ecluse.model.plan import Hazard
from ecluse.operations.file import parse_migration
from ecluse.operations.inputs import read_again
from ecluse.postgres.connect import Database, Session, open_session
from tests.harness import Listener, Stage, load, same, snapshot
from tests.unit.flow_bench import FlowBench, compiled

A, B, C, D = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abcd")
SETUP = f"""
CREATE TABLE public.c (id integer PRIMARY KEY, user_id text);
CREATE TABLE public.e (id integer PRIMARY KEY, payload jsonb, ids text[], short varchar(20), n integer);
INSERT INTO public.c VALUES (1, 'me@x'), (2, 'Me@x'), (3, '{A}'), (4, NULL), (5, '{B}'), (6, 'it''s \\ "x"@y');
INSERT INTO public.e VALUES (1, '{{"user": "me@x"}}', '{{me@x,NULL,{B}}}'), (2, '{{"user": "{B}"}}', '{{}}');
"""
HEAD = "old_value,uuid,evidence\n"
CSV = (
    f'{HEAD}me@x,{A},e-mail\nMe@x,{A.upper()},e-mail\n{A},{A},itself\n{B},{C},one row\n"it\'s \\ ""x""@y",{D},e-mail\n'
)


def operation(columns: str, rest: str = "") -> str:
    return f'[[operation]]\nkind = "remap_ids"\nmap = "ids.csv"\n{rest}\ncolumns = [{columns}]\n'


WHOLE = operation(
    '{ table = "c", column = "user_id" }, { table = "e", column = "payload", path = "user" }, '
    '{ table = "e", column = "ids" }'
)
OWNER = '{ table = "c", column = "user_id" }'


@pytest.fixture
def session(any_server_database: Database) -> Iterator[Session]:
    with open_session(any_server_database) as session:
        session.execute(SETUP.encode())
        yield session


def test_every_old_value_comes_back(session: Session) -> None:
    bench = FlowBench.build(session, WHOLE, {"ids.csv": CSV})
    bench.assert_exact()
    assert bench.run("SELECT user_id FROM ecluse_next_t.c ORDER BY id") == [(A,), (A,), (A,), (None,), (C,), (D,)]
    assert bench.run("SELECT payload->>'user', ids FROM ecluse_next_t.e ORDER BY id") == [(A, [A, None, C]), (C, [])]
    # Of several old ids that lead to one, a row that is new takes the one that needed no change.
    made = json.dumps({"user": D})
    bench.run(f"INSERT INTO ecluse_next_t.c VALUES (10, '{A}'), (11, '{C}'), (12, 'nobody')")
    bench.run(f"INSERT INTO ecluse_next_t.e VALUES (10, '{made}', '{{{A},NULL,{C}}}')")
    back = bench.sql(bench.flows[0].old.anchor.select)
    assert bench.run(f"SELECT user_id FROM ({back}) q WHERE id > 9 ORDER BY id") == [(A,), (B,), ("nobody",)]
    back = bench.sql(bench.flows[1].old.anchor.select)
    assert bench.run(f"SELECT payload->>'user', ids FROM ({back}) q WHERE id = 10") == [
        ('it\'s \\ "x"@y', [A, None, B])
    ]


def test_the_census_tells_what_changes_and_what_is_nobodys(session: Session) -> None:
    session.execute(
        "INSERT INTO public.c VALUES (7, 'who@x'), (8, 'who@x'); CREATE UNIQUE INDEX ON public.c (user_id, id)"
    )
    session.execute("INSERT INTO public.e VALUES (3, '{\"user\": 17}', '{you@x}'), (4, '{\"user\": null}', NULL)")
    queries = compiled(session, WHOLE, {"ids.csv": CSV}).census_queries
    found = [session.execute(query.sql.encode()).fetchone() for query in queries]
    assert found == [(8, 2, 0, 0, ["who@x"], 4), (3, 1, 0, 0, ["17"], 2), (4, 1, 0, 0, ["you@x"], 2)]


def test_two_rows_that_would_become_one_are_a_collision(session: Session) -> None:
    session.execute("CREATE UNIQUE INDEX ON public.c (user_id)")
    query = compiled(session, operation(OWNER), {"ids.csv": CSV}).census_queries[0]
    assert session.execute(query.sql.encode()).fetchone() == (6, 0, 0, 2, [], 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("old_value,uuid\n", "line 1: the header is 'old_value,uuid', not 'old_value,uuid,evidence'"),
        (f"{HEAD}me@x,{A},e-mail\nx,{B}, \n", "line 3: there is no evidence, and nothing is rewritten without any"),
        (f"{HEAD}me@x,{A},e-mail\n\nme@x,{B},e-mail\n", "line 4: the old id becomes another one than in line 2"),
        (f"{HEAD}{C},{A},row\n{C.upper()},{B},row\n", "line 3: the old id becomes another one than in line 2"),
        (f"{HEAD}me@x,{A},e-mail\nme@x,{A},row\n", "line 3: the old id stands in line 2 already"),
        (f"{HEAD}me@x,17,row\n", "line 2: the new id is not a UUID"),
        (f"{HEAD},{A},row\n", "line 2: there is no old id"),
    ],
)
def test_what_is_wrong_with_a_map_is_told_with_its_line(session: Session, text: str, says: str) -> None:
    with pytest.raises(MigrationFileError) as caught:
        compiled(session, operation(OWNER), {"ids.csv": text})
    assert caught.value.message.startswith(f"t.toml, line 4: 'ids.csv', {says}")
    assert "ecluse identity map" in caught.value.hint


@pytest.mark.parametrize(
    ("column", "rest", "says"),
    [
        ('table = "e", column = "payload"', "", "'public.e.payload' is jsonb: say where in it the ids are"),
        ('table = "c", column = "user_id", path = "a"', "", "'public.c.user_id' is text: it has no 'path'"),
        ('table = "e", column = "payload", path = "a["', "", "'columns.0.path' is not valid"),
        ('table = "e", column = "short"', "", "'public.e.short' is character varying(20), too short for a UUID"),
        ('table = "e", column = "n"', "", "'public.e.n' is integer, which cannot hold an id"),
        ('table = "c", column = "user_id"', 'to = "uuid"\nunmapped = "keep"', "a value that is none cannot be kept"),
    ],
)
def test_a_column_that_cannot_be_rewritten_is_told_with_its_line(
    session: Session, column: str, rest: str, says: str
) -> None:
    with pytest.raises(EcluseError, match=r"t\.toml, line") as caught:
        compiled(session, operation(f"{{ {column} }}", rest), {"ids.csv": CSV})
    assert says in caught.value.message


def test_a_column_changed_in_two_ways_is_refused(session: Session) -> None:
    convert = '[[operation]]\nkind = "convert_column"\ntable = "c"\ncolumn = "user_id"\ninvalid = "regenerate"\n'
    with pytest.raises(MigrationFileError, match="is changed twice, in different ways"):
        compiled(session, convert + operation(OWNER), {"ids.csv": CSV})


def test_a_key_that_is_not_rewritten_is_named(session: Session) -> None:
    session.execute("CREATE TABLE public.p (id text PRIMARY KEY)")
    session.execute("INSERT INTO public.p SELECT user_id FROM public.c WHERE user_id IS NOT NULL")
    session.execute("ALTER TABLE public.c ADD FOREIGN KEY (user_id) REFERENCES public.p")
    found = compiled(session, operation(OWNER), {"ids.csv": CSV})
    assert [h.id for h in found.hazards if h.level == "refuse"] == ["reference-stays"]


# --- runs -------------------------------------------------------------------------------------------


def stage_of(database: Database, tmp_path: Path, unmapped: str) -> Stage:
    load(database, SETUP)
    (tmp_path / "ids.csv").write_text(CSV)
    file = tmp_path / "t.toml"
    file.write_text(f'name = "t"\n{operation(OWNER, f"unmapped = {unmapped!r}")}')
    return Stage(database, file)


def _retry(stage: Stage) -> quarantine.Retried:
    folder = stage.file.parent
    migration = parse_migration(stage.file.read_text(), "t.toml", lambda name: (folder / name).read_text())
    return stage.engine().retry("t", inputs=read_again(migration, stage.plan().inputs))


def _refused(stage: Stage) -> list[Hazard]:
    return [hazard for hazard in stage.plan().hazards if hazard.level == "refuse"]


def test_what_is_not_in_the_map_is_refused_before_anything_runs(database: Database, tmp_path: Path) -> None:
    stage = stage_of(database, tmp_path, "refuse")
    load(database, "INSERT INTO c VALUES (7, 'who@x')")
    (found,) = _refused(stage)
    assert "1 of 7 values of public.c.user_id do not fit and are refused (masked, like xxx@x)" in found.message
    assert "unmapped = " in found.hint and "ecluse identity map" in found.hint


def test_a_late_row_that_the_map_does_not_know_keeps_the_run_from_switching(database: Database, tmp_path: Path) -> None:
    stage = stage_of(database, tmp_path, "refuse")
    before = snapshot(database)
    assert stage.apply() == "ready"
    load(database, "INSERT INTO c VALUES (7, 'who@x')")
    with pytest.raises(ValueRefused, match="values that it refuses") as caught:
        stage.switch()
    assert caught.value.details == "1 rows of public.c: 'user_id' has an id that is not in the map"
    assert "who@x" not in f"{caught.value.message}{caught.value.details}{caught.value.hint}"
    (tmp_path / "ids.csv").write_text(f"{CSV}who@x,{B},e-mail\n")
    assert _retry(stage) == quarantine.Retried(1, 1, 0)
    load(database, "DELETE FROM c WHERE id = 7")
    stage.switch()
    stage.verify()
    stage.rollback()
    same(snapshot(database), before)


def test_a_map_may_grow_before_and_after_the_switch(database: Database, tmp_path: Path) -> None:
    stage = stage_of(database, tmp_path, "quarantine")
    load(database, "INSERT INTO c VALUES (7, 'who@x'), (8, 'new@x'), (9, 'ME@x')")
    before = snapshot(database)
    assert stage.apply() == "ready"
    (tmp_path / "ids.csv").write_text(f"{CSV}who@x,{B},e-mail\nME@x,{A},e-mail\n")
    assert _retry(stage) == quarantine.Retried(3, 2, 1)
    stage.switch()
    (tmp_path / "ids.csv").write_text(f"{CSV}new@x,{A},e-mail\n")
    assert _retry(stage) == quarantine.Retried(1, 1, 0)
    stage.verify()
    with psycopg.connect(database.conninfo) as conn:
        assert conn.execute("SELECT user_id FROM c WHERE id > 6 ORDER BY id").fetchall() == [(B,), (A,), (A,)]
    stage.rollback()
    same(snapshot(database), before)


def test_people_whom_the_map_never_knew_go_home_after_the_switch(database: Database, tmp_path: Path) -> None:
    """Up to the last moment; and a row in quarantine stays what it is, though new ones look like it."""
    stage = stage_of(database, tmp_path, "quarantine")
    load(database, f"INSERT INTO c VALUES (7, '{C}')")
    before = snapshot(database)
    assert stage.apply() == "ready"
    stage.switch()
    load(database, f"INSERT INTO c VALUES (20, '{D}'), (21, 'late'); UPDATE c SET user_id = 'new@x' WHERE id = 1")
    stage.verify()
    numbers = iter(range(100, 200))

    def write(record: str) -> None:
        if record == "drained":
            load(database, f"INSERT INTO c VALUES ({next(numbers)}, 'later')")

    stage.rollback(Listener(on_record=write))
    with psycopg.connect(database.conninfo) as conn:
        rows = dict(conn.execute("SELECT id, user_id FROM c WHERE id IN (1, 7) OR id > 19").fetchall())
        # D is whom the old shape knew by an e-mail.
        assert rows == {1: "new@x", 7: C, 20: 'it\'s \\ "x"@y', 21: "late"} | {n: "later" for n in rows if n > 99}
        assert len(rows) == 4 + next(numbers) - 100
        assert conn.execute("SELECT count(*) FROM ecluse.parked").fetchone() == (0,)
    load(database, "DELETE FROM c WHERE id > 19; UPDATE c SET user_id = 'me@x' WHERE id = 1")
    same(snapshot(database), before)

"""What reads a converted column in words of its own: who may see which row before and after, and what the plan says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ecluse.engine.planner import make_plan
from ecluse.errors import EcluseError
from ecluse.model.plan import Hazard
from ecluse.operations.file import parse_migration
from ecluse.postgres.connect import Database
from tests.harness import SCENARIOS, Stage, load, same, snapshot

CASE = SCENARIOS / "convert_column" / "expressions"
_CONVERT = '[[operation]]\nkind = "convert_column"\ntable = "t"\ncolumn = "id"\n'


def _seen(database: Database, settings: str) -> dict[str, list[tuple[str, ...]]]:
    """What a role without rights of its own reads, changes and deletes under these settings, as text."""
    found = {}
    with psycopg.connect(database.conninfo) as conn:
        conn.execute(f"SET LOCAL ROLE pg_monitor; {settings}".encode())
        for name, query in {
            "people": "SELECT lower(id::text) FROM people ORDER BY 1",
            "chats": "SELECT id::text, lower(person_id::text), lower(keeper::text) FROM chats ORDER BY 1",
            "changed": "UPDATE chats SET title = title || '!' RETURNING id::text",
            "deleted": "DELETE FROM chats RETURNING id::text",
        }.items():
            found[name] = sorted(conn.execute(query.encode()).fetchall())
        conn.rollback()
    return found


def _insert(database: Database, person: str, cast: str) -> bool:
    """Whether the policy lets the person write a chat of his own."""
    with psycopg.connect(database.conninfo) as conn:
        conn.execute(f"SET LOCAL ROLE pg_monitor; SET LOCAL app.uid = '{person}'".encode())
        try:
            conn.execute(f"INSERT INTO chats VALUES (9999, '{person}'::{cast}, NULL, 'mine')".encode())
        except psycopg.errors.InsufficientPrivilege:
            return False
        finally:
            conn.rollback()
        return True


def test_a_role_sees_the_same_rows_before_and_after(database: Database) -> None:
    load(database, CASE / "before.sql")
    with psycopg.connect(database.conninfo) as conn:
        people = [row[0] for row in conn.execute("SELECT id FROM people WHERE id = lower(id) ORDER BY 1 LIMIT 4")]
    settings = ["SELECT 1", *(f"SET LOCAL app.uid = '{p}'; SET LOCAL app.keeper = '{p}'" for p in people)]
    before = [_seen(database, each) for each in settings]
    assert [len(seen["people"]) for seen in before] == [0, 1, 1, 1, 1]
    assert all(seen["chats"] and seen["changed"] for seen in before[1:])
    stage = Stage(database, CASE / "migration.toml")
    stage.apply()
    stage.switch()
    assert [_seen(database, each) for each in settings] == before
    assert _insert(database, people[0], "uuid")
    stage.rollback()
    assert [_seen(database, each) for each in settings] == before
    assert _insert(database, people[0], "text")


def test_the_plan_says_what_becomes_of_each(database: Database) -> None:
    load(database, CASE / "before.sql")
    plan = Stage(database, CASE / "migration.toml").plan()
    told = {h.message.split(" of '")[0]: h.message for h in plan.hazards if h.id == "expression-retyped"}
    assert told["policy 'own_chats'"].endswith("is made with: ((person_id) = ( SELECT (auth.uid()) AS uid))")
    assert "constraint 'id_given'" in told
    assert told["constraint 'kept_by_another'"].endswith("is made with: CHECK ((keeper <> (person_id)))")
    assert "policy 'by_setting'" in told
    costly = [h for h in plan.hazards if h.id == "compared-as-text"]
    assert [h.message.split(",")[0] for h in costly] == [
        "policy 'by_setting' of 'public.chats' reads public.chats.keeper as text"
    ]
    assert costly[0].level == "warn"
    assert "[[operation.redeclare]]" in costly[0].hint


@pytest.fixture
def planned(database: Database) -> Callable[[str, str], list[Hazard]]:
    def plan(script: str, operations: str) -> list[Hazard]:
        load(database, script)
        source = parse_migration(f'name = "t"\n{operations}', "t.toml", lambda name: name)
        return list(make_plan(database, source).hazards)

    return plan


def test_a_default_that_the_new_type_does_not_take_is_named_alone(planned: Callable[[str, str], list[Hazard]]) -> None:
    script = "CREATE TABLE t (id serial PRIMARY KEY, s text DEFAULT 'a'); CREATE INDEX i ON t (s);"
    mapping = """using = "lpad(id::text, 32, '0')::uuid"\nback = "replace(id::text, '-', '')::integer"\n"""
    found = planned(script, _CONVERT + mapping)
    (refused,) = [h for h in found if h.level == "refuse"]
    assert refused.id == "trial-default" and "id of public.t" in refused.message
    assert 'default = "gen_random_uuid()"' in refused.hint


def test_what_is_redeclared_is_tried_on_the_new_shape(planned: Callable[[str, str], list[Hazard]]) -> None:
    found = planned(
        "CREATE TABLE t (id text PRIMARY KEY, CONSTRAINT c CHECK (id <> '')); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON t USING (id = current_setting('a.b')); CREATE INDEX i ON t (lower(id))",
        _CONVERT + '[[operation.redeclare]]\npolicies = { p = "using (lower(id) = \'a\')" }\nconstraints = { c = "" }\n'
        'indexes = { i = "using btree (upper(id))" }\n',
    )
    refused = [(h.id, h.hint) for h in found if h.level == "refuse"]
    assert [id_ for id_, _ in refused] == ["trial-index or constraint", "trial-policy"]
    assert all("[[operation.redeclare]]" in hint for _, hint in refused)
    assert sorted(h.message.split(";")[0] for h in found if h.id == "redeclared") == [
        "constraint 'c' of 'public.t' is left out, as the migration says",
        "index 'i' of 'public.t' is made as the migration says",
        "policy 'p' of 'public.t' is made as the migration says",
    ]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ('policies = { q = "using (true)" }', "table 'public.t' has no policy 'q' that can be redeclared"),
        ('constraints = { t_pkey = "check (true)" }', "no check or exclusion constraint 't_pkey'"),
        ('policies = { p = "using id" }', "'redeclare.0.policies.p' is not valid"),
        ('table = "u"\npolicies = { p = "using (true)" }', "'public.u' keeps its columns' types"),
        ('table = "t"', "at least one of policies, constraints, indexes is needed"),
    ],
)
def test_a_wrong_redeclaration_is_told_with_its_line(
    planned: Callable[[str, str], list[Hazard]], spec: str, said: str
) -> None:
    with pytest.raises(EcluseError, match=r"t\.toml, line") as caught:
        planned(
            "CREATE TABLE t (id text PRIMARY KEY); CREATE POLICY p ON t USING (true);"
            "CREATE TABLE u (id int PRIMARY KEY)",
            f"{_CONVERT}[[operation.redeclare]]\n{spec}\n",
        )
    assert said in caught.value.message


def test_a_row_filter_by_text_is_refused_before_anything_runs(planned: Callable[[str, str], list[Hazard]]) -> None:
    found = planned("CREATE TABLE t (id text PRIMARY KEY); CREATE PUBLICATION f FOR TABLE t WHERE (id <> '')", _CONVERT)
    assert [h.id for h in found if h.level == "refuse"] == ["publication-filter"]


def test_a_default_that_is_no_uuid_is_dropped_with_a_word(planned: Callable[[str, str], list[Hazard]]) -> None:
    found = planned("CREATE TABLE t (id text PRIMARY KEY DEFAULT '')", _CONVERT)
    assert [(h.id, h.level) for h in found if h.level != "note"] == [("default-dropped", "warn")]


def test_values_that_get_another_uuid_are_told_where_they_are_compared(
    database: Database, planned: Callable[[str, str], list[Hazard]], tmp_path: Path
) -> None:
    script = (
        "CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t VALUES ('guest');CREATE POLICY p ON t USING (id = 'guest')"
    )
    found = planned(script, _CONVERT + 'invalid = "regenerate"\n')
    assert {h.id for h in found if h.level == "warn"} == {"new-value-compared", "compared-as-text"}
    file = tmp_path / "t.toml"
    file.write_text(f'name = "t"\n{_CONVERT}invalid = "regenerate"\n')
    before, stage = snapshot(database), Stage(database, file)
    stage.apply()
    stage.switch()
    stage.rollback()
    same(snapshot(database), before)

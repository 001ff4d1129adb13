"""The judge of the safety matrix sees each kind of wrong; Écluse is taken through two hazards, for real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.ground import connect
from benchmarks.programs import environment
from benchmarks.safety import contenders, running
from benchmarks.safety.__main__ import arguments
from benchmarks.safety.contenders import CONTENDERS, Command, Contender
from benchmarks.safety.contest import Contest, Result, put
from benchmarks.safety.ground import Scene, TwoServers
from benchmarks.safety.hazards import HAZARDS, Hazard
from benchmarks.safety.judge import Ended, Verdict, converted, differences, judge, with_writes
from benchmarks.safety.picture import Picture, look
from benchmarks.safety.report import as_markdown, totals

ROWS = 1_000
SCRIPTS = Path(contenders.__file__).parent / "scripts" / "sqitch"
KNOWN = {hazard.name: hazard for hazard in HAZARDS}
ECLUSE = CONTENDERS[0]


@pytest.fixture(scope="module")
def ground(open_folder: Path) -> Iterator[TwoServers]:
    folder = open_folder / "safety"
    folder.mkdir()
    servers = TwoServers(folder)
    yield servers
    servers.close()


@pytest.fixture
def scene(ground: TwoServers, request: pytest.FixtureRequest) -> Scene:
    return ground.scene(ground.template(ROWS), abs(hash(request.node.name)))


def deploy(scene: Scene, way: str) -> None:
    """The script of a peer, without the peer."""
    with connect(scene.keeper) as conn:
        conn.execute((SCRIPTS / way / "deploy" / "keys_become_uuid.sql").read_bytes())


# --- the judge --------------------------------------------------------------------------------------

# One after the other on one database that was converted well: what is done to it, and what the judge then says besides.
FAULTS = {
    "DELETE FROM tags WHERE id = 3": "1 rows of tags lost",
    "UPDATE conversations SET response = response || ' ' WHERE user_id = 'user-1'": "2 rows of conversations changed",
    "INSERT INTO conversations (session_id, user_id) VALUES ('a', 'b')": "1 rows of conversations invented",
    "DROP POLICY one ON conversations": "policies lost: conversations one * to {reader}",
    "ALTER TABLE conversations DISABLE ROW LEVEL SECURITY": "row level security lost: conversations enabled",
    "CREATE OR REPLACE VIEW still_open AS SELECT NULL::uuid AS id, ''::text AS session_id, now() AS created_at": (
        "views lost: still_open on conversations"
    ),
    "ALTER PUBLICATION feed SET TABLE conversations, tags": "publications lost: feed conversations id, session_id",
    "REVOKE INSERT ON tags FROM reader": "grants lost: tags INSERT to reader",
    "ALTER TABLE tags DROP CONSTRAINT tags_conversation_id_fkey, ADD FOREIGN KEY (conversation_id) "
    "REFERENCES conversations ON DELETE CASCADE NOT VALID": "constraints lost: tags FOREIGN KEY",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tags_conversation_idx'::regclass": "indexes lost: ",
    "ALTER TABLE conversations ALTER id DROP DEFAULT": "columns lost: conversations.id uuid not null default",
    "ALTER TABLE tags DROP CONSTRAINT tags_pkey; INSERT INTO tags SELECT * FROM tags WHERE id = 5": (
        "1 rows of tags doubled"
    ),
    "ALTER TABLE tags OWNER TO postgres": "owner lost: tags keeper",
    "ALTER TABLE tags RENAME TO labels": "there is no table tags",
}


THINGS = """
ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON conversations TO reader USING (id::text = current_setting('app.conversation', true));
CREATE VIEW still_open AS SELECT id, session_id, created_at FROM conversations WHERE status = 'open';
CREATE PUBLICATION feed FOR TABLE conversations (id, session_id, status), TABLE tags;
"""


def test_the_judge_sees_each_kind_of_wrong(scene: Scene) -> None:
    old = look(scene.admin)
    deploy(scene, "in_place")
    assert judge(Ended(0, ""), look(scene.admin), converted(old), old) == Verdict("correct")
    with connect(scene.keeper) as conn:
        conn.execute(THINGS)
    wanted, said = look(scene.admin), set[str]()
    assert wanted.objects["behaviour"]["reader reaches 1 old conversations"] == 1
    with connect(scene.admin) as conn:
        for fault, phrase in FAULTS.items():
            assert not any(phrase in line for line in said), f"said before it was so: {phrase}"
            conn.execute(fault.encode())
            said = set(differences(wanted, look(scene.admin)))
            assert any(phrase in line for line in said), (phrase, said)


def test_a_script_that_copies_nothing_and_is_content_is_silently_wrong(scene: Scene) -> None:
    put(KNOWN["force-rls"], scene)
    old = look(scene.admin)
    deploy(scene, "new_table")
    verdict = judge(Ended(0, ""), look(scene.admin), converted(old), old)
    assert verdict.outcome == "silently wrong"
    assert f"{ROWS:,} rows of conversations lost" in verdict.why and "policies lost" in verdict.why


OLD = Picture(
    {"conversations": {"A1111111-1111-1111-1111-111111111111": [("s",)]}, "tags": {"1": [("no uuid", "t")]}},
    {"columns": Counter(["conversations.id text default (gen_random_uuid())::text"]), "triggers": Counter(["a"])},
)


def test_the_verdict_is_of_the_end_and_of_the_database() -> None:
    new = converted(OLD)
    assert new.rows["conversations"] == {"a1111111-1111-1111-1111-111111111111": [("s",)]}
    assert list(new.objects["columns"]) == ["conversations.id uuid default gen_random_uuid()"]
    traces = replace(new, objects=new.objects | {"triggers": Counter(["a", "b"])})
    assert judge(Ended(0, ""), traces, new, OLD) == Verdict("correct")
    assert judge(Ended(0, ""), OLD, new, OLD).outcome == "silently wrong"
    assert judge(Ended(1, "no", refused=True), OLD, new, OLD) == Verdict("refused", "as it was", "no")
    assert judge(Ended(1, "no"), OLD, new, OLD) == Verdict("failed loudly", "as it was", "no")
    assert judge(Ended(1, "no", refused=True), new, new, OLD) == Verdict("refused", "done", "no")
    half = replace(OLD, objects=OLD.objects | {"triggers": Counter(["a", "b"])})
    verdict = judge(Ended(1, "no", refused=True), half, new, OLD)
    assert (verdict.outcome, verdict.left) == ("failed loudly", "half done")
    assert "triggers that were not there: b" in verdict.why


def test_what_was_acknowledged_must_be_there_and_twins_cannot() -> None:
    new = converted(OLD)
    found = with_writes(new, {"tags": {"1": ("x", "later"), "2": ("x", "new")}})
    assert list(differences(found, new)) == ["1 rows of tags lost", "1 rows of tags changed"]
    (key,) = OLD.rows["conversations"]
    twins = replace(OLD, rows=OLD.rows | {"conversations": {key: [("s",)], key.lower(): [("s",)]}})
    assert list(differences(converted(twins), new)) == ["1 rows of conversations lost"]


# --- Écluse, and how programs are killed ------------------------------------------------------------


def test_ecluse_in_two_hazards(ground: TwoServers) -> None:
    contest = Contest(ground, ROWS, ROWS)
    results = [contest.measure(KNOWN[name], ECLUSE) for name in ("force-rls", "inserts")]
    assert [r.verdict.outcome for r in results] == ["refused", "correct"]
    assert results[0].verdict.left == "as it was" and "BYPASSRLS" in results[0].verdict.why
    assert results[1].writes > 0
    results.append(Result("inserts", "pgcopydb", Verdict("silently wrong", why="1 rows of tags lost")))
    written = as_markdown(results, {"cores": "2"}, {"ecluse": "1", "pgcopydb": ""})
    assert "| FORCE ROW LEVEL SECURITY | refused |  |" in written
    assert "| concurrent inserts | correct | **SILENTLY WRONG** |" in written
    assert "pgcopydb is not here" in written
    assert "| **Écluse** | 1 | 1 | 0 | 0 | 0 |" in totals(results)


def _psql(*statements: str) -> Contender:
    def command(scene: Scene) -> Command:
        words = [str(scene.programs / "psql"), "-Xd", scene.keeper, "-v", "ON_ERROR_STOP=1"]
        return Command([*words, *(word for one in statements for word in ("-c", one))], environment())

    return Contender("psql", "psql", command, lambda: "1", "pg_sleep")


def test_a_program_is_killed_in_the_switch_and_what_it_did_is_undone(scene: Scene) -> None:
    work = ("BEGIN; LOCK TABLE conversations", "DROP TABLE tags; SELECT pg_sleep(4)", "COMMIT")
    ran = running.run(_psql(*work), scene, "switch")
    assert ran.ended.status == -9
    assert "tags" in look(scene.admin).rows
    with pytest.raises(running.Missed, match="no such table"):
        running.run(_psql("DO $$BEGIN RAISE EXCEPTION 'no such table'; END$$"), scene, "switch")
    ended = running.run(_psql("DO $$BEGIN RAISE EXCEPTION 'refused: 3 values'; END$$"), scene).ended
    assert ended == Ended(1, "ERROR:  refused: 3 values", refused=True)


def test_a_statement_that_must_fail_and_does_not_is_no_hazard(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="SELECT 1"):
        put(Hazard("odd", "odd", ("!SELECT 1",)), scene)


def test_what_is_not_there_is_wrong_usage() -> None:
    assert arguments(["--only", "ecluse", "--hazards", "view"]).hazards == [KNOWN["view"]]
    with pytest.raises(SystemExit, match="2"):
        arguments(["--hazards", "rain"])

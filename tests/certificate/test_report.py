"""The report of real runs: what is in it and what is not, and whether it can be held against the database later."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import psycopg

from ecluse import certificate
from ecluse.certificate.content import sealed
from tests.certificate.conftest import reports
from tests.cli.conftest import Project, await_answer

SECRETS = ("secret.example", "question 1", "response 1", "title 1", "<b>name", "&lt;b&gt;name")


def _answers(project: Project, file: Path, status: int = 0) -> dict[str, tuple[str, str]]:
    held = project.run("verify", "--report", str(file), "--json")
    assert held.status == status, held.out + held.err
    value = held.events[-1]
    assert value["passed"] is (status == 0)
    return {check["title"]: (check["answer"], check["details"]) for check in value["checks"]}


def _write(file: Path, report: dict[str, Any]) -> Path:
    file.write_text(json.dumps(report), encoding="utf-8")
    return file


def test_a_run_from_the_gate_to_finish(shapes: Project, tmp_path: Path) -> None:
    applied = shapes.run("apply", "shapes", "--json")
    report, page = reports(applied)
    assert certificate.intact(report)
    assert (report["status"], report["passed"], report["error"]) == ("ready", True, None)
    assert report["asked"][0] == "convert public.people.id to uuid"
    accounts = {a["table"]: (a["rows_in"], a["carried"], a["merged"], a["quarantined"]) for a in report["accounts"]}
    assert accounts["public.people"] == (40, 36, 0, 4)
    assert accounts["public.sessions"] == (30, 16, 14, 0)
    assert accounts["public.talks"] == (20, 20, 0, 0)
    assert "90 rows in = 72 carried + 14 merged + 4 quarantined. Every row is accounted for." in page
    assert [q["rows"] for q in report["quarantine"]] == [4]
    (proof,) = report["proofs"]
    assert proof["snapshot"]
    assert all(c["left_sum"] == c["right_sum"] and c["equal"] for c in proof["comparisons"])
    changes = {(c["object"], c["what"]): (c["before"], c["after"]) for c in report["structure"]["changes"]}
    assert changes["public.people", "column id: type"] == ("text", "uuid")
    assert changes["public.lines", ""] == ("absent", "talk_id integer, n integer, role text, content text")
    stages = [m for m in report["timeline"] if m["kind"] == "stage"]
    wanted = ["prepare", "capture", "seed", "copy", "repair", "index", "drain", "verify", "gate"]
    assert [m["name"] for m in stages] == wanted
    assert [m["ended"] is None for m in stages] == [False] * 8 + [True]
    for text in (json.dumps(report), page):
        assert not [secret for secret in SECRETS if secret in text]
    gate = _write(tmp_path / "gate.json", report)

    # Through the switch: what was proved before holds, and what is written since is a change.
    report, _ = reports(shapes.run("switch", "shapes", "--json"))
    (attempt,) = (m for m in report["timeline"] if m["kind"] == "attempt")
    assert (attempt["name"], attempt["outcome"], attempt["seconds"] > 0) == ("switch", "done", True)
    assert {m["name"] for m in report["timeline"] if m["kind"] == "stall"} == {"capture", "switch"}
    found = _answers(shapes, gate)
    assert {answer for answer, _ in found.values()} == {"yes"}
    shapes.execute(
        "INSERT INTO people VALUES (gen_random_uuid(), 'new@secret.example', 'new'); UPDATE lines SET content = 'c' "
        "WHERE talk_id = 2"
    )
    found = _answers(shapes, gate)
    assert found["the proof holds now"][0] == "yes"
    waiting = "; left out, since they were just written: 1 units"
    proved = "forward: the rows that were proved"
    assert found[f"public.people, {proved}"] == ("yes", "36 rows with the same checksum" + waiting)
    assert found[f"public.lines, {proved}"] == ("changed", "changed since: 38 rows now, 40 then" + waiting)

    # Finished: the seal says whether a table is what it was.
    fingerprint = report["plan"]["fingerprint"]
    report, page = reports(shapes.run("finish", "shapes", "--confirm", fingerprint, "--json", "--report", "end"))
    end = shapes.folder / "end" / "report.json"
    assert report == json.loads(end.read_text(encoding="utf-8"))
    assert {t["table"]: t["rows"] for t in report["seals"]["tables"]}["public.people"] == 37
    assert report["no_way_back"][-1]["since"] == report["ended_at"]
    found = _answers(shapes, end)
    assert found.pop("old and new, compared again")[0] == "cannot be told"
    assert {answer for answer, _ in found.values()} == {"yes"}, found
    assert {answer for answer, _ in _answers(shapes, gate).values()} == {"yes", "cannot be told"}
    for part, forged, title in (
        ("seals", None, "the seals of the new tables are those of the journal"),
        ("archive", {"manifest_sha256": "0" * 64}, "the archive of the old tables is as it was written"),
        ("archive", {"tables": []}, "what was asked, what happened and what stands are those of the journal"),
    ):
        said = report | {part: forged and report[part] | forged}
        found = _answers(shapes, _write(tmp_path / "forged.json", sealed(said)), 3)
        assert [each for each, (answer, _) in found.items() if answer == "no"] == [title]
    shapes.execute(
        "DELETE FROM lines WHERE talk_id = 1; ALTER TABLE people ADD COLUMN more text; UPDATE sessions SET hits = 0"
    )
    found = {title.split(" ")[0]: said for title, said in _answers(shapes, end).items() if title.startswith("public")}
    assert found["public.lines"] == ("changed", "changed since: 38 rows now, 40 then")
    assert found["public.sessions"] == ("changed", "changed since: 16 rows now, 16 then")
    assert found["public.people"][0] == "yes"  # over the columns that were sealed
    archived = Path(report["archive"]["folder"], report["archive"]["tables"][0]["file"])
    archived.write_bytes(archived.read_bytes()[:-9])
    assert _answers(shapes, end, 3)["the archive of the old tables is as it was written"][0] == "no"


def test_an_edited_and_a_forged_report(shapes: Project, tmp_path: Path) -> None:
    report, page = reports(shapes.run("apply", "shapes", "--json"))
    file = shapes.folder / ".ecluse" / "reports" / "shapes-1" / "report.json"
    (file.parent / "report.html").unlink()
    again = shapes.run("report", str(file), "--json")
    assert Path(again.value["html"]).read_text(encoding="utf-8") == page

    report["accounts"][0]["carried"] -= 1
    edited = _write(tmp_path / "edited.json", report)
    refused = shapes.run("report", str(edited), "--json")
    assert (refused.status, refused.error["code"]) == (3, "ECL605")
    assert not (tmp_path / "report.html").exists()
    assert _answers(shapes, edited, 3)["the report is as it was made"][0] == "no"
    forged = _answers(shapes, _write(tmp_path / "forged.json", sealed(report)), 3)
    assert forged["the report is as it was made"][0] == "yes"
    proofs = "its proofs are those of the journal, figure by figure"
    assert forged[proofs][0] == "no"
    report["accounts"][0]["carried"] += 1
    told = "what was asked, what happened and what stands are those of the journal"
    for part, title, said in (
        (report["proofs"][0]["comparisons"][0], proofs, {"left_sum": "0-0", "right_sum": "0-0"}),
        (report["timeline"][1], told, {"seconds": 0.1}),
        (report["plan"]["hazards"][0], told, {"message": "nothing"}),
    ):
        was = dict(part)
        part.update(said)
        forged = _answers(shapes, _write(tmp_path / "forged.json", sealed(report)), 3)
        assert [each for each, (answer, _) in forged.items() if answer == "no"] == [title]
        part.update(was)

    # Hashed again by who forged it, a part at a time: nothing that the page shows is believed.
    for title, said in (
        (told, {"verdict": {"tone": "good", "words": "Proved."}}),
        (told, {"sections": [{"id": "x", "title": "All is well", "blocks": []}]}),
        (told, {"timeline": report["timeline"][2:]}),
        (told, {"timeline": ["none"]}),
        (told, {"status": "switched", "state": "the new shape is in use; the old one is kept until `ecluse finish`"}),
        (told, {"state": "all is well"}),
        (told, {"switched_at": report["started_at"]}),
        (told, {"error": {"message": "it failed"}}),
        (told, {"no_way_back": []}),
        (told, {"without_rehearsal": "as agreed"}),
        (told, {"restarts": 1}),
        (told, {"archive": {"folder": "/elsewhere", "manifest_sha256": "", "tables": []}}),
        (proofs, {"proofs": []}),
        (proofs, {"proofs": report["proofs"] * 2}),
        (proofs, {"proofs": [report["proofs"][0] | {"probes": []}]}),
        (proofs, {"proofs": [{k: v for k, v in report["proofs"][0].items() if k != "comparisons"}]}),
        (proofs, {"accounts": [report["accounts"][0] | {"becomes": []}, *report["accounts"][1:]]}),
        (proofs, {"accounts": []}),
        (proofs, {"passed": None}),
    ):
        forged = _answers(shapes, _write(tmp_path / "forged.json", sealed(report | said)), 3)
        assert [each for each, (answer, _) in forged.items() if answer == "no"] == [title], said
    emptied = _answers(shapes, _write(tmp_path / "forged.json", sealed(report | {"quarantine": []})))
    assert emptied["rows set aside, and what was copied, are as they are now"][0] == "changed"
    turned = _write(tmp_path / "turned.json", dict(reversed(report.items())))
    assert {answer for answer, _ in _answers(shapes, turned).values()} == {"yes"}
    for broken in ({"plan": "none"}, {"database": "app"}, {"run": "1"}, {"asked": "\ud800"}):
        none = shapes.run("verify", "--report", str(_write(tmp_path / "none.json", report | broken)), "--json")
        assert (none.status, none.error["code"]) == (3, "ECL605"), none.err

    report["plan"]["fingerprint"] = "000000000000"
    _answers(shapes, _write(tmp_path / "other.json", sealed(report)), 3)
    none = shapes.run("verify", "--report", str(_write(tmp_path / "none.json", {"no": "report"})), "--json")
    assert (none.status, none.error["code"]) == (3, "ECL605")

    # A proof that does not hold. Values only where they are asked for, and then for the owner's eyes.
    shapes.execute("UPDATE ecluse_next_shapes.people SET name = '<b>else' WHERE name = '<b>name & 7'")
    differs = shapes.run("verify", "shapes", "--show-values", "--json")
    assert differs.status == 3
    shown, page = reports(differs)
    assert {row["table"] for row in shown["rows"]} == {"public.people"}
    for value in ("nobody-10@secret.example", "&lt;b&gt;name &amp; 10", "&lt;b&gt;name &amp; 7", "&lt;b&gt;else"):
        assert value in page
    assert "<b>" not in page and "The last proof does NOT hold." in page
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert shapes.run("report", "shapes").status == 0
    text, page = (file.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".json", ".html"))
    differing = [c for c in json.loads(text)["proofs"][-1]["comparisons"] if not c["equal"]]
    assert {(c["table"], c["differing"], *c["columns"]) for c in differing} == {("public.people", 1, "name")}
    assert not [secret for secret in (*SECRETS, "b>else", "b&gt;else") if secret in text or secret in page]
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_rollback_with_rows_that_the_old_shape_cannot_hold(shapes: Project) -> None:
    shapes.run("apply", "shapes", "--switch")
    shapes.execute("INSERT INTO lines VALUES (1, 3, 'system', 'a third line')")
    report, page = reports(shapes.run("rollback", "shapes", "--json"))
    assert report["status"] == "rolled_back"
    assert [(p["table"], p["rows"]) for p in report["parked"]] == [("public.lines", 1)]
    assert "a third line" not in json.dumps(report) and "Taken back: the old shape is in use." in page
    assert all("rolled back" in line["what"] or line["since"] for line in report["no_way_back"])
    file = shapes.folder / ".ecluse" / "reports" / "shapes-1" / "report.json"
    found = _answers(shapes, file)
    assert found["the old tables are defined as they were before the run"] == ("yes", "")
    assert found["public.talks has the rows that were counted"][0] == "yes"
    shapes.execute("DELETE FROM talks WHERE id = 1")
    assert _answers(shapes, file)["public.talks has the rows that were counted"] == (
        "changed",
        "19 rows now, 20 when they were counted",
    )


def test_a_run_that_fails_and_a_report_that_cannot_be_written(shapes: Project) -> None:
    with psycopg.connect(shapes.database.conninfo) as other:
        other.execute("LOCK TABLE talks IN ROW EXCLUSIVE MODE")
        failed = shapes.run("apply", "shapes", "--lock-budget", "0.5")
        failed_again = shapes.run("apply", "shapes", "--lock-budget", "0.1", "--json")
    assert (failed.status, failed_again.status) == (4, 4)
    file = shapes.folder / ".ecluse" / "reports" / "shapes-1" / "report.json"
    assert f"report: {file.with_suffix('.html')}" in failed.err
    assert (failed_again.events[-1]["event"], failed_again.events[-1]["json"]) == ("report", str(file))
    assert failed_again.error["code"] == "ECL502"
    report = json.loads(file.read_text(encoding="utf-8"))
    assert (report["error"]["code"], report["error"]["command"], report["stage"]) == ("ECL502", "apply", "capture")
    waits = [m for m in report["timeline"] if m["kind"] == "wait"]
    assert all(m["name"] == "capture" and m["seconds"] > 0 for m in waits)
    assert any("pid" in m["outcome"] for m in waits)
    page = file.with_suffix(".html").read_text(encoding="utf-8")
    assert "<code>ecluse apply</code> failed: " in page and "the old shape is in use" in page

    # Killed while it waits: its record has no end, and whoever goes on tells the same story.
    with psycopg.connect(shapes.database.conninfo) as other:
        other.execute("LOCK TABLE talks IN ROW EXCLUSIVE MODE")
        process = shapes.start("apply", "shapes")
        await_answer(shapes, process, f"SELECT count(*) > {len(waits)} FROM ecluse.timeline WHERE kind = 'wait'", True)
        process.kill()
        process.communicate()
    report, page = reports(shapes.run("apply", "shapes", "--json"))
    assert (report["status"], report["error"]) == ("ready", None)
    commands = [(m["name"], m["outcome"]) for m in report["timeline"] if m["kind"] == "command"]
    assert commands == [("apply", "failed"), ("apply", "failed"), ("apply", ""), ("apply", "done")]
    assert "1 process ended without a word, and another went on." in page
    stages = [m for m in report["timeline"] if m["kind"] == "stage"]
    assert len({m["name"] for m in stages}) == len(stages) == 9
    assert stages[1]["seconds"] > sum(m["seconds"] for m in waits), "the stage lasted until it was done"

    # A run of an earlier version has no timeline: the next command makes one, and is in it.
    shapes.execute("DROP TABLE ecluse.timeline")
    assert shapes.run("report", "shapes", "--json").status == 0
    assert "kept no timeline" in file.with_suffix(".html").read_text(encoding="utf-8")

    (shapes.folder / "taken").write_text("a file", encoding="utf-8")
    done = shapes.run("switch", "shapes", "--json", "--report", "taken/here")
    assert (done.status, done.events[-1]["report"]) == (0, None)
    assert "warning: the report was not written: " in done.err
    assert shapes.run("report", "shapes").status == 0
    timeline = json.loads(file.read_text(encoding="utf-8"))["timeline"]
    assert [m["name"] for m in timeline if m["kind"] == "command"] == ["switch"]


def test_values_that_a_plan_or_a_script_told_are_not_in_the_report(shapes: Project) -> None:
    """A plan that was made to show values holds some; so does what a user's own script raises."""
    file = shapes.folder / "migrations" / "shapes.toml"
    loud = """DO $$ BEGIN RAISE EXCEPTION 'bad row: %', (SELECT email FROM public.people LIMIT 1); END $$"""
    script = f'\n[[operation]]\nkind = "sql"\ntitle = "loud"\nphase = "before"\ndown = ""\nup = """{loud}"""\n'
    file.write_text(file.read_text(encoding="utf-8") + script, encoding="utf-8")
    planned = shapes.run("plan", "shapes", "--show-values", "--save", "plan.json")
    assert planned.status == 0 and "secret.example" in planned.out
    failed = shapes.run("apply", "shapes", "--plan", "plan.json", "--json")
    assert failed.status == 4, failed
    where = Path(failed.events[-1]["json"])
    report = json.loads(where.read_text(encoding="utf-8"))
    assert report["error"]["code"] == "P0001"
    assert {hazard["id"] for hazard in report["plan"]["hazards"]} and report["plan"]["census"]
    assert "secret.example" not in where.read_text(encoding="utf-8") + where.with_suffix(".html").read_text("utf-8")

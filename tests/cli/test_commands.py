"""Every command on a real database: stdout, stderr, exit status, and the shape of --json."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from psycopg.conninfo import make_conninfo

from ecluse.postgres.connect import Database
from tests.cli.conftest import MIGRATION, Project, load, write_project


def test_plan_in_both_forms(project: Project) -> None:
    human = project.run("plan", "uuids")
    assert (human.status, human.err) == (0, "")
    assert "SHARE ROW EXCLUSIVE" in human.out
    assert "NO WAY BACK" in human.out
    assert "Next:" not in human.out, "only on a terminal"
    value = project.run("--json", "plan", "uuids").value
    assert value["refused"] is False
    assert {"migration", "database", "fingerprint", "steps", "census", "hazards", "counts"} <= set(value)
    assert value["fingerprint"] in human.out
    assert value["steps"][0]["phase"] == "expand"
    assert value["counts"]["steps"] == len(value["steps"])
    assert {h["id"] for h in value["hazards"]} >= {"prepared-statements"}
    soft = {h["object"]: h for h in value["hazards"] if h["id"] == "soft-reference"}
    events = "public.events"
    assert set(soft) == {f"{events}.conversation", f"{events}.payload -> about.id", f"{events}.seen_by -> [*]"}
    assert "100% of" in soft[f"{events}.payload -> about.id"]["message"]
    assert 'path = "about.id"' in soft[f"{events}.payload -> about.id"]["hint"]


def test_a_refused_plan_is_exit_3_in_plan_and_apply_and_masks_values(project: Project) -> None:
    project.execute("INSERT INTO conversations VALUES ('ann@example.com', 'u')")
    planned = project.run("plan", "uuids")
    assert planned.status == 3
    assert "refused" in planned.out
    assert 'invalid = "quarantine"' in planned.out
    assert "ann@example.com" not in planned.out
    assert "xxx@xxxxxxx.xxx" in planned.out
    assert "ann@example.com" in project.run("plan", "uuids", "--show-values").out
    applied = project.run("apply", "uuids", "--json")
    assert (applied.status, applied.error["code"]) == (3, "ECL401")
    assert "ann@example.com" not in applied.err
    dry = project.run("apply", "uuids", "--dry-run")
    assert (dry.status, dry.err) == (3, "")
    assert "1 value of id refused" in dry.out and "A run would be refused" in dry.out
    assert "ann@example.com" not in dry.out
    assert "ann@example.com" in project.run("apply", "uuids", "--dry-run", "--show-values").out
    assert project.execute("SELECT to_regnamespace('ecluse')") == [(None,)]


def test_explain_gives_sql_with_lock_and_undo(project: Project) -> None:
    listed = project.run("explain", "uuids")
    assert listed.status == 0 and len(listed.out.splitlines()) < 20 and "NO WAY BACK" in listed.out
    result = project.run("explain", "uuids", "--sql")
    assert result.status == 0
    for part in ("CREATE TRIGGER", "-- lock: ", "-- undo:", "LOCK TABLE", "SET SCHEMA", "NO WAY BACK"):
        assert part in result.out
    steps = project.run("explain", "uuids", "--json", "--phase", "switch").value["steps"]
    assert [s["phase"] for s in steps] == ["switch"]
    assert any("ACCESS EXCLUSIVE" in sql for sql in steps[0]["sql"])
    assert project.execute("SELECT to_regnamespace('ecluse')") == [(None,)]


def test_what_is_explained_is_what_is_run(project: Project) -> None:
    """The SQL of the first steps, run by hand, makes what the engine makes."""
    steps = project.run("explain", "uuids", "--json").value["steps"]
    expand = [sql for s in steps if s["phase"] in ("expand", "copy") for sql in s["sql"]]
    project.execute("CREATE SCHEMA ecluse")
    project.execute(";\n".join(expand))
    tables = project.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'ecluse_next_uuids'")
    assert tables == [(4,)]
    assert project.execute("SELECT count(*) FROM ecluse_next_uuids.conversations")[0][0] > 0


def test_the_whole_way_and_back(project: Project) -> None:
    applied = project.run("apply", "uuids")
    assert applied.status == 0
    assert "is built and proved" in applied.out
    assert "8/8  compare old and new, both ways: done in" in applied.err
    assert project.execute("SELECT pg_typeof(id)::text FROM conversations LIMIT 1") == [("text",)]

    again = project.run("apply", "uuids", "--json")
    assert again.status == 0
    assert again.events[-1]["status"] == "ready"

    switched = project.run("switch", "uuids", "--json")
    assert switched.status == 0
    assert switched.events[-1]["event"] == "result"
    assert switched.events[-1]["seconds_under_lock"] < 1
    assert project.execute("SELECT pg_typeof(id)::text FROM conversations LIMIT 1") == [("uuid",)]
    project.execute("INSERT INTO conversations (user_id, question) VALUES ('new', 'hello')")

    back = project.run("rollback", "uuids")
    assert back.status == 0
    assert "is rolled back" in back.out
    assert project.execute("SELECT question FROM conversations WHERE user_id = 'new'") == [("hello",)]
    assert project.execute("SELECT pg_typeof(id)::text FROM conversations LIMIT 1") == [("text",)]

    assert project.run("apply", "uuids", "--switch").status == 0
    assert project.execute("SELECT pg_typeof(id)::text FROM conversations LIMIT 1") == [("uuid",)]
    for command in ("plan", "apply"):
        stands = project.run(command, "uuids")
        assert stands.status == 0
        assert "nothing to do: switched on 20" in stands.out
        assert "ecluse rollback uuids  |  ecluse finish uuids" in stands.out


def test_a_file_that_is_edited_after_apply_is_told(project: Project) -> None:
    assert project.run("apply", "uuids").status == 0
    assert "has changed" not in project.run("apply", "uuids").err
    file = project.folder / "migrations" / "uuids.toml"
    file.write_text(file.read_text(encoding="utf-8") + "\n# another thought\n", encoding="utf-8")
    switched = project.run("switch", "uuids")
    assert switched.status == 0
    assert "has changed since this run began" in switched.err
    assert "ecluse rollback uuids" in switched.err


def test_finish_needs_more_than_yes(project: Project) -> None:
    project.run("apply", "uuids", "--switch")
    alone = project.run("finish", "uuids", "--yes", "--json")
    assert (alone.status, alone.error["code"]) == (1, "ECL304")
    wrong = project.run("finish", "uuids", "--confirm", "000000000000")
    assert wrong.status == 1
    assert "not the fingerprint" in wrong.err
    fingerprint = project.run("status", "--json").value["runs"][0]["fingerprint"]
    done = project.run("finish", "uuids", "--confirm", fingerprint, "--json")
    assert done.status == 0
    archive = Path(done.events[-1]["archive"])
    assert (archive / "manifest.json").is_file()
    assert archive.is_relative_to(project.folder / ".ecluse" / "archive")
    assert project.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ecluse\\_%'") == []
    twice = project.run("finish", "uuids", "--confirm", fingerprint)
    assert (twice.status, "nothing to do: finished on 20" in twice.out) == (0, True)
    proof = project.run("verify", "uuids", "--json")
    assert (proof.status, proof.error["code"]) == (1, "ECL303")
    assert "is finished" in proof.error["message"]
    project.execute("DROP INDEX tags_conversation_id_idx")
    assert "table public.tags, index tags_conversation_id_idx: is gone" in project.run("doctor", "--only", "drift").out
    assert "accepted: table public.tags, index" in project.run("doctor", "--accept", "uuids").out
    assert project.run("doctor", "--only", "drift").status == 0
    (told,) = project.run("status", "--json").value["runs"]
    assert Path(told["archive"], "schema.sql").is_file()
    for command in ("plan", "apply"):
        again = project.run(command, "uuids")
        assert again.status == 0, command
        assert "nothing to do: finished on 20" in again.out
    value = project.run("plan", "uuids", "--json").value
    assert (value["status"], value["nothing_to_do"], value["next"]) == ("finished", True, [])


def test_protected_databases_ask(tmp_path: Path, database: Database) -> None:
    project = write_project(tmp_path, database, "protect = true\n")
    load(project, 100)
    assert project.run("plan", "uuids").status == 0
    unrehearsed = ("--without-rehearsal", "a test")
    for command in (("apply", *unrehearsed), ("switch",), ("rollback",)):
        result = project.run(command[0], "uuids", *command[1:])
        assert result.status == 1, command
        assert "there is no terminal" in result.err
        assert "nothing was changed" in result.err
    assert project.run("apply", "uuids", "--yes", *unrehearsed).status == 0
    assert project.run("switch", "uuids", "--yes", "--without-backup", "a test").status == 0
    assert project.execute("SELECT detail->>'without' FROM ecluse.step WHERE name = 'backup'") == [("a test",)]
    assert project.run("finish", "uuids", "--yes").status == 1


def test_a_saved_plan_is_carried_out_only_where_it_still_fits(project: Project) -> None:
    saved = project.folder / "uuids.plan.json"
    assert project.run("plan", "uuids", "--save", str(saved)).status == 0
    assert saved.stat().st_mode & 0o077 == 0
    project.execute("ALTER TABLE conversations ADD COLUMN mood text")
    changed = project.run("apply", "uuids", "--plan", str(saved), "--json")
    assert (changed.status, changed.error["code"]) == (1, "ECL301")
    assert "mood" in changed.error["details"]
    project.execute("ALTER TABLE conversations DROP COLUMN mood")
    assert project.run("apply", "uuids", "--plan", str(saved)).status == 0
    assert project.run("apply", "uuids", "--plan", "ecluse.toml").status == 2


def test_status_before_during_and_after(project: Project) -> None:
    assert project.run("status", "--json").value["runs"] == []
    project.run("apply", "uuids")
    value = project.run("status", "--json").value
    assert value["working"] == []
    (run,) = value["runs"]
    assert (run["status"], run["rows"], run["pending"]) == ("ready", 2100, 0)
    assert run["proof"]["passed"] is True
    assert run["next"] == ["ecluse switch uuids", "ecluse verify uuids", "ecluse rollback uuids"]
    project.execute("UPDATE conversations SET question = 'x' WHERE ctid IN (SELECT ctid FROM conversations LIMIT 5)")
    assert "5 changes wait in the log" in project.run("status").out
    assert project.run("status", "--watch").status == 0, "nothing is at work, so there is nothing to wait for"


def test_verify_says_for_each_table_and_is_exit_3_where_it_fails(project: Project) -> None:
    project.run("apply", "uuids", "--switch")
    good = project.run("verify", "uuids", "--json")
    assert good.status == 0
    result = good.events[-1]
    assert result["passed"] is True
    accounts = {a["table"]: a for a in result["accounts"]}
    assert accounts["public.conversations"]["rows_in"] == accounts["public.conversations"]["carried"] == 2000
    # Behind the back of the capture.
    project.execute(
        "SET session_replication_role = replica; ALTER TABLE conversations DISABLE TRIGGER zz_ecluse_capture;"
        "UPDATE conversations SET question = 'secret' WHERE ctid IN (SELECT ctid FROM conversations LIMIT 1);"
        "ALTER TABLE conversations ENABLE ALWAYS TRIGGER zz_ecluse_capture"
    )
    bad = project.run("verify", "uuids")
    assert bad.status == 3
    assert "NO" in bad.out
    assert "secret" not in bad.out
    assert "secret" in project.run("verify", "uuids", "--show-values").out


def test_quarantine(tmp_path: Path, database: Database) -> None:
    project = write_project(tmp_path, database)
    load(project, 100)
    file = project.folder / "migrations" / "uuids.toml"
    file.write_text(MIGRATION + 'invalid = "quarantine"\n', encoding="utf-8")
    project.execute("INSERT INTO conversations VALUES ('ann@example.com', 'u'), ('bob@example.com', 'u')")
    project.execute("ALTER TABLE conversations ADD access_token text DEFAULT 'not-for-eyes'")
    dry = project.run("apply", "uuids", "--dry-run", "--json")
    assert (dry.status, dry.err, dry.value["refused"], dry.value["uncounted"]) == (0, "", False, [])
    [rows] = [d for d in dry.value["dispositions"] if d["table"] == "public.conversations"]
    assert (rows["rows_in"], rows["carried"], rows["reasons"]) == (102, 100, {"'id' is not a UUID": 2})
    assert project.execute("SELECT to_regnamespace('ecluse')") == [(None,)]
    assert project.run("apply", "uuids").status == 0
    assert project.run("apply", "uuids", "--dry-run", "--json").value["dispositions"] == dry.value["dispositions"]
    listed = project.run("quarantine", "list", "uuids", "--json").value["rows"]
    assert [(r["place"], r["state"]) for r in listed] == [("quarantine", "held")] * 2
    assert "ann@example.com" not in project.run("quarantine", "list").out
    shown = project.run("quarantine", "list", "--show-values").out
    assert "ann@example.com" in shown and "access_token='***'" in shown and "not-for-eyes" not in shown
    exported = [json.loads(line) for line in project.run("quarantine", "export").out.splitlines()]
    assert {e["row"]["id"] for e in exported} == {"ann@example.com", "bob@example.com"}
    status = project.run("status", "--json").value["runs"][0]
    assert sum(status["quarantine"]["public.conversations"].values()) == 2

    still = project.run("quarantine", "retry", "uuids", "--json")
    assert still.status == 3
    assert still.events[-1]["still_held"] == 2
    project.execute(f"UPDATE conversations SET id = '{uuid.uuid4()}' WHERE id LIKE 'ann%'")
    project.run("apply", "uuids")
    held = [r for r in project.run("quarantine", "list", "--json").value["rows"] if r["state"] == "held"]
    assert len(held) == 1
    assert project.run("quarantine", "discard", "uuids").status == 2
    assert project.run("quarantine", "discard", "uuids", "--all").status == 1
    gone = project.run("quarantine", "discard", "uuids", "--all", "--yes")
    assert (gone.status, gone.out) == (0, "1 row discarded.\n")


def test_inspect_finds_soft_references_by_name_and_by_value(project: Project) -> None:
    value = project.run("inspect", "--json").value
    assert {t["name"] for t in value["tables"]} == {"public.conversations", "public.tags", "public.events"}
    found = {(r["table"], r["column"], r["path"]): r for r in value["references"]}
    for column, path in (("conversation", ""), ("payload", "about.id"), ("seen_by", "[*]")):
        reference = found["public.events", column, path]
        assert (reference["key_table"], reference["key_column"]) == ("public.conversations", "id")
        assert reference["share"] == 1.0
    assert not [r for r in value["references"] if r["table"] == "public.conversations"]
    assert "public.events.payload -> about.id" in project.run("inspect").out


def test_wrong_password_is_told_without_it(project: Project, tmp_path: Path) -> None:
    url = make_conninfo(project.database.conninfo, user="nobody_here", password="hunter2")
    stranger = write_project(tmp_path / "other", Database("app", url))
    for arguments in (["status"], ["plan", "uuids"], ["apply", "uuids", "--json"]):
        result = stranger.run(*arguments)
        assert result.status == 1, result
        assert "ECL110" in result.err
        assert "hunter2" not in result.out + result.err


def test_missing_rights_are_named_all_at_once(project: Project, tmp_path: Path) -> None:
    project.execute("DO $$ BEGIN CREATE ROLE ecluse_poor LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    project.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ecluse_poor")
    poor = write_project(
        tmp_path / "poor", Database("app", make_conninfo(project.database.conninfo, user="ecluse_poor"))
    )
    result = poor.run("plan", "uuids", "--json")
    assert (result.status, result.error["code"]) == (1, "ECL402")
    assert "public.conversations" in result.error["details"]
    assert "public.tags" in result.error["details"]
    assert "CREATE on database" in result.error["details"]


def test_quiet_prints_data_and_errors_only(project: Project) -> None:
    result = project.run("apply", "uuids", "--quiet")
    assert (result.status, result.err) == (0, "")
    assert "is built and proved" in result.out


def test_commands_that_do_not_fit_the_state_say_so(project: Project) -> None:
    for command in ("switch", "rollback", "verify"):
        result = project.run(command, "uuids", "--json")
        assert (result.status, result.error["code"]) == (1, "ECL303"), command
        assert result.error["state"] == "nothing was changed"
    finished = project.run("finish", "uuids", "--confirm", "x", "--json")
    assert (finished.status, finished.error["code"]) == (1, "ECL303")


def test_the_way_back_needs_no_migration_file(project: Project) -> None:
    """At night a file that is half edited, or gone, must not stand between somebody and the old shape."""
    assert project.run("apply", "uuids", "--switch").status == 0
    file = project.folder / "migrations" / "uuids.toml"
    file.write_text(file.read_text(encoding="utf-8") + "x = [", encoding="utf-8")
    broken = project.run("verify", "uuids")
    assert broken.status == 0, broken.err
    assert "keeps to the plan that is in its journal" in broken.err
    file.unlink()
    back = project.run("rollback", "uuids")
    assert back.status == 0, back.err
    kind = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'conversations'::regclass"
    assert project.execute(f"{kind} AND attname = 'id'") == [("text",)]
    again = project.run("rollback", "uuids")
    assert (again.status, "there is no migration 'uuids'" in again.err) == (2, True)


def test_a_mapping_that_fails_names_its_column_and_leaves_nothing_half_done(project: Project) -> None:
    (project.folder / "migrations" / "numbers.toml").write_text(
        'name = "numbers"\n[[operation]]\nkind = "convert_column"\ntable = "public.conversations"\ncolumn = "user_id"\n'
        'to = "integer"\nusing = "user_id::integer"\nback = "user_id::text"\n'
    )
    for command in (("plan",), ("apply", "--dry-run"), ("apply",)):
        failed = project.run(*command, "numbers", "--json")
        assert (failed.status, failed.error["code"], failed.error["state"]) == (1, "22P02", "nothing was changed")
        assert "public.conversations.user_id" in failed.error["details"] and "user 1" not in failed.err

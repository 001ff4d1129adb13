"""What needs no database: usage, settings, errors as they are told."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import ecluse
from ecluse.cli import main
from ecluse.cli.main import COMMANDS
from ecluse.errors import EcluseError, all_errors
from tests.cli.conftest import Project


def test_help_names_every_command_and_imports_no_driver() -> None:
    probe = (
        "import sys; from ecluse.cli.main import run; status = run(['--help']); "
        "print([m for m in ('psycopg', 'pydantic', 'pglast', 'rich') if m in sys.modules], file=sys.stderr); "
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([name, "--help"]) == 0
    assert "Usage: ecluse" in capsys.readouterr().out


def test_version(empty: Project) -> None:
    assert empty.run("--version").out == f"ecluse {ecluse.__version__}\n"
    assert version("ecluse")


def test_no_command_is_wrong_usage_and_shows_help(empty: Project) -> None:
    result = empty.run()
    assert (result.status, result.out) == (2, "")
    assert "Usage:" in result.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["plann"], "did you mean 'plan'"),
        (["plan"], "Missing argument"),
        (["plan", "x", "--wrong"], "No such option"),
        (["errors", "ECL000"], "no error 'ECL000'"),
        (["operations", "convert_colum"], "did you mean 'convert_column'"),
        (["apply", "x", "--workers", "0"], "workers"),
        (["explain", "x", "--phase", "copyy"], "'expand', 'copy'"),
    ],
)
def test_wrong_usage_is_exit_2(empty: Project, arguments: list[str], says: str) -> None:
    result = empty.run(*arguments)
    assert (result.status, result.out) == (2, "")
    assert says in result.err
    assert "[ECL100]" in result.err


def test_wrong_usage_as_json(empty: Project) -> None:
    result = empty.run("plann", "--json")
    assert result.status == 2
    assert set(result.error) == {"code", "message", "details", "hint", "state"}
    assert result.error["code"] == "ECL100"


def test_every_error_has_an_exit_status_and_a_code_of_its_own() -> None:
    codes = [cls.code for cls in all_errors()]
    assert len(set(codes)) == len(codes)
    for cls in all_errors():
        assert cls.exit_status in (1, 2, 3, 4, 70, 130), cls
        assert (cls.__doc__ or "").strip(), cls


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.code)
def test_the_border_gives_every_error_its_exit_status(
    cls: type[EcluseError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"sqlstate": "23505"} if cls.code == "ECL500" else {}
    error = cls("it broke", details="in two", hint="glue", state="half is done", **more)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(main.cli, "main", fail)
    assert main.run([]) == cls.exit_status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        f"error: it broke  [{more.get('sqlstate', cls.code)}]",
        "  in two",
        "",
        "hint: glue",
        "state: half is done",
    ]
    assert main.run(["--json"]) == cls.exit_status
    assert json.loads(capsys.readouterr().err) == error.as_dict()
    error.state = "nothing was changed"
    assert main.run([]) == (1 if cls.exit_status == 4 else cls.exit_status), "nothing stands half way"


def test_a_bug_is_exit_70_and_has_a_traceback_only_with_verbose(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret row")

    monkeypatch.setattr(main.cli, "main", fail)
    assert main.run([]) == 70
    told = capsys.readouterr().err
    assert ecluse.__version__ in told
    assert "please report" in told
    assert "secret row" not in told
    assert main.run(["--verbose"]) == 70
    assert "Traceback" in capsys.readouterr().err


# --- settings ---------------------------------------------------------------------------------------


def test_init_writes_a_project_that_can_be_read_and_overwrites_nothing(empty: Project) -> None:
    assert empty.run("init").status == 0
    settings = empty.folder / "ecluse.toml"
    assert (empty.folder / "migrations").is_dir()
    shown = empty.run("config", "--json").value["settings"]
    assert {"name": "databases.app.url", "value": "embedded:app", "origin": "ecluse.toml line 6", "note": ""} in shown
    settings.write_text("# mine\n", encoding="utf-8")
    assert empty.run("init").status == 0
    assert settings.read_text(encoding="utf-8") == "# mine\n"
    assert empty.run("init", "--force").status == 0
    assert "embedded:app" in settings.read_text(encoding="utf-8")


def test_no_settings(empty: Project) -> None:
    result = empty.run("status")
    assert result.status == 2
    assert "ECL101" in result.err
    assert "ecluse init" in result.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[databases\n", "ecluse.toml line 1"),
        (
            "[databases.app]\nurl = 'embedded:app'\nprotekt = true\n",
            "line 3: unknown key 'protekt'; did you mean 'protect'",
        ),
        ("[databases]\napp = 'hunter2'\n", "no address of a database"),
    ],
)
def test_bad_settings_name_file_line_and_the_nearest_word(empty: Project, text: str, says: str) -> None:
    (empty.folder / "ecluse.toml").write_text(text, encoding="utf-8")
    result = empty.run("status")
    assert result.status == 2
    assert says in result.err
    assert "hunter2" not in result.err


def test_settings_are_found_from_a_folder_below_and_shown_without_passwords(empty: Project) -> None:
    (empty.folder / "ecluse.toml").write_text("[databases]\napp = 'postgresql://me:hunter2@h/d'\n", encoding="utf-8")
    below = empty.folder / "a" / "b"
    below.mkdir(parents=True)
    for arguments in (["config"], ["config", "--json"]):
        result = Project(below, empty.database).run(*arguments)
        assert result.status == 0
        assert "hunter2" not in result.out + result.err
        assert "me:***@h/d" in result.out


def test_unknown_database_and_missing_variable(empty: Project) -> None:
    (empty.folder / "ecluse.toml").write_text("[databases]\napp = 'env:ECLUSE_TEST_NOWHERE'\n", encoding="utf-8")
    unknown = empty.run("status", "--database", "ap")
    assert unknown.status == 2
    assert "did you mean 'app'" in unknown.err
    missing = empty.run("status", "--json")
    assert (missing.status, missing.error["code"]) == (1, "ECL103")


@pytest.mark.parametrize("arguments", [["--help"], ["errors"]])
def test_a_reader_that_has_seen_enough_is_no_failure(empty: Project, arguments: list[str]) -> None:
    process = empty.start(*arguments)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert (process.wait(60), process.stderr.read()) == (0, "")
    process.stderr.close()


def test_unknown_migration_names_the_nearest(empty: Project) -> None:
    empty.run("init")
    (empty.folder / "migrations" / "uuids.toml").write_text("", encoding="utf-8")
    result = empty.run("plan", "uuid")
    assert result.status == 2
    assert "there is no migration 'uuid'; did you mean 'uuids'?  [ECL205]" in result.err


def test_migrations_are_found_by_name_in_three_forms_and_by_path(empty: Project) -> None:
    empty.run("init")
    folder = empty.folder / "migrations"
    for place in ("one.toml", "two/two.toml", "three/migration.toml"):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text("name = 5\n", encoding="utf-8")
        for given in (Path(place).parts[0].removesuffix(".toml"), f"migrations/{place}"):
            result = empty.run("plan", given, "--json")
            assert (result.status, result.error["code"]) == (2, "ECL201"), given


@pytest.mark.parametrize(
    ("text", "says", "code"),
    [
        ("name = \n", "line 1", "ECL201"),
        ('name = "m"\n[[operation]]\nkind = "convert_colum"\n', "line 3: unknown operation 'convert_colum'", "ECL202"),
        ('name = "m"\n[[operation]]\nkind = "convert_column"\ntabel = "t"\n', "line 4", "ECL201"),
    ],
)
def test_bad_migrations_name_file_and_line(empty: Project, text: str, says: str, code: str) -> None:
    empty.run("init")
    (empty.folder / "migrations" / "m.toml").write_text(text, encoding="utf-8")
    result = empty.run("plan", "m", "--json")
    assert (result.status, result.error["code"]) == (2, code)
    assert says in result.error["message"] + result.error["details"]


# --- what is known without a project ----------------------------------------------------------------


def test_errors_and_operations_are_listed_from_the_registries(empty: Project) -> None:
    assert len(empty.run("errors", "--json").value["errors"]) == len(all_errors())
    one = empty.run("errors", "ecl110")
    assert "ECL110" in one.out
    assert len(one.out.splitlines()) == 1
    kinds = [o["kind"] for o in empty.run("operations", "--json").value["operations"]]
    assert "convert_column" in kinds
    fields = empty.run("operations", "convert_column", "--json").value["fields"]
    assert {"table", "column", "invalid"} <= {f["name"] for f in fields}
    assert empty.run("operations", "--schema").value["title"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(empty: Project, shell: str) -> None:
    result = empty.run("completion", shell)
    assert result.status == 0
    assert "_ECLUSE_COMPLETE" in result.out


def test_completion_knows_commands_and_migrations(empty: Project) -> None:
    empty.run("init")
    (empty.folder / "migrations" / "uuids.toml").write_text("", encoding="utf-8")
    for words, position, wanted in (("ecluse rollb", "1", "rollback"), ("ecluse plan u", "2", "uuids")):
        asked = {"_ECLUSE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": position}
        assert wanted in Project(empty.folder, empty.database, asked).run().out

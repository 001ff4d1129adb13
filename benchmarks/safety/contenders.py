"""The tools: how each is started on a scene, when it changes the tables for the last time, what its complaint was."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from benchmarks.move.peers import as_uri, find_pgcopydb, pgcopydb_version, with_libraries
from benchmarks.programs import environment
from benchmarks.safety.ground import Scene
from benchmarks.safety.judge import Ended

_SCRIPTS = Path(__file__).parent / "scripts"
_NAME = "uuids"
_MIGRATION = f"""
name = "{_NAME}"
database = "app"

[[operation]]
kind = "convert_column"
table = "public.conversations"
column = "id"
to = "uuid"
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start."""

    words: Sequence[str]
    env: Mapping[str, str] = field(default_factory=environment)


def _complaint(status: int, said: str) -> Ended:
    """The first line that tells an error; it is a refusal where the script itself says so."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\bERROR\b|refused:|^\w[\w.]+Error\b", line)]
    line = (telling or lines[-1:] or [f"exit status {status}"])[0]
    return Ended(status, _short(line), "refused: " in line)


def _short(line: str) -> str:
    """Without what differs from one machine to another: folders, times, process ids."""
    line = re.sub(r"^\d\d:\d\d:\d\d \d+ (ERROR|FATAL) +(\[\w+\] )?", "", line)
    line = re.sub(r"^.*\bpsql:(\w+/\w+\.sql):\d+: ", r"\1: ", line)
    line = re.sub(r"^sqlalchemy\.exc\.\w+: ", "", line)
    return re.sub(r"/tmp/\S+/", "", line)[:300]


@dataclass(frozen=True, slots=True)
class Contender:
    """`switch`: of the statements that a session of its runs, the one in which it changes the tables for the last time.

    A session counts when it also holds ACCESS EXCLUSIVE on a table of the database in which the tool writes.
    """

    name: str
    title: str
    command: Callable[[Scene], Command]
    version: Callable[[], str]  # empty where the program is not here
    switch: str = ""
    complaint: Callable[[int, str], Ended] = _complaint
    copies: bool = False
    resume: Sequence[str] = ()  # what is said besides, when it is started again after it was killed


# --- Écluse -----------------------------------------------------------------------------------------


def _ecluse(scene: Scene) -> Command:
    settings, migrations = scene.folder / "ecluse.toml", scene.folder / "migrations"
    migrations.mkdir(exist_ok=True)
    settings.write_text(f"[databases]\napp = {json.dumps(scene.keeper)}\n")
    (migrations / f"{_NAME}.toml").write_text(_MIGRATION)
    words = [sys.executable, "-m", "ecluse", "apply", _NAME, "--switch", "--json", "--yes", "--config", str(settings)]
    return Command(words)


def _ecluse_complaint(status: int, said: str) -> Ended:
    lines = [line for line in said.splitlines() if line.startswith('{"code"')]
    if status == 0 or not lines:
        return _complaint(status, said)
    error = json.loads(lines[-1])
    why = next(iter(error["details"].splitlines()), "") if error["code"] == "ECL401" else error["message"]
    return Ended(status, f"{error['code']}: {why}"[:300], error["code"].startswith("ECL"))


def _ecluse_version() -> str:
    said = subprocess.run(
        [sys.executable, "-m", "ecluse", "--version"], env=environment(), capture_output=True, text=True, check=True
    )
    return said.stdout.split()[-1]


# --- Alembic ----------------------------------------------------------------------------------------


def _alembic(way: str) -> Callable[[Scene], Command]:
    def command(scene: Scene) -> Command:
        program = shutil.which("alembic") or "alembic"
        words = [program, "--config", str(_SCRIPTS / "alembic" / "alembic.ini"), "--name", way, "upgrade", "head"]
        return Command(words, environment(DATABASE=scene.keeper, PYTHONDONTWRITEBYTECODE="1"))

    return command


def _alembic_version() -> str:
    program = shutil.which("alembic")
    if program is None:
        return ""
    said = subprocess.run([program, "--version"], env=environment(), capture_output=True, text=True, check=True)
    return said.stdout.split()[-1]


# --- sqitch -----------------------------------------------------------------------------------------


def _sqitch(way: str) -> Callable[[Scene], Command]:
    def command(scene: Scene) -> Command:
        parts = {name: str(value) for name, value in conninfo_to_dict(scene.keeper).items()}
        there = {"PGHOST": parts["host"], "PGPORT": parts["port"], "PGUSER": parts["user"]}
        project = ["--chdir", str(_SCRIPTS / "sqitch" / way)]
        words = [*_perl(), *project, "deploy", "--verify", "--client", str(scene.programs / "psql")]
        return Command([*words, f"db:pg:{parts['dbname']}"], _sqitch_environment(**there))

    return command


def _perl() -> list[str]:
    program = shutil.which("sqitch") or "sqitch"
    return ["perl", "-CAS", program]


def _sqitch_environment(**further: str) -> dict[str, str]:
    """Its surroundings: libraries that were unpacked beside it, and not installed."""
    share = Path(shutil.which("sqitch") or "").parent.parent
    beside = [share / "share" / "perl5", *share.glob("lib/*/perl5/*")]
    libraries = {} if share == Path("/usr") else {"PERL5LIB": os.pathsep.join(map(str, beside))}
    who = {"SQITCH_FULLNAME": "Bench", "SQITCH_EMAIL": "bench@example.org"}
    return environment(**further) | libraries | who | {"LC_ALL": "C.UTF-8"}


def _sqitch_version() -> str:
    if shutil.which("sqitch") is None:
        return ""
    said = subprocess.run(
        [*_perl(), "--version"], env=_sqitch_environment(), capture_output=True, text=True, check=False
    )
    return said.stdout.split()[-1] if said.returncode == 0 else ""


# --- pgcopydb ---------------------------------------------------------------------------------------


def _pgcopydb(scene: Scene) -> Command:
    program = find_pgcopydb() or Path("pgcopydb")
    ends = ["--source", as_uri(scene.keeper), "--target", as_uri(scene.elsewhere)]
    words = [str(program), "clone", "--table-jobs", "2", "--index-jobs", "2", "--dir", str(scene.folder / "pgcopydb")]
    return Command([*words, *ends], with_libraries(program, PATH=f"{scene.programs}{os.pathsep}{os.environ['PATH']}"))


CONTENDERS = (
    Contender("ecluse", "**Écluse**", _ecluse, _ecluse_version, ".", _ecluse_complaint),
    Contender(
        "alembic",
        "Alembic, in place",
        _alembic("in_place"),
        _alembic_version,
        "ADD CONSTRAINT tags_conversation_id_fkey",
    ),
    Contender(
        "alembic-shadow",
        "Alembic, new columns in batches",
        _alembic("shadow"),
        _alembic_version,
        "DROP COLUMN|RENAME|PRIMARY KEY USING",
    ),
    Contender(
        "sqitch", "sqitch, in place", _sqitch("in_place"), _sqitch_version, "ADD CONSTRAINT tags_conversation_id_fkey"
    ),
    Contender("sqitch-new", "sqitch, new tables", _sqitch("new_table"), _sqitch_version, "FOREIGN KEY|GRANT|RENAME"),
    Contender(
        "pgcopydb",
        "pgcopydb, to another server",
        _pgcopydb,
        lambda: pgcopydb_version().get("pgcopydb", ""),
        "FOREIGN KEY",
        copies=True,
        resume=("--resume", "--not-consistent"),
    ),
)

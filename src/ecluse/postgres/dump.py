"""`pg_dump` and `pg_restore` as processes: no password among their arguments, no value of a row in what they say."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ecluse.errors import (
    ConnectionLost,
    DiskFull,
    EcluseError,
    LockNotTaken,
    NoRoom,
    ProgramFailed,
    SettingsError,
)
from ecluse.postgres.connect import Database
from ecluse.postgres.failures import LOST_HINT, without_values
from ecluse.redaction import redact

# Milliseconds that pg_dump waits for its locks. Who waits to alter a table waits for a snapshot that we hold, and
# pg_dump waits behind him: a circle that no server sees, with the application behind both.
LOCK_PATIENCE = 5000
_LOCKING = "LOCK TABLE"  # of the statement that failed
_SECRETS = ("password", "sslpassword")
_LINES_KEPT = 20
_TOLD = ("error:", "FATAL:", "ERROR:", _LOCKING)
# What follows these words is of rows (CONTEXT: COPY t, line 3: "...") or of statements.
_LEFT_OUT = re.compile(r"^\s*(?:DETAIL|CONTEXT|STATEMENT|LINE \d+|QUERY|Command was)\b|Query was:")


def run_program(
    folder: Path,
    program: str,
    arguments: Sequence[str],
    database: Database,
    *,
    on_line: Callable[[str], None] = lambda line: None,
    running: Callable[[subprocess.Popen[str]], None] = lambda process: None,
) -> None:
    """Run a program of PostgreSQL on a database and wait for it.

    `on_line` hears each line that it says (`--verbose` names tables as they are done); `running` is given the process,
    so that it can be stopped. Raises ProgramFailed, LockNotTaken, DiskFull, NoRoom or ConnectionLost.
    """
    with _connection(database) as (given, environment):
        process = subprocess.Popen(
            [str(folder / program), *arguments, "--dbname", given],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            umask=0o077,
            process_group=0,  # Ctrl-C is ours: whoever runs this decides what it means, and ends the program
        )
        running(process)
        said: list[str] = []
        try:
            assert process.stderr is not None
            for line in process.stderr:
                on_line(line.rstrip("\n"))
                if any(word in line for word in _TOLD):
                    said = [*said, line.rstrip("\n")][-_LINES_KEPT:]
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if status != 0:
        raise _failure(program, status, said)


def program_version(folder: Path, program: str) -> int:
    """The major version of a program of PostgreSQL. Raises ProgramFailed."""
    try:
        said = subprocess.run([folder / program, "--version"], capture_output=True, text=True, check=True).stdout
        return int(re.findall(r"\(PostgreSQL\) (\d+)", said)[0])
    except (OSError, subprocess.CalledProcessError, IndexError):
        raise ProgramFailed(f"'{program}' in '{folder}' does not say its version") from None


@contextmanager
def _connection(database: Database) -> Iterator[tuple[str, dict[str, str]]]:
    """The connection string without its secrets, and an environment that holds the path of a file with them."""
    try:
        given = conninfo_to_dict(database.conninfo)
    except psycopg.ProgrammingError:
        raise SettingsError(f"the connection string of {database} is not valid", hint="check ecluse.toml") from None
    environment = {name: value for name, value in os.environ.items() if name not in ("PGDATABASE", "PGOPTIONS")}
    secrets = {name: str(given.pop(name)) for name in _SECRETS if given.get(name) is not None}
    with tempfile.TemporaryDirectory(prefix="ecluse-") as folder:
        if "password" in secrets:
            environment["PGPASSFILE"] = _private(Path(folder) / "pass", f"*:*:*:*:{_escaped(secrets['password'])}\n")
            environment.pop("PGPASSWORD", None)
            given.pop("passfile", None)
        if "sslpassword" in secrets:
            written = "".join(f"{name}={value}\n" for name, value in given.items())
            written += f"sslpassword={secrets['sslpassword']}\n"
            environment["PGSERVICEFILE"] = _private(Path(folder) / "service", f"[ecluse]\n{written}")
            given = {"service": "ecluse"}
        yield make_conninfo("", application_name="ecluse dump", **given), environment


def _private(file: Path, text: str) -> str:
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(text, encoding="utf-8")
    return str(file)


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace(":", "\\:")


def _failure(program: str, status: int, said: list[str]) -> EcluseError:
    kept = [redact(without_values(line)) for line in said if not _LEFT_OUT.search(line)]
    details = "\n".join(kept) or f"it ended with status {status} and said nothing"
    whole = "\n".join(said)
    if re.search(rf"{program}: error: .*(?:No space left on device|Disk quota exceeded)", whole):
        return NoRoom(f"'{program}' found no space left for its files", details=details, hint="make room")
    if "No space left on device" in whole or "could not extend file" in whole:
        return DiskFull(f"'{program}' found no space left", details=details, hint="make room, and run it again")
    if re.search(r"server closed the connection|terminating connection|connection to server .* failed", whole):
        return ConnectionLost(f"'{program}' lost the connection to the server", details=details, hint=LOST_HINT)
    if program == "pg_dump" and re.search(rf"{_LOCKING}|could not obtain lock on relation", whole):
        return LockNotTaken(
            "a table cannot be locked for reading: somebody changes it, or waits to",
            details=details,
            hint="run it again when that is done",
        )
    return ProgramFailed(f"'{program}' failed", details=details)

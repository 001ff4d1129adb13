"""The definitions of a database on its copy: what `pg_dump` says of the source at the snapshot, without rows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ecluse.errors import CopyFailed, ProgramFailed
from ecluse.model.catalog import Catalog
from ecluse.model.names import Name, literal
from ecluse.postgres.binaries import client_programs
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.copies.source import Source
from ecluse.postgres.dump import LOCK_PATIENCE, run_program

_ENTRY = re.compile(r"^\d+; \d+ \d+ (?P<what>.*)$")
_EXTENSION = re.compile(r"^(?:EXTENSION - |COMMENT - EXTENSION )(?P<name>\S+)")
# What holds a password, or reaches out of the copy.
_NEVER = ("USER MAPPING ", "SUBSCRIPTION ", "COMMENT - SUBSCRIPTION ")
_REACH_OUT = frozenset({"http", "pg_net", "dblink", "postgres_fdw", "pg_cron", "plpython3u", "plperlu", "plsh"})


class Definitions:
    """What `pg_dump` wrote of a source, in a private folder; restored in two parts, the rows between them."""

    def __init__(self, source: Source, folder: Path) -> None:
        """Read the definitions. Raises MissingProgram, ProgramFailed."""
        self._programs = source.major
        self._file = folder / "definitions.dump"
        self._list = folder / "definitions.list"
        run_program(
            client_programs(source.major),
            "pg_dump",
            [
                *("--format=custom", "--schema-only", f"--snapshot={source.snapshot}"),
                *("--no-subscriptions", "--no-security-labels", "--no-tablespaces", "--exclude-schema=ecluse"),
                *(f"--file={self._file}", f"--lock-wait-timeout={LOCK_PATIENCE}"),
            ],
            source.database,
        )

    def restore(self, section: str, copy: Database, missing: frozenset[str], major: int) -> None:
        """Make one section, `pre-data` or `post-data`, on the copy; extensions in `missing` are left out.

        Raises CopyFailed with all that could not be made.
        """
        folder = client_programs(max(major, self._programs))
        if not self._list.exists():
            self._list.write_text(_fitting(folder, self._file, missing), encoding="utf-8")
        try:
            arguments = [f"--section={section}", f"--use-list={self._list}", "--no-tablespaces", str(self._file)]
            run_program(folder, "pg_restore", arguments, copy)
        except ProgramFailed as error:
            lacking = f"; the server lacks {', '.join(sorted(missing))}" if missing else ""
            raise CopyFailed(
                f"definitions of the database cannot be made on {copy}{lacking}",
                details=error.details,
                hint="--on NAME: a database of ecluse.toml on a server that has all that this one needs",
                state="nothing was changed",
            ) from None


def _fitting(folder: Path, file: Path, missing: frozenset[str]) -> str:
    """The table of contents without what must not, or cannot, be made."""
    listed = subprocess.run([folder / "pg_restore", "--list", file], capture_output=True, text=True, check=True).stdout
    kept = []
    for line in listed.splitlines():
        entry = _ENTRY.match(line)
        what = entry["what"] if entry else ""
        extension = _EXTENSION.match(what)
        if what.startswith(_NEVER) or (extension and extension["name"].strip('"') in missing):
            continue
        kept.append(line)
    return "\n".join(kept) + "\n"


def reaching_out(source: Catalog) -> tuple[str, ...]:
    """Extensions of the source by which the copy could do something elsewhere."""
    return tuple(sorted(_REACH_OUT & set(source.extensions)))


def settle(source: Source, copy: Database) -> None:
    """After rows and definitions: sequences where they stand, materialised views with rows, and statistics."""
    with open_session(copy, role="rehearse") as conn:
        # What belongs to an extension is its own business; a matter of time, and not of the snapshot.
        for sequence in source.catalog.sequence_details.values():
            if not sequence.extension:
                _set_sequence(source.conn, conn, sequence.name)
        for name in _populated(source.catalog):
            conn.execute(f"REFRESH MATERIALIZED VIEW {name.sql}".encode())
        conn.execute("ANALYZE")


def _set_sequence(there: Session, here: Session, name: Name) -> None:
    row = there.execute(f"SELECT last_value, is_called FROM {name.sql}".encode()).fetchone()
    if row is not None:
        here.execute(f"SELECT pg_catalog.setval({literal(name.sql)}::regclass, %s, %s)".encode(), row)


def _populated(catalog: Catalog) -> list[Name]:
    """Materialised views with rows, those before that others read: by oid, in which order they were made."""
    found = [v for v in catalog.views.values() if v.materialised and v.populated and not v.extension]
    return [view.name for view in sorted(found, key=lambda view: view.oid)]

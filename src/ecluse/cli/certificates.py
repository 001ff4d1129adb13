"""The report of a command's run: written when it is done and where it fails, and read again from its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.project import Project
from ecluse.cli.render.json import line
from ecluse.errors import AnotherRun, EcluseError, ReportDamaged

if TYPE_CHECKING:
    from ecluse.postgres.connect import Database

JSON, HTML = "report.json", "report.html"
_NEEDED = {
    "migration": str,
    "run": int,
    "database": dict,
    "plan": dict,
    "proofs": list,
    "accounts": list,
    "accounts_at": str,
    "timeline": list,
    "sha256": str,
}


@dataclass(frozen=True)
class Certificate:
    """Where the report of a migration's run goes, and what it may show. `folder` None: one for each run."""

    invocation: Invocation
    project: Project
    database: Database
    migration: str
    folder: Path | None = None
    show_values: bool = False

    def written(self) -> dict[str, Any]:
        """Write it, and say where: the `report` of a command's result, null where it could not be written.

        That is told and is no failure: what the command did is done.
        """
        try:
            return {"report": self._write()}
        except Exception as error:  # noqa: BLE001 - whatever it is, the run that it is about is done
            self._tell_missing(error)
            return {"report": None}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write it where the command fails too, with what is known, and go on with the failure."""
        try:
            yield
        except AnotherRun:
            raise  # the run at work is somebody else's, and so is its report
        except EcluseError:
            found = self.written()["report"]
            if found and self.invocation.json:
                click.echo(line({"event": "report", **found}))
            elif found:
                self.invocation.say(f"report: {found['html']}")
            raise

    def _write(self) -> dict[str, str] | None:
        from ecluse.engine.evidence import gather

        report = gather(self.database, self.migration, values=self.show_values)
        if report is None:
            return None
        return write_report(report, self.place(report))

    def place(self, report: dict[str, Any]) -> Path:
        """The folder of a report: the one that was asked for, else the run's own."""
        return self.folder or self.project.reports / f"{report['migration']}-{report['run']}"

    def _tell_missing(self, error: Exception) -> None:
        why = error.message if isinstance(error, EcluseError) else f"{type(error).__name__}: {error}"
        again = f"`ecluse report {self.migration}` writes it later"
        click.echo(f"warning: the report was not written: {why}; {again}", err=True)


def write_report(report: dict[str, Any], folder: Path) -> dict[str, str]:
    """Write both files, each whole or not at all; for their owner only where values of rows are shown."""
    from ecluse.certificate import html
    from ecluse.postgres.files import write_whole

    page = html(report)
    folder.mkdir(parents=True, exist_ok=True)
    mode = 0o600 if report.get("shows_values") else 0o644
    write_whole(folder / JSON, json.dumps(report, indent=1, ensure_ascii=False) + "\n", mode)
    write_whole(folder / HTML, page, mode)
    paths = {"json": folder / JSON, "html": folder / HTML}
    return {kind: str(path.resolve()) for kind, path in paths.items()} | {"sha256": report["sha256"]}


def read_report(file: Path) -> dict[str, Any]:
    """The report in a file, edited or not. Raises ReportDamaged where it is none of a run."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        json.dumps(found, ensure_ascii=False).encode()  # half a character cannot be hashed, or shown
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise ReportDamaged(f"cannot read the report '{file}': {why}", hint="name the report.json of a run") from None
    if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in _NEEDED.items()):
        raise ReportDamaged(f"'{file}' is no report of a run", hint="name the report.json of a run")
    return found

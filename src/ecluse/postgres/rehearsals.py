"""The records of rehearsals: `rehearsals/NAME.json` in the project's folder, to be committed with the migration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ecluse.errors import SettingsError
from ecluse.model.rehearsal import Rehearsal
from ecluse.postgres.files import write_whole

FOLDER = "rehearsals"

_records: TypeAdapter[Rehearsal] = TypeAdapter(Rehearsal)


def record_file(project: Path, migration: str) -> Path:
    """Where the record of the latest rehearsal of a migration is kept."""
    return project / FOLDER / f"{migration}.json"


def read_rehearsal(project: Path, migration: str) -> Rehearsal | None:
    """The latest rehearsal of a migration; None where there was none. Raises SettingsError for a damaged record."""
    file = record_file(project, migration)
    try:
        return _records.validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = getattr(error, "strerror", None) or "it is not what `ecluse rehearse` writes"
        raise SettingsError(
            f"the record of the rehearsal of '{migration}' cannot be read: {reason}",
            details=str(file),
            hint=f"ecluse rehearse {migration}",
            state="nothing was changed",
        ) from None


def write_rehearsal(project: Path, rehearsal: Rehearsal) -> Path:
    """Keep the record; the one before is replaced as a whole."""
    file = record_file(project, rehearsal.migration)
    file.parent.mkdir(exist_ok=True)
    write_whole(file, _records.dump_json(rehearsal, indent=2).decode() + "\n")
    return file


def write_report(project: Path, rehearsal: Rehearsal, value: dict[str, Any], page: str) -> Path:
    """Keep all that a rehearsal found beside the project's other reports, for its owner's eyes; returns the page."""
    moment = rehearsal.at.replace(":", "").replace("-", "")
    folder = project / ".ecluse" / "reports" / f"{rehearsal.migration}-rehearsal-{moment}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("report.json", json.dumps(value, indent=2, default=str) + "\n"), ("report.html", page)):
        write_whole(folder / name, text, 0o600)
    return folder / "report.html"

"""A whole database copied: definitions, rows or a sample of them, then what stands on the rows."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ecluse.errors import NoRoom
from ecluse.postgres.catalog import missing_extensions
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.copies.definitions import Definitions, reaching_out, settle
from ecluse.postgres.copies.place import Place
from ecluse.postgres.copies.rows import copy_rows, parts
from ecluse.postgres.copies.sample import Sample
from ecluse.postgres.copies.source import Source

_TIMES = 3  # the copy, the new shape beside it, and what is written about both
_BASE = 400_000_000  # bytes of an empty server with its log
Told = Callable[[str, int, int, int], None]  # database, rows, ranges done, ranges in all


@dataclass(frozen=True, slots=True)
class Copied:
    """One database that was copied."""

    name: str
    rows: int
    fetched: int  # of these, rows that are there because others refer to them
    notes: tuple[str, ...] = ()


def require_room(folder: Path, size: int, percent: float) -> None:
    """Raise NoRoom where that share of so many bytes, three times over, does not fit where the copy would be."""
    wanted = round(size * percent / 100 * _TIMES) + _BASE
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    if free < wanted:
        raise NoRoom(
            f"a rehearsal needs about {wanted / 1e9:,.1f} GB in {folder}, and {free / 1e9:,.1f} GB are free",
            details=f"the tables have {size / 1e9:,.1f} GB; a copy, the new shape beside it and the log take "
            f"{_TIMES} times as much",
            hint="--sample PERCENT, or --on NAME: a database of ecluse.toml on a server with room",
            state="nothing was changed",
        )


def copy_database(
    source: Source,
    name: str,
    place: Place,
    *,
    sample: Sample | None = None,
    workers: int = 2,
    told: Told = lambda name, rows, done, parts: None,
    check: Callable[[], None] = lambda: None,
) -> Copied:
    """Copy the database into a new one at the place. Raises CopyFailed, MissingRights, and what reading raises."""
    tables = source.tables
    copy = place.make(name, source)
    notes = _notes(source, name)
    with closing(open_session(copy, role="rehearse")) as conn:
        missing = frozenset(missing_extensions(conn, source.catalog.extensions))
    if missing:
        notes.append(f"extensions of '{name}' that the copy lacks: {', '.join(sorted(missing))}")
    # pg_dump writes nothing of rows, but definitions are nobody else's business either.
    with tempfile.TemporaryDirectory(prefix="ecluse-") as folder:
        definitions = Definitions(source, Path(folder))
        check()
        definitions.restore("pre-data", copy, missing, place.major)
        rows = copy_rows(
            source,
            copy,
            parts(tables),
            workers=workers,
            chosen=sample.chosen if sample else lambda table: "",
            told=lambda rows, done, all_: told(name, rows, done, all_),
            check=check,
        )
        fetched = _complete(source, copy, sample) if sample else 0
        check()
        definitions.restore("post-data", copy, missing, place.major)
    settle(source, copy)
    return Copied(name, rows + fetched, fetched, tuple(notes))


def _complete(source: Source, copy: Database, sample: Sample) -> int:
    with source.reader() as there, closing(open_session(copy, role="rehearse")) as here:
        here.execute("ANALYZE")
        here.execute("SET lc_monetary = 'C'")
        return sample.complete(there, here)


def _notes(source: Source, name: str) -> list[str]:
    notes = []
    if large := source.large_objects():
        notes.append(f"{large:,} large objects of '{name}' are not copied")
    elsewhere = sorted(str(t.name) for t in source.catalog.tables.values() if t.kind == "f")
    if elsewhere:
        notes.append(f"foreign tables of '{name}' are there, and no way to sign in where they are: {elsewhere[0]} …")
    if reaching := reaching_out(source.catalog):
        notes.append(
            f"'{name}' uses {', '.join(reaching)}: what triggers and functions do elsewhere, the copy does too"
        )
    return notes

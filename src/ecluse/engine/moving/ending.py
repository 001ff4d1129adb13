"""The end of a move: the old table is archived, the archive checked, the table dropped."""

from __future__ import annotations

from pathlib import Path

from ecluse.engine import journal, prepare
from ecluse.engine.archive import check_archive, write_archive
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving.ends import execute_there
from ecluse.errors import ArchiveDamaged, WrongState
from ecluse.model.catalog import Table
from ecluse.model.names import Name
from ecluse.model.plan import Move
from ecluse.planning import closing_sql, flow_sql

_STEP = "archived from "


def archive_moves(run: Run, here: Connection, place: Path) -> None:
    """Write the old tables into folders of the archive, one for each origin, and check them.

    Locks: SHARE on the old tables, which are closed for writing. Where an earlier `finish` that died had dropped some,
    its archive, which holds all of them, is brought along.
    """
    for origin in dict.fromkeys(move.origin for move in run.plan.moves):
        folder = place / f"from-{origin}"
        with run.session("archive", origin) as there:
            tables = _there(run, there, origin)
            if len(tables) < sum(move.origin == origin for move in run.plan.moves):
                _bring_along(run, here, folder)
                continue
            with run.step("archive", str(folder)), there.transaction():
                there.execute(f"LOCK TABLE {', '.join(name.sql for _, name in tables)} IN SHARE MODE")
                write_archive(there, folder, tables, {"migration": run.plan.migration, "run": run.id})
            with run.step("check the archive", str(folder)), there.transaction():
                check_archive(there, folder, tables)
        journal.record_step(here, run.id, _STEP + origin, folder=str(folder.resolve()))
        run.journaled(f"archived from {origin}")


def _bring_along(run: Run, here: Connection, folder: Path) -> None:
    step = _STEP + folder.name.removeprefix("from-")
    earlier = Path(journal.steps_done(here, run.id).get(step, {}).get("folder", ""))
    if not (earlier / "manifest.json").exists():
        raise ArchiveDamaged(
            f"the moved tables are gone from their database, and their archive is not in '{earlier}'",
            hint="bring the folder back to where it was, and finish again",
            state="the new tables are in use; nothing was dropped here",
        )
    earlier.rename(folder)
    journal.record_step(here, run.id, step, folder=str(folder.resolve()))


def _there(run: Run, there: Connection, origin: str) -> list[tuple[Table, Name]]:
    return [
        (move.old.table, move.old.table.name)
        for move in run.plan.moves
        if move.origin == origin and prepare.exists(there, move.old.table.name)
    ]


def require_origins(run: Run) -> None:
    """Raise WrongState where an old table is gone: a `finish` that died has dropped it, and only it can go on."""
    for origin in dict.fromkeys(move.origin for move in run.plan.moves):
        with run.session("look", origin) as there:
            missing = {move.old.table.name for move in run.plan.moves if move.origin == origin}
            missing -= {name for _, name in _there(run, there, origin)}
        if missing:
            raise WrongState(
                f"{', '.join(map(str, sorted(missing)))} is gone from '{origin}': there is nothing to come home to",
                hint=f"ecluse finish {run.plan.migration}, which goes on where it stopped",
                state="the new shape is in use; nothing was changed",
            )


def drop_statements(run: Run, move: Move) -> tuple[str, ...]:
    """Drop the old table and what the run left beside it. No CASCADE: what someone hung on it is not ours to drop."""
    return (
        f"DROP TABLE IF EXISTS {move.old.table.name.sql}",
        *flow_sql.drop_log(run.id, move.old),
        closing_sql.drop_function(run.id, move),
    )


def drop_moves(run: Run) -> None:
    """Drop the old tables. Locks: ACCESS EXCLUSIVE on them, for a moment."""
    for move in run.plan.moves:
        execute_there(run, move, "finish", drop_statements(run, move))
        run.journaled(f"dropped in {move.origin}")

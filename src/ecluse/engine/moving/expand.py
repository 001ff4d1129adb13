"""What a move needs in its origin: the capture log, its trigger, and the watch over them; and how it is taken back."""

from __future__ import annotations

from ecluse.engine import prepare
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving.closing import reopen_statements
from ecluse.model.plan import Move
from ecluse.planning import flow_sql


def log_statements(run: Run, move: Move) -> tuple[str, ...]:
    """Create the log, in the schema that a journal of the origin's own would be in. May be run again."""
    return (
        f"CREATE SCHEMA IF NOT EXISTS {flow_sql.JOURNAL}",
        *flow_sql.drop_log(run.id, move.old),
        *flow_sql.create_log(run.id, move.old),
    )


def capture_statements(run: Run, move: Move) -> tuple[str, ...]:
    """Create the triggers, those of an earlier try taken off first."""
    name = move.old.table.name
    return (
        f"LOCK TABLE {name.sql} IN SHARE ROW EXCLUSIVE MODE",
        *flow_sql.drop_capture(run.id, move.old, name),
        *flow_sql.create_capture(run.id, move.old, name),
    )


def prepare_origins(run: Run) -> None:
    """Create the logs. Takes no lock on the application's tables."""
    for move in run.plan.moves:
        with run.session("prepare", move.origin) as there, there.transaction():
            for statement in log_statements(run, move):
                there.execute(statement)
        run.journaled(f"prepared in {move.origin}")


def capture_origins(run: Run, here: Connection) -> None:
    """Create the triggers, and note here what they watch; SHARE ROW EXCLUSIVE for the length of a few writes."""
    for move in run.plan.moves:

        def attempt(there: Connection, move: Move = move) -> prepare.Watched | None:
            for statement in capture_statements(run, move):
                there.execute(statement)
            return prepare.look(there, move.old.table.name)

        with run.session("capture", move.origin) as there:
            watched = prepare.with_locks(run, there, "capture", attempt)
        prepare.note_watch(here, run, move.old, watched)
        run.journaled(f"captured in {move.origin}")


def forget_origins(run: Run) -> None:
    """Take everything of the run out of the origins: the closing, the triggers, the logs."""
    for move in run.plan.moves:

        def attempt(there: Connection, move: Move = move) -> None:
            if prepare.exists(there, move.old.table.name):
                for statement in reopen_statements(run, move):
                    there.execute(statement)
                for statement in flow_sql.drop_capture(run.id, move.old, move.old.table.name):
                    there.execute(statement)
            for statement in flow_sql.drop_log(run.id, move.old):
                there.execute(statement)

        with run.session("undo", move.origin) as there:
            prepare.with_locks(run, there, "undo", attempt)
        run.journaled(f"undone in {move.origin}")

"""Closing the old table for writing, so that nobody writes where nobody reads any more; and opening it again."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from functools import partial

import psycopg

from ecluse.engine import journal, prepare, shape
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving import carry, proving
from ecluse.engine.moving.ends import execute_there
from ecluse.engine.moving.sequences import sequences_here
from ecluse.errors import EcluseError
from ecluse.model.plan import Move
from ecluse.model.report import Event
from ecluse.planning import closing_sql

CLOSED, OPENED = "closed", "opened"


def half_closed(steps: Container[str]) -> bool:
    """Whether the journal says that the old tables were to be closed, and not that they were opened again."""
    return CLOSED in steps and OPENED not in steps


def close_statements(run: Run, move: Move) -> tuple[str, ...]:
    """Make the old table refuse writes, with words that say where it went."""
    return closing_sql.close(run.id, move, run.plan.migration, run.plan.database)


def reopen_statements(run: Run, move: Move) -> tuple[str, ...]:
    """Undo of `close_statements`; may be run where the table is open."""
    return closing_sql.reopen(run.id, move)


@contextmanager
def closed(run: Run, here: Connection) -> Iterator[None]:
    """Close the old tables, bring over what is left, and keep them closed if what is done inside is done.

    Where it fails before the switch is recorded, they are opened again. Where the process dies, they stay closed, and
    the journal says so: `switch` goes on from there, `rollback` opens them.
    """
    if not run.plan.moves:
        yield
        return
    began = time.monotonic()
    journal.record_step(here, run.id, CLOSED)  # before it is so: who looks after a crash must know that it may be
    run.journaled("closing")
    try:
        _close(run, here)
        for move in run.plan.moves:
            carry.drain_to_zero(run, here, move)
        sequences_here(run, here)
        yield
    except Exception:
        _open_unless_switched(run)
        raise
    seconds = time.monotonic() - began
    run.emit(Event("note", "switch", f"nobody could write to what moved for {seconds * 1000:.0f} ms"))


def _close(run: Run, here: Connection) -> None:
    for move in run.plan.moves:

        def attempt(there: Connection, seen: str, move: Move = move) -> None:
            statements = close_statements(run, move)
            there.execute(statements[0])  # the lock
            prepare.check_watched(here, there, run, move.old)
            if shape.signature_of(there, (move.old.table,)) != seen:  # changed by whom we waited for
                proving.check_origin(run, there, move)
            for statement in statements[1:]:
                there.execute(statement)

        with run.session("close", move.origin) as there:
            seen = shape.signature_of(there, (move.old.table,))
            proving.check_origin(run, there, move)
            prepare.with_locks(run, there, "close", partial(attempt, seen=seen))
        run.journaled(f"closed in {move.origin}")


def _open_unless_switched(run: Run) -> None:
    """Ask the journal in a new session, since the old one may be what failed; where it does not answer, stay closed."""
    with run.session("state") as here, here.transaction():
        if journal.settled_status(here, run.id) == "switched":
            return
        reopen(run)
        journal.forget_step(here, run.id, CLOSED)


def reopen(run: Run) -> None:
    """Let the application write to the old tables again; an origin that does not answer keeps no other one closed."""
    failed: list[Exception] = []
    for move in run.plan.moves:
        try:
            execute_there(run, move, "open", reopen_statements(run, move))
        except (EcluseError, psycopg.Error) as error:
            failed.append(error)
        else:
            run.journaled(f"opened in {move.origin}")
    if failed:
        raise failed[0]

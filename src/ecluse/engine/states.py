"""What a run's record means for the database, in words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg

from ecluse.engine import journal
from ecluse.engine.context import Connection
from ecluse.engine.journal import RunRecord
from ecluse.engine.moving.closing import half_closed
from ecluse.errors import EcluseError


def state_of(connect: Callable[[], Connection], migration: str) -> str:
    """What the database is now after the last run of a migration, in words."""
    try:
        with closing(connect()) as conn:
            record = journal.last_run(conn, migration)
            done = journal.steps_done(conn, record.id) if record else {}
    except (EcluseError, psycopg.Error):
        return "the server cannot be asked; `ecluse status` will tell when it is back"
    return describe(record, migration, closed=half_closed(done))


def describe(record: RunRecord | None, migration: str, *, closed: bool = False) -> str:
    """A run's state in one sentence. `closed`: what it moves was closed for writing, and not opened again."""
    if record is None:
        return "nothing was changed"
    if record.status == "building":
        steps = journal.STAGES.index(record.stage) if record.stage in journal.STAGES else 0
        return (
            f"stopped after step {steps} of {len(journal.STAGES) - 1}, at '{record.stage}'; the old shape is in use; "
            f"resume with `ecluse apply {migration}`, or drop the new shape with `ecluse rollback {migration}`"
        )
    if closed and record.status == "ready":
        return (
            "what moves is closed for writing, and the switch did not come; go on with "
            f"`ecluse switch {migration}`, or open it again with `ecluse rollback {migration}`"
        )
    if closed and record.status == "rolled_back":
        return f"the run is rolled back, but what had moved is still closed for writing: `ecluse rollback {migration}`"
    return {
        "ready": "the new shape is built and proved; the old one is in use",
        "switched": "the new shape is in use; the old one is kept until `ecluse finish`",
        "finished": "the new shape is in use; the old one is archived and gone",
        "rolled_back": "the old shape is in use; the run is rolled back",
    }[record.status]

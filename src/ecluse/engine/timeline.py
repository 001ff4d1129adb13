"""The timeline of a run: when each stage began and ended, what was tried under lock, who had to wait, what went wrong.

It belongs to the journal, so it is the same after a process was killed and another one went on: a stage ends and the
next begins in the transaction that moves the run. What is told besides is a moment with its seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline. `ended` is None while it lasts; `outcome` is "done", or what came in between.

    `kind`: stage, command, attempt, wait, stall, restart, recycled. A command has no end where its process was killed.
    """

    kind: str
    name: str
    began: str
    ended: str | None
    seconds: float | None
    outcome: str
    detail: dict[str, Any]


def installed(conn: Connection) -> bool:
    """Whether this journal has a timeline: one that an earlier version made has none yet."""
    row = conn.execute("SELECT to_regclass('ecluse.timeline') IS NOT NULL").fetchone()
    return bool(row and row[0])


def enter(conn: Connection, run: int, stage: str, *, last: bool = False) -> None:
    """End the stage that a run is at, and begin this one, in the transaction at hand; `last`: nothing follows it."""
    conn.execute(
        "WITH ended AS (UPDATE ecluse.timeline SET ended = clock_timestamp() "
        "WHERE run = %(run)s AND kind = 'stage' AND ended IS NULL AND name <> %(stage)s) "
        "INSERT INTO ecluse.timeline (run, kind, name, ended) "
        "SELECT %(run)s, 'stage', %(stage)s, CASE WHEN %(last)s THEN clock_timestamp() END WHERE NOT EXISTS "
        "(SELECT FROM ecluse.timeline WHERE run = %(run)s AND kind = 'stage' AND ended IS NULL AND name = %(stage)s)",
        {"run": run, "stage": stage, "last": last},
    )


def mark(
    conn: Connection, run: int, kind: str, name: str, *, seconds: float = 0.0, outcome: str = "", **detail: object
) -> None:
    """Record what has just ended and took so long."""
    conn.execute(
        "INSERT INTO ecluse.timeline (run, kind, name, began, ended, seconds, outcome, detail) "
        "SELECT %s, %s, %s, now - make_interval(secs => %s), now, %s, %s, %s FROM clock_timestamp() AS now",
        (run, kind, name, seconds, seconds, outcome, json.dumps(detail)),
    )


def begin(conn: Connection, run: int, command: str) -> int | None:
    """Record that a command goes to work on a run; what `end` is given. None where the journal has no timeline."""
    if not installed(conn):
        return None
    row = conn.execute(
        "INSERT INTO ecluse.timeline (run, kind, name) VALUES (%s, 'command', %s) RETURNING id", (run, command)
    ).fetchone()
    return int(row[0]) if row else None


def end(conn: Connection, number: int, outcome: str, **detail: object) -> None:
    """Record how the command ended."""
    conn.execute(
        "UPDATE ecluse.timeline SET ended = clock_timestamp(), outcome = %s, detail = %s, "
        "seconds = extract(epoch FROM clock_timestamp() - began) WHERE id = %s",
        (outcome, json.dumps(detail), number),
    )


def read(conn: Connection, run: int) -> tuple[Moment, ...]:
    """The timeline of a run in order; empty where an earlier version carried it out."""
    if not installed(conn):
        return ()
    rows = conn.execute(
        "SELECT kind, name, began::text, ended::text, "
        "coalesce(seconds, extract(epoch FROM ended - began)::float8), outcome, detail "
        "FROM ecluse.timeline WHERE run = %s ORDER BY began, id",
        (run,),
    ).fetchall()
    return tuple(Moment(*row) for row in rows)

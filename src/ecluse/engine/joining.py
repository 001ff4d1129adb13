"""Rows that join a table which is there already and stays: accounts among the accounts that others made.

They are built and proved beside like all others. The switch brings them in its own transaction, before it takes any
lock on the application's tables: nobody sees them until its commit. What the drain changes beside meanwhile is captured
there, and brought after the last drain, under lock: the law of the copy once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ecluse.engine import drain, rosters
from ecluse.engine.context import Connection, Run
from ecluse.errors import ValueRefused
from ecluse.model.flow import Member
from ecluse.model.names import Name, ident, short
from ecluse.model.plan import Plan
from ecluse.model.report import Event
from ecluse.planning import flow_sql
from ecluse.planning.flow_sql import column_list

_LOOKS = 3


def staged(plan: Plan, member: Member) -> Name:
    """Where the rows are built that are to join."""
    return member.table.name.within(plan.next_schema)


@contextmanager
def brought(run: Run, conn: Connection) -> Iterator[None]:
    """Around the switch: a transaction in which all rows have joined. Nothing where none do.

    Raises ValueRefused where rows collide with some that were there first, and looking again did not help.
    """
    if not run.plan.joining:
        yield
        return
    _arm(run, conn)
    with conn.transaction():
        _bring(run, conn)
        keep_up(run, conn)  # it took its time, and the application went on writing
        yield


def settle(run: Run, conn: Connection) -> None:
    """Before `brought`: look whether the tables that rows join have changed, and drain what follows from that."""
    for _ in range(_LOOKS):
        if not rosters.look_again(run, conn):
            return
        drain.drain(run, conn, drain.FORWARD, run.building)


def _arm(run: Run, conn: Connection) -> None:
    """Capture what the drain writes beside from now on."""
    with conn.transaction():
        for member in run.plan.joining:
            for statement in flow_sql.drop_capture(run.id, member, staged(run.plan, member)):
                conn.execute(statement)
            conn.execute(f"DELETE FROM {flow_sql.log_name(run.id, member)}")
            for statement in flow_sql.create_capture(run.id, member, staged(run.plan, member)):
                conn.execute(statement)


def _bring(run: Run, conn: Connection) -> None:
    for member in run.plan.joining:
        conn.execute(f"CREATE TEMP TABLE {_ours(member)} ({_key_columns(member)}) ON COMMIT DROP")
        with run.step("join", str(member.table.name)), _muted(conn, member), _explained(member):
            rows = conn.execute(insert(run.plan, member)).rowcount
            # A few of them are looked for under lock; one that is brought again is there twice.
            conn.execute(f"CREATE INDEX ON {_ours(member)} ({column_list(member.key)})")
            _check_keys(run, conn, member, _ours(member))
        run.emit(Event("note", "switch", f"{rows:,} rows join {member.table.name}; nobody sees them yet"))


def keep_up(run: Run, conn: Connection) -> None:
    """Without lock, within `brought`: drain, and bring what that changed beside, so that little is left to do later."""
    # What joins waits in the transaction of `conn`, in which a drain could have no snapshot of its own.
    with run.session("drain") as another:
        drain.drain(run, another, drain.FORWARD, run.building)
    _replay(run, conn)


def catch_up(run: Run, conn: Connection) -> None:
    """After the last drain, under lock: bring what it changed beside, and leave the capture to the table itself.

    Raises ValueRefused where the tables that rows join have changed since they were looked at.
    """
    rosters.refuse_outdated(run, conn)
    _replay(run, conn)
    for member in run.plan.joining:
        for statement in flow_sql.drop_capture(run.id, member, staged(run.plan, member)):
            conn.execute(statement)


def _replay(run: Run, conn: Connection) -> None:
    # The few keys of a log are looked up. Nothing is known of a log's size, and a wrong guess would read whole tables.
    for join in ("hashjoin", "mergejoin"):
        conn.execute(f"SET LOCAL enable_{join} = off")
    for member in reversed(run.plan.joining):
        keys, log = column_list(member.key), flow_sql.log_name(run.id, member)
        same = " AND ".join(f"m.{ident(c)} = l.{ident(c)}" for c in member.key)
        ours = " AND ".join(f"o.{ident(c)} = l.{ident(c)}" for c in member.key)
        # Only what we brought: a key may by now be that of a row which was there before.
        with _muted(conn, member):
            conn.execute(
                f"DELETE FROM {member.table.name.sql} m USING (SELECT DISTINCT {keys} FROM {log}) l, {_ours(member)} o "
                f"WHERE {same} AND {ours}"
            )
    for member in run.plan.joining:
        keys, log = column_list(member.key), flow_sql.log_name(run.id, member)
        same = " AND ".join(f"l.{ident(c)} = s.{ident(c)}" for c in member.key)
        with _muted(conn, member), _explained(member):
            logged = f"(SELECT DISTINCT {keys} FROM {log})"
            if conn.execute(insert(run.plan, member, f"JOIN {logged} l ON {same}")).rowcount:
                _check_keys(run, conn, member, logged)
        conn.execute(f"DELETE FROM {log}")
    for join in ("hashjoin", "mergejoin"):
        conn.execute(f"SET LOCAL enable_{join} TO DEFAULT")


_KEYS = """
SELECT c.conname::text, quote_ident(n.nspname) || '.' || quote_ident(r.relname),
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(n, o)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.o),
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(n, o)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.o)
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = c.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
WHERE c.contype = 'f' AND c.conrelid = %s::regclass ORDER BY 1
"""


def _check_keys(run: Run, conn: Connection, member: Member, keys: str) -> None:
    """Ask for the rows that ours refer to: where the application's triggers are silent, foreign keys are as well.

    `keys` is the relation of those of ours that have just come.
    """
    if not member.silent:
        return
    ours = " AND ".join(f"m.{ident(c)} = o.{ident(c)}" for c in member.key)
    for key, other, columns, theirs in conn.execute(_KEYS, (member.table.name.sql,)).fetchall():
        same = " AND ".join(f"p.{ident(t)} = m.{ident(c)}" for c, t in zip(columns, theirs, strict=True))
        full = " AND ".join(f"m.{ident(c)} IS NOT NULL" for c in columns)
        row = conn.execute(
            f"SELECT count(*) FROM {keys} o JOIN {member.table.name.sql} m ON {ours} "
            f"WHERE {full} AND NOT EXISTS (SELECT FROM {other} p WHERE {same})"
        ).fetchone()
        if row and row[0]:
            raise ValueRefused(
                f"{row[0]:,} rows that are to join {member.table.name} refer to no row of {other}",
                details=f"constraint {key}",
                hint=f"ecluse rollback {run.plan.migration}, correct the values in the migration, and apply again",
                state="nothing was switched; the old shape is in place and in use",
            )


def insert(plan: Plan, member: Member, which: str = "") -> str:
    """Bring rows `s`, all or those that `which` joins once; their keys are noted as ours."""
    columns = column_list((*member.columns, *(name for name, _ in member.fixed)))
    values = ", ".join([column_list(member.columns, "s."), *(value for _, value in member.fixed)])
    new = (
        f"INSERT INTO {member.table.name.sql} ({columns}) OVERRIDING SYSTEM VALUE "
        f"SELECT {values} FROM {staged(plan, member).sql} s {which} RETURNING {column_list(member.key)}"
    )
    return f"WITH new AS ({new}) INSERT INTO {_ours(member)} SELECT * FROM new"


def _ours(member: Member) -> str:
    return f"pg_temp.{ident(short(f'ecluse_joined_{member.alias}'))}"


def _key_columns(member: Member) -> str:
    types = {column.name: column.type for column in member.table.columns}
    return ", ".join(f"{ident(name)} {types[name]}" for name in member.key)


@contextmanager
def _muted(conn: Connection, member: Member) -> Iterator[None]:
    """Keep the application's triggers from firing, where the migration asks for that."""
    if not member.silent:
        yield
        return
    conn.execute("SET LOCAL session_replication_role = replica")
    yield
    conn.execute("SET LOCAL session_replication_role = origin")


@contextmanager
def _explained(member: Member) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        raise ValueRefused(
            f"a row that is to join {member.table.name} collides with one that came there meanwhile",
            details=f"constraint {error.diag.constraint_name}",
            hint=rosters.AGAIN,
            state="nothing was switched; the old shape is in place and in use",
        ) from None

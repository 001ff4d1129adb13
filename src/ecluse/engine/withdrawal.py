"""The way back of rows that joined a table which stays: after the commit of a rollback they leave it again.

All but those that tables outside the migration refer to, straight or through other tables of the same schema: to delete
such a row would delete, or break, what is not ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.engine import journal
from ecluse.engine.context import Connection, Run
from ecluse.engine.joining import staged
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, ident, literal
from ecluse.model.report import Event
from ecluse.planning import flow_sql

WITHDRAWN = "withdrawn"
_STAYS = "pg_temp.ecluse_stays"
# Of the auth service: what ends with a sign-in, and is nothing to keep.
_PASSING = ("sessions", "one_time_tokens", "webauthn_challenges", "oauth_authorizations")

_REFERRING = """
SELECT n.nspname::text, r.relname::text,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(n, o)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.o),
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(n, o)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.o)
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = %s::regclass AND n.nspname <> ALL (%s)
ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class _Referring:
    """A table with a foreign key to one that rows joined. `held`: the condition over `o`, its row, and `m`, ours."""

    table: Name
    held: str


def withdraw(run: Run, conn: Connection) -> None:
    """Delete what joined. To be called while the tables beside are still there: they know what did."""
    if not run.plan.joining or WITHDRAWN in journal.steps_done(conn, run.id):
        return
    with conn.transaction():
        for flow in run.plan.flows:
            if flow.joining:
                _withdraw(run, conn, flow)
        journal.record_step(conn, run.id, WITHDRAWN)
    run.journaled(WITHDRAWN)


def _withdraw(run: Run, conn: Connection, flow: Flow) -> None:
    conn.execute("CREATE TEMP TABLE ecluse_stays (key text PRIMARY KEY) ON COMMIT DROP")
    for member in flow.joining:
        # Who wants to refer to such a row waits, and then finds it gone; who did so before is seen by what follows.
        same = _same(member)
        rows = f"SELECT FROM {member.table.name.sql} m JOIN {staged(run.plan, member).sql} s ON {same} FOR UPDATE OF m"
        conn.execute(f"SELECT count(*) FROM ({rows}) locked")
    for member in flow.joining:
        _keep_referred(run, conn, flow, member)
    conn.execute(f"ANALYZE {_STAYS}")
    for member in reversed(flow.joining):
        _park_what_hangs(run, conn, flow, member)
        gone = conn.execute(
            f"DELETE FROM {member.table.name.sql} m USING {staged(run.plan, member).sql} s "
            f"WHERE {_same(member)} AND {_leaves(run, flow, member)}"
        ).rowcount
        run.emit(Event("note", "rollback", f"{gone:,} rows that had joined {member.table.name} are gone again"))
    conn.execute(f"DROP TABLE {_STAYS}")


def _keep_referred(run: Run, conn: Connection, flow: Flow, member: Member) -> None:
    unit = flow_sql.key_text(flow.new.anchor, "a")
    for referring, condition in _holding(run, conn, flow, member.table.name, "m", (member.table.name,)):
        found = conn.execute(
            f"INSERT INTO {_STAYS} SELECT DISTINCT {unit} FROM {member.table.name.sql} m "
            f"JOIN {_anchors(run, flow)} a ON {member.join} WHERE {condition} ON CONFLICT DO NOTHING"
        ).rowcount
        if found:
            told = f"{found:,} rows of {member.table.name} stay there: rows of {referring} refer to them"
            run.emit(Event("warn", "rollback", told))


def _holding(
    run: Run, conn: Connection, flow: Flow, table: Name, alias: str, path: tuple[Name, ...]
) -> Iterator[tuple[Name, str]]:
    """The tables outside that refer to a row `alias` of the table, each with the condition under which one does."""
    for each in _referring(run, conn, flow, table, alias, f"o{len(path)}"):
        rows = f"SELECT FROM {each.table.sql} o{len(path)} WHERE {each.held}"
        if each.table.schema != "auth":
            yield each.table, f"EXISTS ({rows})"
        elif each.table not in path:
            for outer, condition in _holding(run, conn, flow, each.table, f"o{len(path)}", (*path, each.table)):
                yield outer, f"EXISTS ({rows} AND {condition})"


def _referring(run: Run, conn: Connection, flow: Flow, table: Name, alias: str, other: str) -> Iterator[_Referring]:
    """The tables with a foreign key to this one, but those that joined themselves, and ours."""
    joined = {member.table.name for member in flow.joining}
    ours = [run.plan.next_schema, run.plan.kept_schema]
    for schema, name, columns, theirs in conn.execute(_REFERRING, (table.sql, ours)).fetchall():
        if (found := Name(schema, name)) not in joined:
            pairs = zip(columns, theirs, strict=True)
            same = " AND ".join(f"{other}.{ident(c)} = {alias}.{ident(t)}" for c, t in pairs)
            yield _Referring(found, same)


def _park_what_hangs(run: Run, conn: Connection, flow: Flow, member: Member) -> None:
    """Park the rows of the auth service that go with those that leave: a second factor, for one."""
    for each in _referring(run, conn, flow, member.table.name, "m", "o"):
        if each.table.schema != "auth" or each.table.name in _PASSING:
            continue
        conn.execute(
            "INSERT INTO ecluse.parked (run, flow, alias, source, unit, key, reason, row) "
            f"SELECT {run.id}, {literal(flow.name)}, {literal(str(each.table))}, {literal(str(each.table))}, NULL, "
            f"o.ctid::text, {literal(f'its row in {member.table.name} had joined, and leaves')}, to_jsonb(o) "
            f"FROM {each.table.sql} o JOIN {member.table.name.sql} m ON {each.held} "
            f"JOIN {staged(run.plan, member).sql} s ON {_same(member)} WHERE {_leaves(run, flow, member)}"
        )


def _leaves(run: Run, flow: Flow, member: Member) -> str:
    unit = flow_sql.key_text(flow.new.anchor, "a")
    stays = f"SELECT FROM {_anchors(run, flow)} a JOIN {_STAYS} k ON k.key = {unit} WHERE {member.join}"
    return f"NOT EXISTS ({stays})"


def _anchors(run: Run, flow: Flow) -> str:
    return flow.new.anchor.table.name.within(run.plan.next_schema).sql


def _same(member: Member) -> str:
    return " AND ".join(f"m.{ident(c)} = s.{ident(c)}" for c in member.key)

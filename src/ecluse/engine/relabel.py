"""Taking labels off an enum, after a rollback: PostgreSQL has no statement for that, so the type is made anew.

The old type is renamed away, and every column gets the new one, under ACCESS EXCLUSIVE on its table. What stands on the
columns is dropped and made again; that all of it is as it was is proved before the commit, by the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg

from ecluse.engine import journal, prepare
from ecluse.engine.context import Connection, Run
from ecluse.engine.labelled import Gone, Labelled, Standing, held_by, standing
from ecluse.model.catalog import Catalog, View
from ecluse.model.names import Name, ident
from ecluse.planning import ddl_objects, ddl_table, enum_sql, switch_sql
from ecluse.planning.ddl_text import comment
from ecluse.planning.structure import difference
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.failures import translate

_DRESS = """
SELECT pg_catalog.pg_get_userbyid(t.typowner)::text, pg_catalog.obj_description(t.oid, 'pg_type'),
       t.typowner = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user), t.typacl IS NOT NULL,
       ARRAY(SELECT CASE a.grantee WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
               || CASE WHEN a.is_grantable THEN '+' ELSE '-' END FROM pg_catalog.aclexplode(t.typacl) a)
FROM pg_catalog.pg_type t WHERE t.oid = %s
"""


class _Stays(Exception):
    """The labels stay; the transaction that would have taken them off is rolled back."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def take_off(run: Run, conn: Connection, enum: Labelled, step: str) -> tuple[str, ...]:
    """Take the labels off and record it; or say why they stay, with nothing changed.

    Locks: ACCESS EXCLUSIVE on the tables that have the type, while they are rewritten.
    """

    def attempt(conn: Connection) -> None:
        _lock(conn, standing(conn, enum, Gone()))
        # Asked once more: until this lock, rows could come to use a label.
        if held := held_by(conn, enum, Gone()):
            raise _Stays(held.reasons)
        _renew(conn, enum)
        journal.record_step(conn, run.id, step, labels=list(enum.added))

    try:
        prepare.with_locks(run, conn, "rollback", attempt)
    except _Stays as why:
        return why.reasons
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        known = translate(error)
        return (known.message + (f" ({known.details})" if known.details else ""),)
    return ()


def _lock(conn: Connection, found: Standing) -> None:
    if found.tables:
        conn.execute(switch_sql.lock_sql(tuple(name.sql for name in found.tables)))


def _renew(conn: Connection, enum: Labelled) -> None:
    before = read_catalog(conn, measure=False)
    found = standing(conn, enum, Gone())
    views = [before.views[name] for name in found.views]
    dress = list(_dress(conn, enum))
    for statement in (
        *_drops(found, views),
        *enum_sql.renew(enum.name, enum.stays),
        *dress,
        *enum_sql.retype(enum.name, found.columns),
        *_makes(found, before),
        *(text for view in views for text in ddl_objects.view_sql(view, before.default_grantees)),
        enum_sql.drop(enum_sql.away(enum.name)),
    ):
        conn.execute(statement)
    wanted = replace(before, types={**before.types, enum.name: enum.stays})
    if deviations := difference(wanted, read_catalog(conn, measure=False)):
        raise _Stays(tuple(f"what stands on it would not be what it was: {each}" for each in deviations))


def _dress(conn: Connection, enum: Labelled) -> Iterator[str]:
    """Owner, rights and comment of the type as it is."""
    row = conn.execute(_DRESS, (enum.oid,)).fetchone()
    assert row is not None
    owner, words, mine, listed, grants = row
    target = f"TYPE {enum.name.sql}"
    yield from comment(target, words)
    if listed:
        yield f"REVOKE ALL ON {target} FROM PUBLIC, {ident(owner)}"
        for grant in grants:
            grantee, grantable = grant[:-1], grant.endswith("+")
            to = ident(grantee) if grantee else "PUBLIC"
            yield f"GRANT USAGE ON {target} TO {to}{' WITH GRANT OPTION' if grantable and grantee != owner else ''}"
    if not mine:
        yield f"ALTER {target} OWNER TO {ident(owner)}"


def _drops(found: Standing, views: list[View]) -> Iterator[str]:
    """What would hold the old type, or forbids that a column gets another; those that stand upon others first."""
    for view in reversed(views):
        yield f"DROP {'MATERIALIZED ' if view.materialised else ''}VIEW {view.name.sql}"
    yield from (f"DROP POLICY {ident(name)} ON {table.sql}" for table, name in found.policies)
    yield from (f"DROP TRIGGER {ident(name)} ON {table.sql}" for table, name in found.triggers)
    yield from (f"ALTER TABLE {table.sql} DROP CONSTRAINT {ident(name)}" for table, name in found.constraints)
    yield from (f"DROP INDEX {Name(table.schema, name).sql}" for table, name in found.indexes)
    yield from (enum_sql.default_drop(table, column) for table, column, _ in found.defaults)


def _makes(found: Standing, before: Catalog) -> Iterator[str]:
    """The same again, from the texts that the server printed when the old type had its name."""
    yield from (enum_sql.default_set(*default) for default in found.defaults)
    for table, name in found.indexes:
        indexes = tuple(index for index in before.tables[table].indexes if index.name == name)
        yield from (ddl_table.index_sql(table, index) for index in indexes)
        yield from ddl_objects.index_extras(table, indexes)
    for table, name in found.constraints:
        for constraint in (c for c in before.tables[table].constraints if c.name == name):
            yield ddl_table.constraint_sql(table, constraint)
            yield from comment(f"CONSTRAINT {ident(name)} ON {table.sql}", constraint.comment)
    for table, name in found.triggers:
        for trigger in (t for t in before.tables[table].triggers if t.name == name):
            yield from ddl_objects.trigger_sql(trigger, table, table)
    for table in dict.fromkeys(table for table, _ in found.policies):
        named = {name for each, name in found.policies if each == table}
        policies = tuple(p for p in before.tables[table].policies if p.name in named)
        yield from ddl_table.bound_objects(
            replace(before.tables[table], policies=policies, rules=(), rule_states=()), table.schema
        )

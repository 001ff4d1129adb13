"""The application's own views in their old shape: as they were, and on the views of the old tables."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from ecluse.engine.context import Connection, Run
from ecluse.model.names import Name
from ecluse.planning.old_shape.place import mapped_tables
from ecluse.planning.old_shape.views import old_view

# What says with whose rights a view is read.
_OPTIONS = frozenset({"security_invoker=true", "security_barrier=true"})


def old_views(run: Run, conn: Connection) -> Iterator[Name]:
    """Show the application's own views of the old shape too; gives those that cannot be."""
    plan = run.plan
    shown = [member.table.name for _, member in mapped_tables(plan)] + [table.name for table in plan.archives]
    for moved in reversed(plan.moved):
        if moved.kind not in ("view", "materialized view"):
            continue
        kept = moved.name.within(plan.kept_schema)
        row = conn.execute(
            "SELECT pg_get_viewdef(oid), coalesce(reloptions, '{}') FROM pg_class WHERE oid = %s::regclass", (kept.sql,)
        ).fetchone()
        assert row is not None
        view = moved.name.within(plan.before_schema)
        try:
            with conn.transaction():
                conn.execute(old_view(row[0], moved.name, plan, shown))
                for option in _OPTIONS.intersection(row[1]):
                    conn.execute(f"ALTER VIEW {view.sql} SET ({option})")
                _copy_rights(conn, kept, view)
                _give_to_owner(conn, kept, view)
        except psycopg.ProgrammingError:
            yield moved.name
            continue
        shown.append(moved.name)


def _give_to_owner(conn: Connection, source: Name, target: Name) -> None:
    """A view is read with its owner's rights, and by the policies that hold for him: not by those for us."""
    row = conn.execute(
        "SELECT quote_ident(pg_get_userbyid(relowner)), relowner = current_user::regrole FROM pg_class "
        "WHERE oid = %s::regclass",
        (source.sql,),
    ).fetchone()
    if row and not row[1]:
        conn.execute(f"ALTER VIEW {target.sql} OWNER TO {row[0]}")


def _copy_rights(conn: Connection, source: Name, target: Name) -> None:
    rows = conn.execute(
        "SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END, a.privilege_type "
        "FROM pg_class c CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a "
        "LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE c.oid = %s::regclass "
        "AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')",
        (source.sql,),
    ).fetchall()
    for who, right in rows:
        conn.execute(f"GRANT {right} ON {target.sql} TO {who}")

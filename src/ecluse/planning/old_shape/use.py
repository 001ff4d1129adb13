"""Who still uses the old shape: a counter that costs a scan of an empty table for each statement. Pure text.

The server itself counts scans, also in transactions that may not write, and without a lock or a write of ours. There
is one empty table for each role that connects as one of those for whom the old shape is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import Plan


def counter(plan: Plan, position: int) -> Name:
    """The empty table whose scans are counted for the role at that position."""
    return Name(plan.before_schema, f"ecluse_use_{position}")


def create(plan: Plan, roles: Sequence[str]) -> Iterator[str]:
    """Make the tables, and the function that counts INSERTs, which read no view."""
    for position, _ in enumerate(roles):
        yield f"CREATE TABLE {counter(plan, position).sql} ()"
        yield f"GRANT SELECT ON {counter(plan, position).sql} TO PUBLIC"
    cases = "\n".join(
        f"  {'IF' if not position else 'ELSIF'} session_user = {literal(role)} THEN PERFORM FROM "
        f"{counter(plan, position).sql};"
        for position, role in enumerate(roles)
    )
    yield (
        f"CREATE FUNCTION {function(plan).sql}() RETURNS trigger LANGUAGE plpgsql AS $use$\n"
        f"BEGIN\n{cases}\n  END IF;\n  RETURN NULL;\nEND $use$"
    )


def function(plan: Plan) -> Name:
    """The trigger function of INSERT."""
    return Name(plan.before_schema, "ecluse_use")


def trigger(plan: Plan, view: Name) -> str:
    """Count the INSERTs of a view."""
    return (
        f"CREATE TRIGGER {ident('ecluse_use')} AFTER INSERT ON {view.sql} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION {function(plan).sql}()"
    )


def condition(plan: Plan, roles: Sequence[str]) -> str:
    """True; evaluated once for each statement that reads the view, and counted."""
    cases = " ".join(
        f"WHEN {literal(role)} THEN EXISTS (SELECT FROM {counter(plan, position).sql})"
        for position, role in enumerate(roles)
    )
    return f"NOT (CASE session_user {cases} ELSE false END)"

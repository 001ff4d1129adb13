"""What another session wrote between the statement and its writer. Pure text.

An UPDATE of a table waits for the row and asks its WHERE clause again. A trigger of a view is handed the row as the
statement saw it, and does not know that clause. So the writer waits for the new rows itself, and where the row is no
longer what the statement saw, it raises 40001: else a counter would lose a step, and one task would be taken twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ecluse.model.catalog import Column, Table
from ecluse.model.flow import Member
from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import Plan
from ecluse.planning.flow_sql import Places
from ecluse.planning.old_shape.differs import differs
from ecluse.planning.old_shape.rows import Rows

_READ = "ecluse.read"


def create(plan: Plan) -> Iterator[str]:
    """Make the function that notes what a statement sees, and the one that asks if a row was written since."""
    # A function that is stable has the snapshot of its caller: here of the statement that fires the triggers.
    yield (
        f"CREATE FUNCTION {_function(plan, 'ecluse_read')}() RETURNS trigger LANGUAGE plpgsql STABLE "
        "SET search_path = '' AS $read$\n"
        f"BEGIN PERFORM set_config({literal(_READ)}, pg_current_snapshot()::text, true);\n"
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\nRETURN NEW; END $read$"
    )
    # The xmin of a row has 32 bits: it is the transaction with these that is nearest to ours.
    yield (
        f"CREATE FUNCTION {since(plan)}(changed xid) RETURNS boolean LANGUAGE plpgsql SET search_path = '' AS $since$\n"
        "DECLARE mine bigint := pg_current_xact_id()::text::bigint;\n"
        "  it bigint := mine - 2147483648 "
        "+ ((changed::text::bigint - (mine & 4294967295) + 6442450944) & 4294967295);\n"
        "BEGIN\n"
        "IF it < 0 OR it >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN RETURN false; END IF;\n"
        f"RETURN NOT pg_visible_in_snapshot(it::text::xid8, current_setting({literal(_READ)})::pg_snapshot) "
        "AND pg_xact_status(it::text::xid8) <> 'in progress';\nEND $since$"
    )


def trigger(plan: Plan, view: Name) -> str:
    """Note what the statement sees, before the writers of the view are called."""
    return (
        f"CREATE TRIGGER {ident('ecluse_0')} INSTEAD OF UPDATE OR DELETE ON {view.sql} "
        f"FOR EACH ROW EXECUTE FUNCTION {_function(plan, 'ecluse_read')}()"
    )


def since(plan: Plan) -> str:
    """The function that says of an xmin whether it is of another transaction, and later than the statement."""
    return _function(plan, "ecluse_since")


def _function(plan: Plan, name: str) -> str:
    return Name(plan.before_schema, name).sql


def still(columns: Iterable[Column]) -> str:
    """Whether a new row `t` still has what the mapping `o` of the old row says."""
    asked = (differs(column, f"t.{ident(column.name)}", f"o.{ident(column.name)}") for column in columns)
    return " AND ".join(f"({each}) IS FALSE" for each in asked) or "true"


def wait(at: Places, member: Member, rows: str, condition: str) -> str:
    """Lock the new rows of a member that the mapped rows `o` are; who refers to them is not kept waiting."""
    return f"PERFORM FROM {at.sql(member.alias)} t JOIN {rows} o ON {condition} FOR NO KEY UPDATE OF t;"


def look_again(table: Table, shown: str, written: str) -> Iterator[str]:
    """Compare the row as it is now with what the statement saw, by `shown`, the query that gives it.

    A row that is gone is left alone, as in a table. `written`: whether another transaction wrote it meanwhile.
    """
    yield f"IF NOT EXISTS ({shown}) THEN RETURN NULL; END IF;"
    changed = [differs(c, f"v.{ident(c.name)}", f"OLD.{ident(c.name)}") for c in table.columns if c.written]
    message = f'could not serialize access due to concurrent update of "{table.name.name}"'
    yield (
        f"IF {written} THEN IF EXISTS ({shown} AND ({' OR '.join(changed)})) THEN\n"
        f"RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = {literal(message)}, "
        f"HINT = 'try the transaction again', TABLE = {literal(table.name.name)};\nEND IF; END IF;"
    )


def written_since(plan: Plan, at: Places, member: Member, rows: str, condition: str) -> str:
    """Whether another transaction wrote the new rows since the statement read them."""
    return f"EXISTS (SELECT FROM {at.sql(member.alias)} t JOIN {rows} o ON {condition} WHERE {since(plan)}(t.xmin))"


def waited(rows: Rows) -> Iterator[str]:
    """Wait for whoever writes the new rows, and see that they are what the statement saw.

    A unit has been waited for when it was gathered.
    """
    if rows.images.unit:
        written = rows.images.written_since(since(rows.plan))
        yield from look_again(rows.table, rows.images.shown("OLD"), written)
        return
    concerned = [m for m in rows.concerned if m.role != "aside"]
    found = [(m, rows.there(m, rows.images.mapped(m, "OLD")), rows.actual(m)) for m in concerned]
    yield from (wait(rows.at, *each) for each in found)
    written = " OR ".join(written_since(rows.plan, rows.at, *each) for each in found)
    yield from look_again(rows.table, rows.images.shown("OLD"), written)


def raced(rows: Rows, member: Member, update: str) -> Iterator[str]:
    """Write at once where the row is what the statement saw, which is the rule; else look closer first."""
    yield f"{update} AND {still(c for c in member.table.columns if c.written)};"
    yield "GET DIAGNOSTICS touched = ROW_COUNT;\nIF touched = 0 THEN"
    yield from waited(rows)
    yield f"{update};\nGET DIAGNOSTICS touched = ROW_COUNT;\nEND IF;"


def reach(rows: Rows, name: Name) -> Iterator[str]:
    """A function that lets nobody write what stands aside of a row that he may see and not change.

    To wait for a row asks for the policies of an UPDATE, as that does.
    """
    anchor = rows.flow.new.anchor
    old = rows.there(anchor, rows.mapped(anchor, "OLD"))
    body = wait(rows.at, anchor, old, rows.actual(anchor))
    yield (
        f"CREATE FUNCTION {name.sql}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $reach$\n"
        f"#variable_conflict use_column\nBEGIN\n{body}\nIF FOUND THEN RETURN NEW; END IF;\nRETURN NULL;\n"
        "END $reach$"
    )
    yield f"REVOKE ALL ON FUNCTION {name.sql}() FROM PUBLIC"
    yield (
        f"CREATE TRIGGER {ident('ecluse_1')} INSTEAD OF UPDATE ON {rows.view.sql} "
        f"FOR EACH ROW EXECUTE FUNCTION {name.sql}()"
    )

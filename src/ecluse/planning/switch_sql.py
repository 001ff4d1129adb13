"""The switch and its undo as lists of statements. Pure; the engine adds the drain and the record.

Everything old goes to the kept schema as it is and comes back as it was; everything new is moved into its place or
made from recorded definitions whose qualified names now mean the new tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ecluse.model.catalog import Constraint, Function, Table
from ecluse.model.flow import Member
from ecluse.model.names import Name, ident
from ecluse.model.plan import ForeignKey, Moved, Plan
from ecluse.planning import ddl_objects, ddl_table, ddl_text, flow_sql

_NOT_VALID = re.compile(r"\s+NOT VALID\Z")


def visible(plan: Plan) -> tuple[Member, ...]:
    """The new tables that the application will see."""
    return tuple(m for f in plan.builds for m in f.new.members if m.placed)


def captured(plan: Plan) -> tuple[Member, ...]:
    """The new members that are watched after the switch: those that the application sees, and those that joined."""
    return (*visible(plan), *plan.joining)


def old_tables(plan: Plan) -> tuple[Table, ...]:
    """The tables that leave."""
    return tuple(m.table for f in plan.flows for m in f.old.members) + plan.archives


def watched(plan: Plan) -> tuple[Table, ...]:
    """The tables whose definitions the plan repeats or gives back: those that leave, and those that scripts secure."""
    secured = _secured(plan)
    return old_tables(plan) + tuple(t for script in plan.scripts for t in script.tables if t.name in secured)


def _secured(plan: Plan) -> set[Name]:
    leaving = {table.name for table in old_tables(plan)}
    return {table.name for script in plan.scripts for table in script.tables} - leaving


def altered(plan: Plan) -> tuple[Name, ...]:
    """Tables that stay, and to which the plan adds columns or triggers."""
    made = {m.table.name for m in visible(plan)} | {v.name for v in plan.views}
    made |= {o.name for d in plan.defines for o in d.objects if o.kind != "trigger"}
    triggers = {o.name for d in plan.defines for o in d.objects if o.kind == "trigger"}
    return tuple(sorted({a.table for a in plan.added} | (triggers - made)))


def outside_parents(plan: Plan) -> set[Name]:
    """Tables outside the plan that its tables refer to: making and dropping foreign keys locks them."""
    inside = {t.name for t in old_tables(plan)} | {m.table.name for m in visible(plan)}
    named = {k.now.references for k in plan.foreign_keys if k.now} | {
        c.references for t in old_tables(plan) for c in t.foreign_keys
    }
    return {name for name in named if name is not None and name not in inside}


def lock_order(plan: Plan, *, switched: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to lock: first what nobody reads (our own side), then, in one statement, what applications use.

    Views come before tables, the outermost first, as a reader locks them. Materialised views cannot be named in LOCK.
    """
    new = sorted({m.table.name.within(plan.next_schema) for m in visible(plan)})
    views = [m.name for m in plan.moved if m.kind == "view"]
    outside = {k.table for k in plan.outside_keys} | outside_parents(plan) | set(altered(plan)) | _secured(plan)
    if switched:
        ours = sorted({t.name.within(plan.kept_schema) for t in old_tables(plan)})
        made = [v.name for v in reversed(plan.views) if not v.materialised]
        tables = sorted({m.table.name for m in visible(plan)} | outside)
        used = [*(_defined_views(plan) if tables else ()), *made, *tables]
        return tuple(n.sql for n in ours), tuple(n.sql for n in used)
    used = views + sorted({t.name for t in old_tables(plan)} | outside)
    return tuple(n.sql for n in new), tuple(n.sql for n in used)


def _defined_views(plan: Plan) -> Iterator[Name]:
    """The views that scripts made, the outermost first: whoever reads one holds it, and asks for its tables next."""
    for define in reversed(plan.defines):
        yield from (thing.name for thing in reversed(define.objects) if thing.kind == "view")


def lock_sql(names: tuple[str, ...]) -> str:
    """One statement for all locks."""
    return f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"


# --- forward ----------------------------------------------------------------------------------------


def leave(plan: Plan, run: int) -> Iterator[str]:
    """Take the old shape out of its place."""
    for key in (*plan.foreign_keys, *plan.outside_keys):
        if key.before is not None:
            yield f"ALTER TABLE {key.table.sql} DROP CONSTRAINT {ident(key.before.name)}"
    for name, published in plan.unpublished:
        yield ddl_objects.publication_drop(name, published)
    for table in old_tables(plan):
        yield from (f"ALTER SEQUENCE {s.sql} OWNED BY NONE" for _, s in free_sequences(plan, table))
    for flow in plan.flows:
        for member in flow.old.members:
            yield from flow_sql.drop_capture(run, member, member.table.name)
            # Rollback rebuilds rows here; the application's own triggers must not change them on the way.
            yield f"ALTER TABLE {member.table.name.sql} DISABLE TRIGGER USER"
    yield from (move(m, plan.kept_schema) for m in plan.moved)
    for table in old_tables(plan):
        yield from ddl_objects.statistics_moves(table.statistics, table.name.schema, plan.kept_schema)


def arrive(plan: Plan) -> Iterator[str]:
    """Put the new shape in the place of the old."""
    for member in visible(plan):
        at = member.table.name.within(plan.next_schema)
        yield f"ALTER TABLE {at.sql} SET SCHEMA {ident(member.table.name.schema)}"
        yield from ddl_objects.statistics_moves(member.table.statistics, plan.next_schema, member.table.name.schema)
    for table in old_tables(plan):
        for column, sequence in free_sequences(plan, table):
            yield f"ALTER SEQUENCE {sequence.sql} OWNED BY {table.name.sql}.{ident(column)}"
    for added in plan.added:
        yield from (ddl_table.add_column(added.table, column) for column in added.columns)
    yield from (add_key(k.table, k.now) for k in (*plan.foreign_keys, *plan.outside_keys) if k.now)
    for member in visible(plan):
        yield from ddl_table.bound_objects(member.table, member.table.name.schema)
    # A view may call a function; a function that reads a view was put after it by the plan.
    early = [f for f in plan.functions if f.oid not in plan.late_functions]
    # A body that is text finds its tables by its caller's search_path, not by our empty one.
    yield from ("SET LOCAL check_function_bodies TO off" for _ in plan.functions[:1])
    for function in early:
        yield from ddl_objects.function_sql(function, plan.default_grantees)
    for view in plan.views:
        if view.name in plan.prebuilt:
            at = view.name.within(plan.next_schema)
            yield f"ALTER MATERIALIZED VIEW {at.sql} SET SCHEMA {ident(view.name.schema)}"
        else:
            yield from ddl_objects.view_sql(view, plan.default_grantees)
    for function in plan.functions:
        if function.oid in plan.late_functions:
            yield from ddl_objects.function_sql(function, plan.default_grantees)
    yield from ("SET LOCAL check_function_bodies TO DEFAULT" for _ in plan.functions[:1])
    for member in visible(plan):
        for trigger in member.table.triggers:
            yield from ddl_objects.trigger_sql(trigger, member.table.name, member.table.name)
        yield from (ddl_objects.publication_add(member.table.name, p) for p in member.table.published)


def free_sequences(plan: Plan, table: Table) -> tuple[tuple[str, Name], ...]:
    """Sequences of serial columns that the new table of the same name goes on using."""
    new = next((m.table for m in visible(plan) if m.table.name == table.name), None)
    if new is None:
        return ()
    return tuple(
        (c.name, c.sequence)
        for c in table.columns
        if c.sequence is not None and not c.identity and _still_used(new, c.name, c.sequence)
    )


def _still_used(new: Table, column: str, sequence: Name) -> bool:
    found = new.column(column)
    if found is None or found.identity:
        return False
    # A table that the migration declares owns no sequence yet; its default says which one it uses.
    declared = found.default is not None and "nextval(" in found.default and sequence.name in found.default
    return found.sequence == sequence or declared


def identity_columns(plan: Plan) -> tuple[tuple[Name, str, Name, str], ...]:
    """Identity columns, as old table, column, new table, column: the new sequence must go on where the old one stood.

    The old column of a table that another takes the place of under a new name may be a serial one.
    """
    old = {t.name: t for t in old_tables(plan)}
    found = [
        (m.table.name, c.name, m.table.name, c.name)
        for m in visible(plan)
        for c in m.table.columns
        if c.identity and m.table.name in old and (was := old[m.table.name].column(c.name)) and was.identity
    ]
    for flow in plan.flows:
        leaves, comes = flow.old.anchor.table, flow.new.anchor.table
        for before, after in flow.same:
            left, came = leaves.column(before), comes.column(after)
            if left and came and left.sequence is not None and came.identity:
                found.append((leaves.name, before, comes.name, after))
    return tuple(found)


def move(moved: Moved, schema: str) -> str:
    """`ALTER ... SET SCHEMA`, from its home."""
    return f"ALTER {moved.kind.upper()} {moved.signature} SET SCHEMA {ident(schema)}"


def add_key(table: Name, key: Constraint) -> str:
    """Make a foreign key NOT VALID: new rows are checked at once, old ones by `validate_keys`, without this lock."""
    definition = _NOT_VALID.sub("", key.definition)
    return f"ALTER TABLE {table.sql} ADD CONSTRAINT {ident(key.name)} {definition} NOT VALID"


def validate_keys(keys: tuple[ForeignKey, ...]) -> tuple[str, ...]:
    """Validate what the switch made; SHARE UPDATE EXCLUSIVE, reads and writes go on."""
    return tuple(
        f"ALTER TABLE {k.table.sql} VALIDATE CONSTRAINT {ident(k.now.name)}"
        for k in keys
        if k.now and k.now.valid and not _NOT_VALID.search(k.now.definition)
    )


# --- and back ---------------------------------------------------------------------------------------


def withdraw(plan: Plan, run: int) -> Iterator[str]:
    """Take the new shape out again."""
    for script in reversed(plan.scripts):
        if script.phase == "switch" and script.down:
            yield script.down
    for define in reversed(plan.defines):
        if define.down:
            yield define.down
        for thing in reversed(define.objects):
            yield f"DROP {thing.kind.upper()} IF EXISTS {thing.signature}"
    yield from (flow_sql.release(run, member) for member in plan.joining)
    for member in visible(plan):
        yield from flow_sql.drop_capture(run, member, member.table.name)
        yield from (ddl_objects.publication_drop(member.table.name, p) for p in member.table.published)
    late = [f for f in plan.functions if f.oid in plan.late_functions]
    yield from (_drop_function(f) for f in reversed(late))
    for view in reversed(plan.views):
        yield f"DROP {'MATERIALIZED ' if view.materialised else ''}VIEW IF EXISTS {view.name.sql}"
    yield from (_drop_function(f) for f in reversed(plan.functions) if f not in late)
    for key in (*plan.foreign_keys, *plan.outside_keys):
        if key.now is not None:
            yield f"ALTER TABLE {key.table.sql} DROP CONSTRAINT IF EXISTS {ident(key.now.name)}"
    for added in plan.added:
        yield from (f"ALTER TABLE {added.table.sql} DROP COLUMN {ident(c.name)}" for c in added.columns)
    for table in old_tables(plan):
        yield from (f"ALTER SEQUENCE {s.sql} OWNED BY NONE" for _, s in free_sequences(plan, table))
    for member in visible(plan):
        yield f"ALTER TABLE {member.table.name.sql} SET SCHEMA {ident(plan.next_schema)}"
        yield from ddl_objects.statistics_moves(member.table.statistics, member.table.name.schema, plan.next_schema)


def _drop_function(function: Function) -> str:
    return f"DROP {'PROCEDURE' if function.kind == 'p' else 'FUNCTION'} IF EXISTS {function.signature}"


def come_back(plan: Plan) -> Iterator[str]:
    """Put the old shape into its place again, as it was."""
    for moved in reversed(plan.moved):
        there = moved.signature.replace(ident(moved.name.schema) + ".", ident(plan.kept_schema) + ".", 1)
        yield f"ALTER {moved.kind.upper()} {there} SET SCHEMA {ident(moved.name.schema)}"
    for table in old_tables(plan):
        yield from ddl_objects.statistics_moves(table.statistics, plan.kept_schema, table.name.schema)
        for column, sequence in free_sequences(plan, table):
            yield f"ALTER SEQUENCE {sequence.sql} OWNED BY {table.name.sql}.{ident(column)}"
    for flow in plan.flows:
        for member in flow.old.members:
            triggers = [(t.name, t.enabled) for t in member.table.triggers]
            yield from ddl_text.restored_states(member.table.name, "TRIGGER", triggers)
    for key in (*plan.foreign_keys, *plan.outside_keys):
        if key.before is not None:
            yield add_key(key.table, key.before)
    for name, published in plan.unpublished:
        yield ddl_objects.publication_add(name, published)


def validate_before(plan: Plan) -> tuple[str, ...]:
    """Validate the old foreign keys after a rollback."""
    return tuple(
        f"ALTER TABLE {k.table.sql} VALIDATE CONSTRAINT {ident(k.before.name)}"
        for k in (*plan.foreign_keys, *plan.outside_keys)
        if k.before is not None and k.before.valid
    )

"""The views of the old shape: the inverse mapping, through which a filter reaches the new table's index. Pure text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ecluse.model.catalog import Column, Table
from ecluse.model.flow import Flow, Member, Shown, fill
from ecluse.model.names import Name, ident, literal, short
from ecluse.model.plan import Plan
from ecluse.operations.expressions import of_row, rewrite
from ecluse.planning import flow_sql, switch_sql
from ecluse.planning.old_shape import use
from ecluse.planning.old_shape.place import INVOKER, as_invoker, places, view_name

INDEX = "ecluse_before_"
"""How the names of these indexes begin."""

_RIGHTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_NEXT = re.compile(r"\Anextval\(")


def projection(table: Table, alias: str) -> str:
    """The columns of the old table, in its order and of its types, over rows of a mapping."""
    return ", ".join(f"{_shown(column, alias)} AS {ident(column.name)}" for column in table.columns)


def _shown(column: Column, alias: str) -> str:
    value = f"{alias}.{ident(column.name)}"
    if column.generated:
        value = f"({rewrite(column.default or 'NULL', lambda found: f'{alias}.{ident(found.column)}')})"
    value = f"CAST({value} AS {column.type})"
    return f"({value} COLLATE {column.collation})" if column.collation else value


def rows(plan: Plan, member: Member, anchors: str = "", flow: Flow | None = None) -> str:
    """A query that gives old rows as the new tables have them: all of them, or those of the given new anchors."""
    at = places(plan)

    def place(alias: str) -> str:
        return anchors if anchors and flow and alias == flow.new.anchor.alias else at.sql(alias)

    return f"SELECT {projection(member.table, 'q')} FROM ({fill(member.select, place)}) q"


Odd = tuple[str, str, str]
"""An aside table's alias, its document, and a key that it may have."""


def mapped_view(plan: Plan, member: Member, roles: Sequence[str], even: frozenset[Odd]) -> Iterator[str]:
    """The view of an old table that a mapping shows. `even`: what no aside table has."""
    invoker = as_invoker(member.table) and plan.server_version >= INVOKER
    options = " WITH (security_invoker = true)" if invoker else ""
    name = view_name(plan, member.table)
    yield f"CREATE VIEW {name.sql}{options} AS {_parts(plan, member, use.condition(plan, roles), even)}"
    for column in member.table.columns:
        if default := _default(plan, member.table, column):
            yield f"ALTER VIEW {name.sql} ALTER COLUMN {ident(column.name)} SET DEFAULT {default}"
    yield use.trigger(plan, name)
    yield from rights(member.table, name)


def _parts(plan: Plan, member: Member, condition: str, even: frozenset[Odd]) -> str:
    """What the view reads: the rows in parts, where that lets a filter reach an index. One part counts the use."""
    at = places(plan)
    selects = _selects(member.shown, even) if member.shown else [member.select]
    parts = [f"SELECT {projection(member.table, 'q')} FROM ({fill(select, at.sql)}) q" for select in selects]
    return "\nUNION ALL\n".join([f"{parts[0]}\nWHERE {condition}", *parts[1:]])


def _selects(shown: Shown, even: frozenset[Odd]) -> list[str]:
    """The parts that may have rows; where nothing stands aside, one that does not look there."""
    if shown.plain and even.issuperset(shown.odd):
        return [shown.plain]
    pairs = zip(shown.selects, shown.rare, strict=True)
    return [select for select, groups in pairs if not any(even.issuperset(group) for group in groups)]


def relied(shown: Shown, even: frozenset[Odd]) -> frozenset[Odd]:
    """What these parts rely on not to be there."""
    whole = shown.plain and even.issuperset(shown.odd)
    groups = [shown.odd] if whole else [group for each in shown.rare for group in each if even.issuperset(group)]
    return frozenset(odd for group in groups for odd in group)


def indexes(plan: Plan) -> Iterator[tuple[Member, str, str]]:
    """The indexes by which the views find old values: of which new table, its name, and its columns."""
    by_alias = {member.alias: member for flow in plan.flows for member in flow.new.members}
    shown = (m.shown for flow in plan.flows for m in flow.old.members if m.shown)
    for number, (alias, expressions) in enumerate(dict.fromkeys(each for one in shown for each in one.sought)):
        columns = ", ".join(f"({of_row(each, '')})" for each in expressions)
        yield by_alias[alias], short(f"{INDEX}{number}_{alias}"), columns


def odd_indexes(plan: Plan) -> dict[str, tuple[str, str, str]]:
    """Indexes that say at once whether an aside table has a text of a column, by name."""
    shown = (m.shown for f in plan.flows for m in f.old.members)
    odd = {each for one in shown if one and one.plain for each in one.odd}
    return {short(f"{INDEX}odd_{number}"): each for number, each in enumerate(sorted(odd))}


def plain_view(plan: Plan, table: Table, at: Name, roles: Sequence[str]) -> Iterator[str]:
    """The view of an old table whose rows are where they were, or kept: PostgreSQL itself writes through it."""
    options = " WITH (security_invoker = true)" if plan.server_version >= INVOKER else ""
    name = view_name(plan, table)
    columns = flow_sql.column_list(tuple(column.name for column in table.columns))
    query = f"SELECT {columns} FROM {at.sql} WHERE {use.condition(plan, roles)}"
    # The option makes an INSERT ask the condition, and so be counted; a trigger of such a view would not fire.
    yield f"CREATE VIEW {name.sql}{options} AS {query} WITH CHECK OPTION"
    yield from rights(table, name)


def _default(plan: Plan, table: Table, column: Column) -> str:
    """What an INSERT through the view gives a column that it does not name; identities are numbered by the writer."""
    if column.generated or column.default is None or numbered(plan, table, column):
        return ""
    if column.sequence is not None and _NEXT.match(column.default):
        return f"nextval({literal(sequence(plan, table, column).sql)}::regclass)"
    return column.default


def sequence(plan: Plan, table: Table, column: Column) -> Name:
    """Where the sequence of an old column is now: at home where the new table uses it, else kept with the old one."""
    assert column.sequence is not None
    free = any(name == column.name for name, _ in switch_sql.free_sequences(plan, table))
    return column.sequence if free else column.sequence.within(plan.kept_schema)


def numbered(plan: Plan, table: Table, column: Column) -> bool:
    """Whether a column is an identity, or has become one: nobody needs a right to its sequence."""
    pairs = {(was, name) for was, name, _, _ in switch_sql.identity_columns(plan)}
    return bool(column.identity) or (table.name, column.name) in pairs


def next_number(plan: Plan, table: Table, column: Column) -> str:
    """The next number of an identity column: of the new table's where that goes on with it."""
    for was, name, now, becomes in switch_sql.identity_columns(plan):
        if (was, name) == (table.name, column.name):
            return f"nextval(pg_get_serial_sequence({literal(now.sql)}, {literal(becomes)})::regclass)"
    return f"nextval({literal(sequence(plan, table, column).sql)}::regclass)"


def rights(table: Table, view: Name) -> Iterator[str]:
    """Those of the old table, column by column, as far as a view has them."""
    yield f"REVOKE ALL ON {view.sql} FROM PUBLIC"
    if table.owner:
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {view.sql} TO {ident(table.owner)}"
    for grant in table.grants:
        if grant.privilege not in _RIGHTS or grant.grantee == table.owner:
            continue
        who = ident(grant.grantee) if grant.grantee else "PUBLIC"
        column = f" ({ident(grant.column)})" if grant.column else ""
        yield f"GRANT {grant.privilege}{column} ON {view.sql} TO {who}"


def grantees(table: Table) -> set[str]:
    """Who may use the table; "" is everybody."""
    return {grant.grantee for grant in table.grants if grant.privilege} | ({table.owner} if table.owner else set())


def old_view(definition: str, name: Name, plan: Plan, shown: Sequence[Name]) -> str:
    """A view of the application that stood on old tables, on their views; `definition` as the kept one is printed."""
    kept = {table.within(plan.kept_schema).sql: table.within(plan.before_schema).sql for table in shown}
    text = definition.rstrip().rstrip(";")
    for was, now in _printed(kept):
        text = re.sub(rf"(?<![\w\"]){re.escape(was)}(?![\w\"])", now.replace("\\", r"\\"), text)
    return f"CREATE VIEW {name.within(plan.before_schema).sql} AS {text}"


def _printed(names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each pair as it is quoted always, and as the server prints it."""
    for was, now in names.items():
        yield was, now
        schema, _, table = was[1:-1].partition('"."')
        for printed in (f"{schema}.{table}", f'{schema}."{table}"'):
            yield printed, now

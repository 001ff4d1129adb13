"""DDL of views, functions, triggers, publications and rights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from ecluse.model.catalog import Function, Grant, Index, Published, Table, Trigger, View
from ecluse.model.catalog import Sequence as SequenceValue
from ecluse.model.names import Name, ident
from ecluse.planning.ddl_text import comment, names, options, retarget, states


def grants_sql(
    table_name: Name, grants: Sequence[Grant], owner: str, default_grantees: Sequence[str] = ()
) -> list[str]:
    """The rights on a new table or view, exactly `grants`, whatever ALTER DEFAULT PRIVILEGES gave it."""
    return _exact_grants(f"TABLE {table_name.sql}", grants, owner, default_grantees)


def sequence_extras(sequence: SequenceValue, schema: str, default_grantees: Sequence[str] = ()) -> list[str]:
    """Rights and comment of a new identity sequence; its owner is the table's."""
    target = f"SEQUENCE {sequence.name.within(schema).sql}"
    return [
        *_exact_grants(target, sequence.grants, sequence.owner, default_grantees),
        *comment(target, sequence.comment),
    ]


def sequences_of(
    table: Table, sequences: Iterable[SequenceValue], schema: str, default_grantees: Sequence[str] = ()
) -> list[str]:
    """Rights and comments of a new table's identity sequences, from the recorded ones."""
    mine = {column.sequence for column in table.columns if column.identity}
    return [text for each in sequences if each.name in mine for text in sequence_extras(each, schema, default_grantees)]


def _exact_grants(target: str, grants: Sequence[Grant], owner: str, default_grantees: Sequence[str]) -> list[str]:
    """Where rights on the whole object are listed, the owner's are among them; else he has all of them."""
    listed = any(not grant.column for grant in grants)
    foreign = [role for role in default_grantees if role != owner]
    revoked = ["PUBLIC", *(ident(role) for role in foreign), *([ident(owner)] if listed else [])]
    return [f"REVOKE ALL ON {target} FROM {', '.join(revoked)}", *_grants(target, grants)]


def _grants(target: str, grants: Sequence[Grant]) -> list[str]:
    def bearer(grant: Grant) -> tuple[str, bool, str]:
        return grant.grantee, grant.grantable, grant.column

    made = []
    for (grantee, grantable, column), group in groupby(sorted(grants, key=bearer), key=bearer):
        suffix = f" ({ident(column)})" if column else ""
        privileges = ", ".join(grant.privilege + suffix for grant in group if grant.privilege)
        if privileges:
            to = ident(grantee) if grantee else "PUBLIC"
            made.append(f"GRANT {privileges} ON {target} TO {to}{' WITH GRANT OPTION' if grantable else ''}")
    return made


def trigger_sql(trigger: Trigger, from_name: Name, to_name: Name) -> list[str]:
    """A trigger that was recorded on `from_name`, made on `to_name`."""
    return [
        retarget(trigger.definition, "ON", from_name, to_name),
        *states(to_name, "TRIGGER", [(trigger.name, trigger.enabled)]),
        *comment(f"TRIGGER {ident(trigger.name)} ON {to_name.sql}", trigger.comment),
    ]


def index_sql(table_name: Name, index: Index) -> str:
    """CREATE INDEX on that table."""
    return f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {ident(index.name)} ON {table_name.sql} {index.tail}"


def index_extras(table_name: Name, indexes: Iterable[Index], relation: str = "TABLE") -> list[str]:
    """Comments and statistics targets of indexes, and which one the relation was clustered on."""
    made = []
    for index in indexes:
        target = Name(table_name.schema, index.name).sql
        made += [
            f"ALTER INDEX {target} ALTER COLUMN {number} SET STATISTICS {value}" for number, value in index.statistics
        ]
        made += comment(f"INDEX {target}", index.comment)
        if index.clustered:
            made.append(f"ALTER {relation} {table_name.sql} CLUSTER ON {ident(index.name)}")
    return made


def statistics_sql(statistics: Iterable[tuple[Name, str]], table: Name, schema: str) -> list[str]:
    """Extended statistics of `table`, made in `schema` on the table of that name there."""
    return [
        retarget(retarget(text, "STATISTICS", name, name.within(schema)), "FROM", table, table.within(schema))
        for name, text in statistics
    ]


def statistics_moves(statistics: Iterable[tuple[Name, str]], schema: str, to_schema: str) -> list[str]:
    """Extended statistics from one schema to another: ALTER TABLE ... SET SCHEMA leaves them where they are."""
    return [f"ALTER STATISTICS {name.within(schema).sql} SET SCHEMA {ident(to_schema)}" for name, _ in statistics]


def rules_sql(rules: Iterable[tuple[str, str]], table: Name, target: Name) -> list[str]:
    """Rules of `table`, made on `target`."""
    return [retarget(text.rstrip().removesuffix(";"), "TO", table, target) for _, text in rules]


def view_sql(view: View, default_grantees: Sequence[str] = ()) -> list[str]:
    """A view or materialised view with all that hangs on it, under its own name."""
    relation = "MATERIALIZED VIEW" if view.materialised else "VIEW"
    name = view.name.sql
    access = f" USING {ident(view.access_method)}" if view.access_method else ""
    place = f" TABLESPACE {ident(view.tablespace)}" if view.tablespace else ""
    data = ("" if view.populated else "\nWITH NO DATA") if view.materialised else ""
    return [
        f"CREATE {relation} {name}{access}{options(view.options)}{place} AS\n{view.definition}{data}",
        *(
            f"ALTER VIEW {name} ALTER COLUMN {ident(column)} SET DEFAULT {text}"
            for column, text in view.column_defaults
        ),
        *(index_sql(view.name, index) for index in view.indexes),
        *index_extras(view.name, view.indexes, relation),
        *statistics_sql(view.statistics, view.name, view.name.schema),
        *rules_sql(view.rules, view.name, view.name),
        *states(view.name, "RULE", view.rule_states),
        *(text for trigger in view.triggers for text in trigger_sql(trigger, view.name, view.name)),
        *([f"ALTER {relation} {name} OWNER TO {ident(view.owner)}"] if view.owner else []),
        *grants_sql(view.name, view.grants, view.owner, default_grantees),
        *comment(f"{relation} {name}", view.comment),
        *(text for column, words in view.column_comments for text in comment(f"COLUMN {name}.{ident(column)}", words)),
    ]


def function_sql(function: Function, default_grantees: Sequence[str] = ()) -> list[str]:
    """A function or procedure with its owner, rights and comment, under its own name."""
    target = f"{'PROCEDURE' if function.kind == 'p' else 'FUNCTION'} {function.signature}"
    grants = function.grants
    if grants is None:
        grants = (Grant("", "EXECUTE"), Grant(function.owner, "EXECUTE"))
    return [
        function.definition.rstrip(),
        *([f"ALTER {target} OWNER TO {ident(function.owner)}"] if function.owner else []),
        *_exact_grants(target, grants, function.owner, default_grantees),
        *comment(target, function.comment),
    ]


def publication_add(table_name: Name, published: Published) -> str:
    """Make the table a member again; ONLY, since its heirs are members on their own account or not at all."""
    columns = f" ({names(published.columns)})" if published.columns else ""
    where = f" WHERE ({published.where})" if published.where else ""
    return f"ALTER PUBLICATION {ident(published.publication)} ADD TABLE ONLY {table_name.sql}{columns}{where}"


def publication_drop(table_name: Name, published: Published) -> str:
    """Take the table out of the publication."""
    return f"ALTER PUBLICATION {ident(published.publication)} DROP TABLE ONLY {table_name.sql}"

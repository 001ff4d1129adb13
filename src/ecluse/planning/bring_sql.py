"""What a migration says in `sql` operations to bring an expected schema: all that has no operation of its own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ecluse.model.catalog import Catalog, Function, Grant, Publication, Table, View
from ecluse.model.names import ident, literal
from ecluse.planning.ddl_objects import (
    index_sql,
    publication_add,
    publication_drop,
    trigger_sql,
    view_sql,
)
from ecluse.planning.ddl_table import (
    bound_objects,
    constraint_sql,
    create_table,
    later_constraints,
    plain_indexes,
    table_settings,
)


@dataclass(slots=True)
class Script:
    """A `sql` operation: what it does, and in the reverse order what undoes it."""

    title: str
    up: list[str] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, up: str, down: str) -> None:
        self.up.append(up)
        self.down.insert(0, down)


def scripts(expected: Catalog, actual: Catalog, functions: frozenset[str], views: Sequence[View]) -> Iterator[Script]:
    """The scripts that are needed, in the order in which they can run. Indexes block writers while they are built."""
    for script in (
        _surroundings(expected, actual),
        _tables(expected, actual),
        _late(expected, actual, functions, views),
        *(_changes(want, actual.tables[name]) for name, want in expected.tables.items() if name in actual.tables),
        _members(expected, actual),
        _rights(expected, actual),
    ):
        if script.up:
            yield script


def _surroundings(expected: Catalog, actual: Catalog) -> Script:
    script = Script("schemas, extensions, types and sequences")
    for schema in sorted(set(expected.schemas) - set(actual.schemas)):
        script.add(f"CREATE SCHEMA {ident(schema)}", f"DROP SCHEMA {ident(schema)}")
    for extension in sorted(set(expected.extensions) - set(actual.extensions)):
        script.add(f"CREATE EXTENSION {ident(extension)}", f"DROP EXTENSION {ident(extension)}")
    for name, labels in expected.types.items():
        if name not in actual.types:
            listed = ", ".join(map(literal, labels))
            script.add(f"CREATE TYPE {name.sql} AS ENUM ({listed})", f"DROP TYPE {name.sql}")
    for name, found in expected.sequence_details.items():
        if name not in actual.sequence_details:
            options = f"INCREMENT BY {found.increment} MINVALUE {found.minimum} MAXVALUE {found.maximum}"
            options += f" START WITH {found.start} CACHE {found.cache}{' CYCLE' if found.cycle else ''}"
            script.add(f"CREATE SEQUENCE {name.sql} AS {found.type} {options}", f"DROP SEQUENCE {name.sql}")
    return script


def _tables(expected: Catalog, actual: Catalog) -> Script:
    script = Script("tables that are missing")
    new = [table for name, table in expected.tables.items() if name not in actual.tables]
    for table in new:
        serials = [c for c in table.columns if c.sequence and not c.identity]
        script.up += [f"CREATE SEQUENCE {c.sequence.sql} AS {c.type}" for c in serials if c.sequence]
        script.add(create_table(table, table.name.schema), f"DROP TABLE {table.name.sql}")
        script.up += [
            f"ALTER SEQUENCE {c.sequence.sql} OWNED BY {table.name.sql}.{ident(c.name)}" for c in serials if c.sequence
        ]
    for keys in (False, True):
        for table in new:
            mine = [c for c in later_constraints(table) if (c.kind == "f") is keys]
            script.up += [constraint_sql(table.name, c) for c in mine]
            for c in mine if keys else ():
                # Tables that refer to each other could not be dropped one after the other.
                script.down.insert(0, f"ALTER TABLE {table.name.sql} DROP CONSTRAINT {ident(c.name)}")
    for table in new:
        script.up += [index_sql(table.name, index) for index in plain_indexes(table)]
        bare = replace(table, grants=(), published=(), comment=None)
        script.up += [s for s in table_settings(bare, table.name.schema) if not s.startswith("REVOKE")]
        script.up += bound_objects(table, table.name.schema)
        script.up += [s for trigger in table.triggers for s in trigger_sql(trigger, table.name, table.name)]
    return script


def _late(expected: Catalog, actual: Catalog, functions: frozenset[str], views: Sequence[View]) -> Script:
    """Functions that something holds, and what reads tables that a script makes."""
    script = Script("functions and views that no definition can bring")
    there = {_key(f): f for f in actual.functions}
    for function in expected.functions:
        if _key(function) in functions:
            before = there.get(_key(function))
            word = "PROCEDURE" if function.kind == "p" else "FUNCTION"
            undo = before.definition.rstrip() if before else f"DROP {word} {function.signature}"
            script.add(function.definition.rstrip(), undo)
    for view in views:
        before_it = actual.views.get(view.name)
        if before_it is not None:
            script.add(_drop_view(before_it), ";\n".join(view_statements(before_it)))
        script.add(";\n".join(view_statements(view)), _drop_view(view))
    return script


def _drop_view(view: View) -> str:
    return f"DROP {'MATERIALIZED VIEW' if view.materialised else 'VIEW'} {view.name.sql}"


def _key(function: Function) -> str:
    return f"{function.name}({function.arguments})"


def view_statements(view: View) -> list[str]:
    """A view with all that hangs on it, as whoever carries the plan out."""
    made = view_sql(replace(view, owner="", grants=()))
    return [text for text in made if not text.startswith("REVOKE")] + grants("TABLE", view.name.sql, view.grants)


def function_grants(function: Function) -> list[str]:
    """Its rights, where they are not the default ones."""
    word = "PROCEDURE" if function.kind == "p" else "FUNCTION"
    given = grants(word, function.signature, function.grants or ())
    return [f"REVOKE ALL ON {word} {function.signature} FROM PUBLIC", *given]


def grants(kind: str, target: str, given: Iterable[Grant]) -> list[str]:
    """GRANT for each."""
    return [
        f"GRANT {g.privilege}{f' ({ident(g.column)})' if g.column else ''} ON {kind} {target} TO "
        f"{ident(g.grantee) if g.grantee else 'PUBLIC'}{' WITH GRANT OPTION' if g.grantable else ''}"
        for g in given
        if g.privilege
    ]


# --- what tables have that are there ------------------------------------------------------------------


def _changes(want: Table, have: Table) -> Script:
    script = Script(f"what {want.name} lacks")
    head = f"ALTER TABLE {want.name.sql}"
    for column in want.columns:
        now = have.column(column.name)
        if now is None:
            continue
        alter = f"{head} ALTER COLUMN {ident(column.name)}"
        if column.not_null != now.not_null:
            words = ["SET NOT NULL", "DROP NOT NULL"]
            script.add(*(f"{alter} {word}" for word in (words if column.not_null else words[::-1])))
        plain = not (column.generated or now.generated or column.identity or now.identity)
        if plain and column.default != now.default and (column.type == now.type or column.default is None):
            script.add(f"{alter} {_default(column.default)}", f"{alter} {_default(now.default)}")
    _replace(
        script,
        _named(later_constraints(want)),
        _named(later_constraints(have)),
        lambda c: constraint_sql(want.name, c),
        lambda c: f"{head} DROP CONSTRAINT {ident(c.name)}",
    )
    schema = f"{ident(want.name.schema)}."
    _replace(
        script,
        _named(plain_indexes(want)),
        _named(plain_indexes(have)),
        lambda i: index_sql(want.name, i),
        lambda i: f"DROP INDEX {schema}{ident(i.name)}",
    )
    _guards(script, want, have)
    both = {t.name for t in have.triggers}
    _replace(
        script,
        {n: t for n, t in _named(want.triggers).items() if n in both},
        _named(have.triggers),
        lambda t: ";\n".join(trigger_sql(t, want.name, want.name)),
        lambda t: f"DROP TRIGGER {ident(t.name)} ON {want.name.sql}",
    )
    if any(text.startswith("CREATE") and " INDEX " in text for text in script.up):
        script.notes.append(
            "An index blocks writers while it is built here: on a large table make it CONCURRENTLY first."
        )
    return script


def _guards(script: Script, want: Table, have: Table) -> None:
    head = f"ALTER TABLE {want.name.sql}"
    for word, wanted, there in (("", want.rls, have.rls), ("FORCE", want.force_rls, have.force_rls)):
        if wanted != there:
            on, off = ("FORCE", "NO FORCE") if word else ("ENABLE", "DISABLE")
            verbs = (on, off) if wanted else (off, on)
            script.add(*(f"{head} {verb} ROW LEVEL SECURITY" for verb in verbs))

    def make(policy: Any) -> str:
        return ";\n".join(bound_objects(Table(want.name, (), policies=(policy,)), want.name.schema))

    _replace(
        script,
        _named(want.policies),
        _named(have.policies),
        make,
        lambda p: f"DROP POLICY {ident(p.name)} ON {want.name.sql}",
    )


def _named(parts: Iterable[Any]) -> dict[str, Any]:
    return {part.name: part for part in parts}


def _replace(script: Script, want: dict[str, Any], have: dict[str, Any], make: Any, drop: Any) -> None:
    """Make what is missing, and what differs in the place of what is there."""
    for name, part in want.items():
        there = have.get(name)
        if there == part:
            continue
        if there is not None:
            script.add(drop(there), make(there))
        script.add(make(part), drop(part))


def _default(text: str | None) -> str:
    return "DROP DEFAULT" if text is None else f"SET DEFAULT {text}"


# --- publications and rights --------------------------------------------------------------------------


def _members(expected: Catalog, actual: Catalog) -> Script:
    script = Script("publications")
    there = {p.name for p in actual.publications}
    for publication in expected.publications:
        if publication.name not in there:
            script.add(_publication(publication), f"DROP PUBLICATION {ident(publication.name)}")
    for name, table in expected.tables.items():
        now = actual.tables.get(name)
        before = {p.publication: p for p in now.published} if now else {}
        for member in table.published:
            if (old := before.get(member.publication)) == member:
                continue
            if old is not None:
                script.add(publication_drop(name, old), publication_add(name, old))
            script.add(publication_add(name, member), publication_drop(name, member))
    return script


def _publication(found: Publication) -> str:
    scope = " FOR ALL TABLES" if found.all_tables else ""
    if found.schemas:
        scope = f" FOR TABLES IN SCHEMA {', '.join(map(ident, found.schemas))}"
    return f"CREATE PUBLICATION {ident(found.name)}{scope}"


def _rights(expected: Catalog, actual: Catalog) -> Script:
    script = Script("rights")
    for name, table in expected.tables.items():
        before = actual.tables.get(name)
        _exact(script, "TABLE", name.sql, table.grants, before.grants if before else ())
    for name, view in expected.views.items():
        if name in actual.views:  # a new one is made with its rights
            _exact(script, "TABLE", name.sql, view.grants, actual.views[name].grants)
    there = {_key(f): f for f in actual.functions}
    for function in expected.functions:
        old = there.get(_key(function))
        if old is not None:
            word = "PROCEDURE" if function.kind == "p" else "FUNCTION"
            _exact(script, word, function.signature, function.grants or (), old.grants or ())
    return script


def _exact(script: Script, kind: str, target: str, want: Sequence[Grant], have: Sequence[Grant]) -> None:
    """Where rights are expected at all, those and no others."""
    more = [g for g in have if g not in want] if want or kind != "TABLE" else []
    for given in grants(kind, target, [g for g in want if g not in have]):
        script.add(given, _revoke(given))
    for given in grants(kind, target, more):
        script.add(_revoke(given), given)


def _revoke(given: str) -> str:
    text = given.removesuffix(" WITH GRANT OPTION")
    head, _, role = text.rpartition(" TO ")
    return f"REVOKE {head.removeprefix('GRANT ')} FROM {role}"

"""The difference between two catalogs: sees what matters, is blind to what moves by itself."""

from __future__ import annotations

from dataclasses import replace

from ecluse.model.catalog import (
    Catalog,
    Column,
    Constraint,
    Function,
    Grant,
    Index,
    Policy,
    Publication,
    Published,
    Role,
    Sequence,
    Table,
    View,
)
from ecluse.model.names import Name
from ecluse.planning.structure import Deviation, difference

NAME = Name("public", 'We"ird')
TABLE = Table(
    name=NAME,
    columns=(Column("id", "bigint", not_null=True), Column("Na me", "text")),
    constraints=(Constraint("p", "p", "PRIMARY KEY (id)", ("id",)),),
    indexes=(Index("p", True, "USING btree (id)", ("id",), ("id",), "p"), Index("i", False, "USING btree (id)")),
    policies=(Policy("own", "ALL", True, ("a", "b"), "true", None),),
    grants=(Grant("anon", "SELECT"), Grant("", "INSERT", "id")),
    published=(Published("feed", ("id",)),),
    options=("fillfactor=70", "autovacuum_enabled=off"),
)


def catalog(table: Table | None = TABLE, **parts: object) -> Catalog:
    base = Catalog("app", 180004, Role("me", True, True), tables={table.name: table} if table else {})
    return replace(base, **parts)  # type: ignore[arg-type]


def changed(table: Table) -> list[str]:
    return [str(each) for each in difference(catalog(), catalog(table))]


def test_the_same_is_the_same() -> None:
    assert difference(catalog(), catalog()) == ()


def test_what_moves_by_itself_and_what_has_no_order_is_not_told() -> None:
    moved = replace(
        TABLE,
        oid=7,
        filenode=8,
        pages=9,
        rows=10,
        size=11,
        indexes=TABLE.indexes[::-1],
        grants=TABLE.grants[::-1],
        options=TABLE.options[::-1],
        policies=(replace(TABLE.policies[0], roles=("b", "a")),),
    )
    assert changed(moved) == []


def test_a_table_that_came_or_went() -> None:
    assert difference(catalog(None), catalog()) == (Deviation("table", 'public."We""ird"', "", "absent", "present"),)
    assert [str(d) for d in difference(catalog(), catalog(None))] == ['table public."We""ird": is gone']


def test_columns() -> None:
    first, second = TABLE.columns
    assert changed(replace(TABLE, columns=(replace(first, type="uuid", not_null=False), second))) == [
        'table public."We""ird", column id: not null: was yes, is no',
        'table public."We""ird", column id: type: was bigint, is uuid',
    ]
    assert changed(replace(TABLE, columns=(first,))) == ['table public."We""ird", column Na me: is gone (was text)']
    assert changed(replace(TABLE, columns=(second, first))) == [
        'table public."We""ird", order of columns: was id, Na me, is Na me, id'
    ]
    assert changed(replace(TABLE, columns=(first, replace(second, statistics=100)))) == [
        'table public."We""ird", column Na me: statistics: was none, is 100'
    ]


def test_parts_of_a_table() -> None:
    assert changed(replace(TABLE, rls=True, comment="x", owner="o")) == [
        'table public."We""ird", comment: was none, is x',
        'table public."We""ird", owner: was none, is o',
        'table public."We""ird", rls: was no, is yes',
    ]
    assert changed(replace(TABLE, constraints=())) == [
        'table public."We""ird", constraint p: is gone (was PRIMARY KEY (id))'
    ]
    assert changed(replace(TABLE, policies=(replace(TABLE.policies[0], using="false"),))) == [
        'table public."We""ird", policy own: using: was true, is false'
    ]
    assert changed(replace(TABLE, published=(Published("feed"),))) == [
        'table public."We""ird", publication feed: columns: was (id), is ()'
    ]
    assert changed(replace(TABLE, rules=(("r", "CREATE RULE"),))) == [
        'table public."We""ird", rule r: is new (CREATE RULE)'
    ]
    assert changed(replace(TABLE, constraints=(replace(TABLE.constraints[0], columns=()),))) == [
        'table public."We""ird", constraint p: columns: was (id), is ()'
    ]


def test_grants() -> None:
    more = (Grant("anon", "SELECT", grantable=True), Grant("anon", "DELETE"))
    assert changed(replace(TABLE, grants=more)) == [
        'table public."We""ird", grants to PUBLIC on column id: is gone (was INSERT)',
        'table public."We""ird", grants to anon: was SELECT, is DELETE, SELECT with grant option',
    ]


def test_everything_else_of_a_database() -> None:
    view = View(Name("public", "v"), "SELECT 1", ("a",), column_comments=(("a", "x"),))
    function = Function(Name("public", "f"), "a int", "f", "sql", "CREATE FUNCTION 1")
    before = catalog(
        views={view.name: view},
        functions=(function, replace(function, arguments="b text")),
        sequence_details={Name("public", "s"): Sequence(Name("public", "s"), "bigint", owned_by=(NAME, "id"))},
        publications=(Publication("feed", False),),
        types={Name("public", "mood"): ("sad",)},
        extensions={"pg_trgm": "1.6"},
        schemas=("public",),
    )
    after = catalog(
        views={view.name: replace(view, definition="SELECT 2", column_comments=(("a", "y"),))},
        functions=(replace(function, grants=(Grant("anon", "EXECUTE"),)),),
        sequence_details={Name("public", "s"): Sequence(Name("public", "s"), "bigint")},
        publications=(Publication("feed", True),),
        types={Name("public", "mood"): ("sad", "glad")},
        schemas=("public", "ecluse"),
    )
    assert [str(each) for each in difference(before, after)] == [
        "extension pg_trgm: is gone",
        "function public.f(a int), grants: was the default ones, is EXECUTE",
        "function public.f(b text): is gone",
        "publication feed, all tables: was no, is yes",
        "schema ecluse: is new",
        'sequence public.s, owned by: was public."We""ird".id, is none',
        "type public.mood: was (sad), is (sad, glad)",
        "view public.v, comment of column a: was x, is y",
        "view public.v, definition: was SELECT 1, is SELECT 2",
    ]

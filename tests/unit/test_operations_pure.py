"""What needs no server: hazards, errors and plain changes, on catalogs made by hand."""

from __future__ import annotations

import pytest

from ecluse.errors import EcluseError, MappingError, MigrationFileError, NotInDatabase
from ecluse.model.catalog import Catalog, Column, Constraint, Role, Table, View
from ecluse.model.flow import Flow
from ecluse.model.names import Name
from ecluse.model.plan import AddColumns, Archive, Define, Drop, ObjectRef, SqlChange
from ecluse.operations.compile import Compiled, compile_migration
from ecluse.operations.definitions import type_name
from ecluse.operations.expressions import InvalidSql, check_mapping, rewrite
from ecluse.operations.file import parse_migration
from tests.unit.flow_bench import no_files

T, CHILD, V = Name("public", "t"), Name("public", "child"), Name("public", "v")
TABLE = Table(
    T,
    (Column("id", "text", not_null=True), Column("name", "text"), Column("n", "integer")),
    constraints=(Constraint("t_pkey", "p", "PRIMARY KEY (id)", ("id",)),),
)
REFERENCE = Constraint("c_fkey", "f", "FOREIGN KEY (t_id) REFERENCES public.t(id)", ("t_id",), T, ("id",))
REFERRING = Table(
    CHILD,
    (Column("id", "integer", not_null=True), Column("t_id", "text")),
    constraints=(Constraint("child_pkey", "p", "PRIMARY KEY (id)", ("id",)), REFERENCE),
)
CATALOG = Catalog(
    "db",
    180000,
    Role("me", superuser=True, bypass_rls=True),
    tables={T: TABLE, CHILD: REFERRING},
    views={V: View(V, "SELECT 1", ("x",))},
)


def compile_(text: str, head: str = "") -> Compiled:
    return compile_migration(parse_migration(f'name = "t"\n{head}\n{text}', "t.toml", no_files), CATALOG)


def operation(kind: str, *lines: str) -> str:
    return "\n".join(["[[operation]]", f'kind = "{kind}"', *lines, ""])


def test_columns_alone_are_added_in_place_and_else_with_the_flow() -> None:
    add = operation("add_columns", 'table = "t"', "columns = { x = \"int not null default 3\", y = 'text' }")
    found = compile_(add)
    assert found.changes == (AddColumns(T, (Column("x", "integer", not_null=True, default="3"), Column("y", "text"))),)
    both = compile_(add + operation("convert_column", 'table = "t"', 'column = "id"')).changes
    assert [type(change) for change in both] == [Flow, Flow]
    assert isinstance(both[0], Flow)
    assert [c.name for c in both[0].new.anchor.table.columns] == ["id", "name", "n", "x", "y"]
    assert [q.column for q in compile_(operation("convert_column", 'table = "t"', 'column = "id"')).census_queries] == [
        "id",
        "t_id",
    ]


def test_aliases_are_unique_and_asides_can_be_named_from_other_flows() -> None:
    found = compile_(operation("convert_column", 'table = "t"', 'column = "id"')).changes
    flows = [change for change in found if isinstance(change, Flow)]
    aliases = [member.alias for flow in flows for member in flow.members]
    assert aliases == ["t_old", "t", "t__residue", "child_old", "child", "child__residue"]
    assert "{{t__residue}}" in flows[1].old.anchor.select
    assert flows[0].new.recheck  # two texts of one UUID are two units
    assert flows[1].new.find == 'm."id" = u.unit::integer'


@pytest.mark.parametrize(
    ("text", "hazards"),
    [
        (operation("add_columns", 'table = "t"', 'columns = { x = "int not null" }'), {"not-null-without-default"}),
        (operation("add_columns", 'table = "t"', 'columns = { x = "date default now()" }'), {"volatile-default"}),
        (operation("convert_column", 'table = "child"', 'column = "t_id"'), {"reference-stays"}),
        (operation("archive_table", 'table = "t"'), {"archived-is-referenced"}),
        (operation("archive_table", 'table = "t"') + operation("archive_table", 'table = "child"'), set()),
        (operation("sql", 'title = "x"', 'up = "select 1"'), {"no-way-back"}),
        (operation("define", 'title = "x"', 'up = "select 1"'), {"no-way-back"}),
        (
            operation("archive_table", 'table = "child"')
            + operation("add_columns", 'table = "child"', 'columns = { x = "int" }'),
            {"changed-twice"},
        ),
        (operation("reshape_table", 'table = "t"', 'drop_columns = ["n"]'), {"column-dropped"}),
        (
            operation("convert_column", 'table = "t"', 'column = "name"', 'invalid = "quarantine"'),
            {"quarantine-reaches-far"},
        ),
    ],
)
def test_hazards(text: str, hazards: set[str]) -> None:
    assert {hazard.id for hazard in compile_(text).hazards} == hazards


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (operation("convert_column", 'table = "tt"', 'column = "id"'), NotInDatabase, "line 5: there is no table"),
        (operation("convert_column", 'table = "t"', 'column = "nam"'), NotInDatabase, "line 6: table 'public.t' has"),
        (operation("convert_column", 'table = "t"', 'column = "n"'), MigrationFileError, "needs 'using'"),
        (operation("convert_column", 'table = "t"', 'column = "id"', 'default = "a b c"'), MappingError, "line 7"),
        (operation("add_columns", 'table = "t"', 'columns = { name = "text" }'), MigrationFileError, "already"),
        (operation("add_columns", 'table = "t"', 'columns = { x = "serial" }'), MappingError, "identity"),
        (operation("define", 'title = "x"', 'up = "creat function"'), MappingError, "line 6: 'up'"),
        (
            operation("define", 'title = "x"', 'up = ""', 'objects = ["function f"]'),
            MappingError,
            "needs its argument types",
        ),
        (operation("sql", 'title = "x"', 'up = "begin; select 1"'), MigrationFileError, "transaction"),
        (
            operation("reshape_table", 'table = "t"', "[operation.columns]")
            + 'x = { type = "int", from = "(select max(n) from t)" }\n',
            MappingError,
            "line 7: 'columns.x.from' is not valid: a mapping sees one row",
        ),
        (
            operation("reshape_table", 'table = "t"', "[operation.columns]") + 'x = { type = "int", from = "nn" }\n',
            NotInDatabase,
            "line 7: the mapping names 'nn'",
        ),
    ],
)
def test_errors_have_their_line(text: str, kind: type[EcluseError], words: str) -> None:
    with pytest.raises(kind) as caught:
        compile_(text)
    assert words in caught.value.message


def test_errors_of_several_operations_are_told_at_once() -> None:
    wrong = operation("archive_table", 'table = "{}"')
    with pytest.raises(NotInDatabase) as caught:
        compile_(wrong.format("a") + wrong.format("b"))
    assert "'public.a'" in caught.value.message
    assert "'public.b'" in caught.value.details


def test_plain_changes() -> None:
    found = compile_(
        operation("define", 'title = "f"', 'up = "select 1"', 'objects = ["function f(int)", "trigger x on t"]')
        + operation("sql", 'title = "s"', 'up = "select 1"', 'down = ""', 'phase = "after"')
        + operation("archive_table", 'table = "child"'),
        head='drop = ["v"]',
    )
    assert found.changes == (
        Define(
            "f",
            "select 1",
            (
                ObjectRef("function", Name("public", "f"), '"public"."f"(integer)'),
                ObjectRef("trigger", T, '"x" ON "public"."t"'),
            ),
        ),
        SqlChange("s", "select 1", "", phase="after"),
        Archive(CHILD),
        Drop(V),
    )
    with pytest.raises(NotInDatabase, match=r"line 2: there is no view or function 'public\.w'"):
        compile_(operation("archive_table", 'table = "child"'), head='drop = ["w"]')


@pytest.mark.parametrize(
    "text",
    ["", "a, b", "a) , (b", "(select 1)", "count(a)", "now()", "a.b.c", "current_date", "m.*", "$1", "a from b", "a;b"],
)
def test_what_is_not_a_mapping(text: str) -> None:
    with pytest.raises(InvalidSql):
        check_mapping(text)


def test_columns_are_replaced_by_place() -> None:
    text = '\'é\' || m."a""b" || lower(B) -- end'
    assert rewrite(text, lambda found: f"<{found.column}>") == "'é' || <a\"b> || lower(<b>) -- end\n"


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("int", "integer"),
        ("timestamptz(3)", "timestamp(3) with time zone"),
        ("varchar(10)[]", "character varying(10)[]"),
        ("numeric(10,2)", "numeric(10,2)"),
        ('public."Mood"', 'public."Mood"'),
        ("char", "character(1)"),
        ("float", "double precision"),
    ],
)
def test_types_are_named_as_the_server_does(written: str, printed: str) -> None:
    assert type_name(written) == printed

"""Migration files: every mistake with its line and the nearest valid word, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.errors import MigrationFileError, UnknownOperation
from ecluse.model.migration import Source
from ecluse.operations.file import parse_migration
from ecluse.operations.registry import OPERATIONS, json_schema
from ecluse.postgres.project import read_migration
from tests.unit.flow_bench import no_files

GOOD = """\
name = "ids"
database = "app"
drop = ["public.v"]

[[operation]]
kind = "convert_column"
table = "public.conversations"
column = "id"
invalid = "quarantine"
references = [
  { table = "public.log", column = "about" },
]
"""


def problem(text: str) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        parse_migration(text, "ids.toml", no_files)
    return caught.value


def test_a_good_file() -> None:
    migration = parse_migration(GOOD, "ids.toml", no_files)
    assert (migration.name, migration.database, migration.drop) == ("ids", "app", ("public.v",))
    assert [operation.kind for operation in migration.operations] == ["convert_column"]


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("name =", "nam =", 1, "'name' is missing"),
        ('name = "ids"', 'name = "My ids"', 1, "not a plain word"),
        ("database", "databse", 2, "unknown word 'databse'"),
        ("convert_column", "convert_colum", 6, "unknown operation 'convert_colum'"),
        ("invalid =", "invalidd =", 9, "unknown word 'invalidd'"),
        ('"quarantine"', '"quarantin"', 9, "must be one of refuse, quarantine, regenerate"),
        ('{ table = "public.log"', '{ tabel = "public.log"', 11, "unknown word 'tabel'"),
        ('column = "id"', 'column = "id"\ndrop = ["public.w"]', 9, "write it above the first [[operation]]"),
        ('column = "id"\n', "", 5, "'column' is missing"),
        ('column = "id"', "column = 3", 8, "valid string"),
        ('column = "id"', "column = id", 8, "not valid TOML: Invalid value (column 10)"),
        ('drop = ["public.v"]', "drop = [1]", 3, "list of names"),
    ],
)
def test_a_mistake_has_its_line(before: str, after: str, line: int, words: str) -> None:
    error = problem(GOOD.replace(before, after))
    everything = f"{error.message}\n{error.details}"
    assert f"line {line}: " in everything
    assert words in everything


def test_the_nearest_word_is_given() -> None:
    assert problem(GOOD.replace("invalid =", "invalidd =")).hint == "did you mean 'invalid'?"
    error = problem(GOOD.replace("convert_column", "convert_colum"))
    assert isinstance(error, UnknownOperation)
    assert error.hint == "did you mean 'convert_column'?"
    nested = problem(GOOD.replace('{ table = "public.log"', '{ tabel = "public.log"'))
    assert "did you mean 'table'?" in nested.details


def test_all_mistakes_are_told_at_once() -> None:
    error = problem(GOOD.replace("database", "databse").replace("invalid", "invalidd") + '[[operation]]\nkind = "x"\n')
    assert error.message == "ids.toml has 3 errors, the first in line 2"
    assert [text.split(":")[0] for text in error.details.splitlines()] == ["line 2", "line 9", "line 14"]


def test_scripts_are_read_from_files_beside(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "f.sql").write_text("CREATE FUNCTION …", encoding="utf-8")
    path = tmp_path / "m.toml"
    path.write_text('name = "m"\n[[operation]]\nkind = "sql"\ntitle = "f"\nup = "up/f.sql"\n', encoding="utf-8")
    assert read_migration(path).operations[0].model_dump()["up"] == "CREATE FUNCTION …"
    (folder / "f.sql").unlink()
    with pytest.raises(MigrationFileError, match=r"line 5: cannot read 'up/f.sql': No such file"):
        read_migration(path)
    with pytest.raises(MigrationFileError, match="cannot read"):
        read_migration(tmp_path / "none.toml")


def test_lines_of_nested_tables_and_long_texts() -> None:
    text = (
        '[[operation]]\nup = """\n[[operation]]\nkey = 1\n"""\n'
        "[[operation]]\n  [[operation.new]]\n  columns = { id = 'x', 'b c' = 'y' }\n  [[operation.new]]\n"
        "  [operation.new.columns]\n  id = 'z'\n"
    )
    source = Source("f", text)
    assert source.line(("operation", 1)) == 6
    assert source.line(("operation", 1, "new", 0, "columns", "b c")) == 8
    assert source.line(("operation", 1, "new", 1, "columns", "id")) == 11
    assert source.line(("operation", 0, "up")) == 2
    assert source.line(("nothing",)) == 1


def test_every_operation_documents_itself() -> None:
    for kind, operation in OPERATIONS.items():
        assert operation.kind_of() == kind
        assert operation.__doc__
        for name, field in operation.model_fields.items():
            assert field.description or name == "kind", f"{kind}.{name}"
        assert "describe" in vars(operation)
    schema = json_schema()
    assert set(schema["$defs"]) > {"ConvertColumn", "ReshapeTable"}


def test_the_digest_covers_the_files_that_a_migration_names() -> None:
    """An edited .sql file is another migration; a field that this version added with a default is not."""
    text = 'name = "a"\n[[operation]]\nkind = "sql"\ntitle = "t"\nup = "up.sql"\ndown = "select 1"\n'
    one, other, same = (
        parse_migration(text, "a.toml", lambda _, said=said: said) for said in ("select 1", "select 2", "select 1")
    )
    assert one.digest == same.digest
    assert one.digest != other.digest

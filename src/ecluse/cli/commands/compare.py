"""`ecluse compare`: do two tables hold the same rows?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.progress import listening
from ecluse.cli.project import Project
from ecluse.cli.render import compared as texts
from ecluse.errors import WrongUsage

if TYPE_CHECKING:
    from ecluse.model.names import Name
    from ecluse.proof.choice import Asked
    from ecluse.proof.key_map import KeyMap
    from ecluse.proof.tables import Compared, Effort, Place

_DATABASE = re.compile(r"([\w-]+):(?!:)(.*)", re.DOTALL)
_MAP = re.compile(r"\s*(\"(?:[^\"]|\"\")+\"|\w+)\s*=(?!=)\s*(.+)", re.DOTALL)
_KEY_MAP = re.compile(r"(.+?)\s*\(\s*([^,()]+?)\s*,\s*([^,()]+?)\s*\)\s*", re.DOTALL)


_names = arguments.names("column")


@click.command(cls=Command)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--key", metavar="COL[,COL]", multiple=True, callback=_names, help="What tells rows apart.")
@click.option("--columns", metavar="COL[,COL]", multiple=True, callback=_names, help="Compare these columns only.")
@click.option("--exclude", metavar="COL[,COL]", multiple=True, callback=_names, help="Leave these columns out.")
@click.option("--where", metavar="SQL", default="", help="Compare rows for which this holds only, on either side.")
@click.option("--map", "maps", metavar="'COL = SQL'", multiple=True, help="What a column of B is made of, of A's row.")
@click.option("--key-map", metavar="'TABLE(OLD,NEW)'", help="What A's keys have become: a table by A, or a .csv file.")
@click.option("--query", is_flag=True, help="A and B are queries, `[DATABASE:]SELECT ...`.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Sessions on each server.")
@click.option("--limit", type=click.IntRange(0, 100_000), default=20, show_default=True, help="Rows that are listed.")
@arguments.show_values
@current
def compare(invocation: Invocation, /, a: str, b: str, **given: Any) -> int:
    """Compare two tables, A and B: every column of every row. Exit 3 where they differ.

    A and B are `[DATABASE:][SCHEMA.]TABLE`, tables or views; DATABASE is one of ecluse.toml, so they may be on two
    servers. Checksums are compared, each server's at one snapshot; rows are looked at only where these differ, and
    values leave the server with --show-values only. Nothing is locked and nothing is written.

    Rows are told apart by --key, else by the primary key; without one, as a multiset: duplicates count. Columns go by
    name, in any order. A column that is on one side only is a difference; --exclude it where it is none. Where a
    column has two types, its values are compared as text if they have no common form. The numbers 1.0 and 1.00 differ.

    With --map 'id = md5(name)::uuid', B's column is compared with an expression over A's row. With
    --key-map 'id_map(old,new)', A's keys are looked up in it first; a row whose key is not there is a difference.
    """
    from ecluse.proof.tables import compare_tables

    project = Project.of(invocation)
    one, other = (_place(project, text, query=given["query"]) for text in (a, b))
    asked, key_map = _asked(given), _key_map(given["key_map"])
    with _effort(invocation, given) as effort:
        found = compare_tables(one, other, asked, effort, key_map)
    invocation.show(_value(one, other, found), texts.lines)
    return 0 if found.equal else 3


def _asked(given: dict[str, Any]) -> Asked:
    from ecluse.proof.choice import Asked

    mapped = dict(map(_mapped, given["maps"]))
    if len(mapped) < len(given["maps"]):
        raise WrongUsage("--map is given twice for one column")
    return Asked(given["key"], given["columns"], given["exclude"], given["where"], mapped)


@contextmanager
def _effort(invocation: Invocation, given: dict[str, Any]) -> Iterator[Effort]:
    """What was asked of the servers; it can be stopped, and tells how far it is to whoever waits."""
    from ecluse.engine.context import Stop
    from ecluse.model.report import Event
    from ecluse.proof.tables import Effort

    stop = Stop()
    asked = (given["workers"], given["limit"], given["show_values"], stop.soft)  # there is nothing to finish first
    with running.interrupts(invocation, stop):
        if invocation.json:
            yield Effort(*asked)
            return
        with listening(invocation) as listener:
            yield Effort(*asked, lambda done, total: listener(Event("progress", "compare", done=done, total=total)))


def _place(project: Project, text: str, *, query: bool) -> Place:
    from ecluse.proof.tables import Place

    found = _DATABASE.fullmatch(text)
    named, rest = (found[1], found[2]) if found else ("", text)
    database = project.origin(named) if named else project.database()
    if query:
        return Place(database, query=_query(rest))
    return Place(database, _table(rest))


def _table(text: str) -> Name:
    from ecluse.model.names import Name

    try:
        return Name.parse(text)
    except ValueError as problem:
        hint = "ecluse compare [DATABASE:][SCHEMA.]TABLE [DATABASE:][SCHEMA.]TABLE"
        raise WrongUsage(str(problem), hint=hint) from None


def _query(text: str) -> str:
    """One query that only reads; the session would refuse anything else as well."""
    from ecluse.operations.expressions import InvalidSql, is_a, statement

    try:
        if not is_a(statement(text, "it is not one query"), "SelectStmt"):
            raise InvalidSql("it is not a query")
    except InvalidSql as problem:
        raise WrongUsage(f"--query: {problem}", details=text, hint="--query 'SELECT ... FROM public.a'") from None
    return text.strip().rstrip(";")


def _mapped(text: str) -> tuple[str, str]:
    found = _MAP.fullmatch(text)
    if found is None:
        raise WrongUsage(f"--map {text}: it is not 'column = expression'", hint="--map 'id = md5(name)::uuid'")
    return found[1].strip('"').replace('""', '"'), found[2]


def _key_map(text: str | None) -> KeyMap | None:
    from ecluse.proof.key_map import KeyMap

    if text is None:
        return None
    found = _KEY_MAP.fullmatch(text)
    if found is None:
        hint = "--key-map 'public.id_map(old,new)', or --key-map 'ids.csv(old_value,uuid)'"
        raise WrongUsage(f"--key-map {text}: it does not name two columns", hint=hint)
    source = Path(found[1]) if found[1].lower().endswith(".csv") else _table(found[1])
    return KeyMap(source, found[2], found[3])


def _value(a: Place, b: Place, found: Compared) -> dict[str, Any]:
    from ecluse.cli.render.json import plain

    comparison, choice = found.comparison, found.choice
    return {
        "equal": found.equal,
        "a": {"database": a.database.name, "table": a.title, "rows": comparison.left_rows, "sum": comparison.left_sum},
        "b": {
            "database": b.database.name,
            "table": b.title,
            "rows": comparison.right_rows,
            "sum": comparison.right_sum,
        },
        "columns": list(choice.columns),
        "key": list(choice.key),
        "only_in_a": list(choice.only_in_a),
        "only_in_b": list(choice.only_in_b),
        "types": [{"column": name, "a": mine, "b": other} for name, mine, other in found.types],
        "differences": plain(comparison.differences),
        "more": comparison.more,
        "seconds": comparison.seconds,
    }

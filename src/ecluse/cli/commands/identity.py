"""`ecluse identity`: who is who, across tables and databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecluse.cli import arguments
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Group, current
from ecluse.cli.project import Project
from ecluse.cli.render import identity as texts
from ecluse.cli.render.json import plain
from ecluse.errors import SettingsError, UnknownDatabase, WrongUsage

if TYPE_CHECKING:
    from ecluse.identity.sessions import Sessions
    from ecluse.model.identity import Holder

_EXAMPLE = """\
[[identity.source]]
database = "app"
table = "public.users"
profile = "id"
auth = "auth_user_id"
email = "email"
"""


@click.group(cls=Group)
def identity() -> None:
    """Find out who is who: which ids mean which people, in all databases."""


@identity.command()
@arguments.show_values
@current
def audit(invocation: Invocation, /, show_values: bool) -> int:
    """Look up every column that holds ids of people, and compare the sources; exit 3 where something is wrong.

    Sources are declared under [[identity.source]] in ecluse.toml, columns under [[identity.column]]; further columns
    are found by foreign key, name and values. Nothing is changed. E-mails are masked.
    """
    from ecluse.identity.audit import audit as look

    project = Project.of(invocation)
    with _sessions(project) as sessions:
        found = look(project.settings.identity, project.names(), sessions, _shown(show_values))
    invocation.show({"clean": found.clean} | plain(found), texts.audit)
    return 0 if found.clean else 3


@identity.command("map")
@click.argument("columns", nargs=-1, metavar="[DATABASE:TABLE.COLUMN]...")
@click.option("--to", type=click.Choice(["auth", "profile"]), default="auth", show_default=True, help="The new id.")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="A new file for the map.")
@arguments.show_values
@current
def map_(invocation: Invocation, /, columns: tuple[str, ...], to: str, output: Path, show_values: bool) -> int:
    """Write the id map of columns: old value, UUID, and the evidence; exit 3 where values are left.

    Without columns, all of [[identity.column]] are meant. A value is mapped when one row of a source has both ids, or
    by an e-mail that only one person has; one that is right already stands there as itself. What is absent, deleted or
    ambiguous is listed and not mapped.
    """
    from ecluse.identity.audit import resolver_for
    from ecluse.identity.idmap import id_map, masked, write_map
    from ecluse.model.identity import Kind

    project = Project.of(invocation)
    with _sessions(project) as sessions:
        named = [holder for text in columns for holder in _holders(project, text)]
        holders = named or project.settings.identity.column
        if not holders:
            raise WrongUsage("which columns?", hint=f"ecluse identity map app:public.conversations.user_id -o {output}")
        found = id_map(holders, Kind(to), resolver_for(project.settings.identity, sessions), sessions)
        write_map(found, output)
    refused = plain(list(masked(found, _shown(show_values))))
    value = {"file": str(output), "mapped": len(found.pairs) - found.same, "same": found.same, "refused": refused}
    invocation.show(value, texts.mapped)
    return 3 if found.refused else 0


def _shown(show_values: bool) -> Callable[[str], str]:
    from ecluse.identity.findings import mask

    return str if show_values else mask


@contextmanager
def _sessions(project: Project) -> Iterator[Sessions]:
    from ecluse.identity.sessions import Sessions
    from ecluse.postgres.connect import resolve

    if not project.settings.identity.source:
        raise SettingsError("ecluse.toml does not say where people are known", hint=_EXAMPLE)
    # Not Project.database: --database says where to look at columns, and sources may lie elsewhere.
    sessions = Sessions(lambda name: resolve(project.settings, name, project.folder))
    try:
        yield sessions
    finally:
        sessions.close()


def _holders(project: Project, text: str) -> list[Holder]:
    """A column of the command line: as it is declared, with every path, or without a word on what it should hold."""
    from ecluse.model.identity import Holder
    from ecluse.model.names import Name
    from ecluse.model.settings import did_you_mean

    database, colon, rest = text.partition(":")
    table, dot, column = rest.rpartition(".")
    if not (colon and dot and table and column):
        raise WrongUsage(f"'{text}' is not a column", hint="app:public.conversations.user_id")
    if database not in project.settings.databases:
        near = did_you_mean(database, project.settings.databases)
        raise UnknownDatabase(f"'{database}' is not a database of ecluse.toml{near}")
    try:
        name, column = Name.parse(table), Name.parse(column).name
    except ValueError as problem:
        raise WrongUsage(f"'{text}': {problem}") from None
    declared = project.settings.identity.column
    same = [h for h in declared if (h.database, h.name, h.column) == (database, name, column)]
    return same or [Holder(database=database, table=table, column=column)]

"""`ecluse quarantine`: the rows that could not be carried, and what to do with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Group, current
from ecluse.cli.project import Project
from ecluse.cli.render import human
from ecluse.cli.render.json import plain
from ecluse.errors import NotConfirmed
from ecluse.redaction import unless_secret

if TYPE_CHECKING:
    from ecluse.postgres.connect import Database


@click.group(cls=Group)
def quarantine() -> None:
    """List, export, retry or discard the rows that are set aside."""


@quarantine.command("list")
@arguments.migration_or_all
@arguments.show_values
@current
def list_(invocation: Invocation, /, migration: str | None, show_values: bool) -> None:
    """List what is in quarantine and what is parked; values only with --show-values, and secrets not even then."""
    from ecluse.engine import journal
    from ecluse.engine.quarantine import listing
    from ecluse.postgres.connect import open_session

    database, name = _where(invocation, migration)
    with open_session(database, role="quarantine") as conn:
        rows = plain(list(listing(conn, name))) if journal.installed(conn) else []
    if not show_values:
        # The key is a value of the row as well.
        rows = [{k: v for k, v in row.items() if k not in ("row", "key")} for row in rows]
    else:
        rows = [row | {"row": {name: unless_secret(name, text) for name, text in row["row"].items()}} for row in rows]
    invocation.show({"migration": name, "rows": rows}, _lines)


def _where(invocation: Invocation, migration: str | None) -> tuple[Database, str | None]:
    """The database, and the name of the migration where only one is meant."""
    project = Project.of(invocation)
    wanted = project.migration(migration) if migration else None
    return project.database(wanted.database if wanted else None), wanted.name if wanted else None


def _lines(value: dict[str, Any]) -> Iterator[str]:
    if not value["rows"]:
        yield "Nothing is set aside."
        return
    head = ("id", "place", "table", "state", "reason")
    rows = [(str(r["id"]), r["place"], r["source"], r["state"], r["reason"]) for r in value["rows"]]
    yield from human.table([head, *rows], right=[0])
    for row in value["rows"]:
        if "row" in row:
            columns = ", ".join(f"{name}={text!r}" for name, text in row["row"].items())
            yield f"  {row['id']}: {columns}"


@quarantine.command()
@arguments.migration_or_all
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write to this file; else to stdout.")
@current
def export(invocation: Invocation, /, migration: str | None, output: Path | None) -> None:
    """Write every row that is set aside, with its values, as one JSON object a line."""
    from ecluse.engine import journal
    from ecluse.engine.quarantine import export as write_rows
    from ecluse.postgres.connect import open_session

    database, name = _where(invocation, migration)
    with open_session(database, role="quarantine") as conn:
        there = journal.installed(conn)
        if output is None:
            # These rows are the data, one a line, with --json or without.
            if there:
                write_rows(conn, sys.stdout, name)
            return
        output.touch(mode=0o600)
        with output.open("w", encoding="utf-8") as out:
            number = write_rows(conn, out, name) if there else 0
    if invocation.json:
        invocation.show({"rows": number, "file": str(output)}, lambda _: ())
    invocation.say(f"{human.many(number, 'row')} written to {output}")


@quarantine.command()
@arguments.migration
@click.option("--id", "ids", type=int, multiple=True, help="Only this row; may be given several times.")
@current
def retry(invocation: Invocation, /, migration: str, ids: tuple[int, ...]) -> int:
    """Try the held rows again, after the old table was corrected or an id map completed; exit 3 where some stay.

    Id maps are read anew from the files that the MIGRATION names.
    """
    from ecluse.engine.context import Options
    from ecluse.engine.status import unfinished_plan
    from ecluse.operations.inputs import read_again

    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    running.confirm_protected(invocation, database, "retry")
    begun = unfinished_plan(database, wanted.name)
    inputs = read_again(wanted, begun[1].inputs) if begun else ()
    with running.engine_for(invocation, database, Options(), f"ecluse quarantine retry {migration}") as engine:
        result = engine.retry(wanted.name, ids or None, inputs)
    invocation.conclude({"migration": wanted.name} | plain(result), _retried)
    return 3 if result.still_held else 0


def _retried(value: dict[str, Any]) -> Iterator[str]:
    tried = human.many(value["tried"], "row")
    yield f"{tried} tried: {value['carried']:,} carried, {value['still_held']:,} still held."


@quarantine.command()
@arguments.migration
@click.option("--id", "ids", type=int, multiple=True, help="This row; may be given several times.")
@click.option("--all", "everything", is_flag=True, help="All rows that are held.")
@current
def discard(invocation: Invocation, /, migration: str, ids: tuple[int, ...], everything: bool) -> None:
    """Give held rows up. They stay in the account and in the archive, and are not tried again."""
    from ecluse.engine.context import Options
    from ecluse.engine.quarantine import listing
    from ecluse.postgres.connect import open_session

    if bool(ids) == everything:
        raise click.UsageError("say which rows: --id ID, or --all")
    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    if everything:
        with open_session(database, role="quarantine") as conn:
            ids = tuple(h.id for h in listing(conn, wanted.name) if h.place == "quarantine" and h.state == "held")
    _confirm(invocation, len(ids))
    with running.engine_for(invocation, database, Options(), f"ecluse quarantine discard {migration}") as engine:
        number = engine.discard(wanted.name, ids)
    invocation.conclude({"migration": wanted.name, "discarded": number}, _discarded)


def _confirm(invocation: Invocation, number: int) -> None:
    if invocation.yes:
        return
    if not invocation.asks:
        raise NotConfirmed(
            "this needs an answer and there is no terminal: discard rows?", hint="--yes", state="nothing was changed"
        )
    if not click.confirm(f"Give {human.many(number, 'row')} up?", err=True):
        raise NotConfirmed("nothing was discarded", state="nothing was changed")


def _discarded(value: dict[str, Any]) -> Iterator[str]:
    yield f"{human.many(value['discarded'], 'row')} discarded."

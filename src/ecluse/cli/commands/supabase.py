"""`ecluse supabase`: what a Supabase database has and a plain PostgreSQL has not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import running
from ecluse.cli.commands.supabase_keys import keys
from ecluse.cli.commands.supabase_stack import check, compose
from ecluse.cli.commands.supabase_users import users
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Group, current
from ecluse.cli.project import Project
from ecluse.cli.render import human

if TYPE_CHECKING:
    from ecluse.postgres.connect import Database
    from ecluse.supabase.prepare import Prepared

_AUTHENTICATOR = "authenticator has no password yet; before a gateway logs in as it, in psql: \\password authenticator"
_OPEN = "tables that this role makes in public from now on are open to anon and authenticated until they are secured"


@click.group(cls=Group)
def supabase() -> None:
    """Prepare a PostgreSQL for Supabase, or run a Supabase of your own."""


supabase.add_command(keys)
supabase.add_command(compose)
supabase.add_command(check)
supabase.add_command(users)


@supabase.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what would be made.")
@current
def prepare(invocation: Invocation, /, name: str, dry_run: bool) -> None:
    """Make in the database NAME what is missing of Supabase: roles, schema auth, default rights, publication.

    All in one transaction, and nothing where all is there. What a real Supabase, or an auth service, manages by itself
    is left alone.
    """
    from ecluse.supabase.prepare import prepare as carry_out

    database = Project.of(invocation).database(name)
    if not dry_run:
        running.confirm_protected(invocation, database, "supabase prepare")
    found = carry_out(database, dry_run=dry_run)
    invocation.show(_value(database, found, dry_run), _lines)
    if dry_run and found.of("to do"):
        invocation.next(f"ecluse supabase prepare {name}")


def _value(database: Database, found: Prepared, dry_run: bool) -> dict[str, Any]:
    made = {step.title for step in (*found.of("made"), *found.of("to do"))}
    notes = [_AUTHENTICATOR] if "role authenticator" in made else []
    notes += [_OPEN] if any(title.startswith("default rights") for title in made) else []
    steps = [{"area": s.step.area, "title": s.step.title, "state": s.state} for s in found.standings]
    return {"database": str(database), "dry_run": dry_run, "managed": list(found.signs), "steps": steps, "notes": notes}


def _lines(value: dict[str, Any]) -> Iterator[str]:
    yield human.heading(value["database"])
    for sign in value["managed"]:
        yield f"  {sign}"
    rows = [(step["state"], step["title"]) for step in value["steps"] if step["state"] != "there"]
    yield from human.table(rows)
    counts = {state: sum(s["state"] == state for s in value["steps"]) for state in ("made", "to do", "there")}
    there = f"{human.many(counts['there'], 'part')} there already"
    if counts["to do"]:
        yield f"{human.many(counts['to do'], 'part')} to make, {there}. Nothing was changed."
    elif counts["made"]:
        yield f"{human.many(counts['made'], 'part')} made, {there}."
    else:
        yield f"Nothing to do: {there}."
    for note in value["notes"]:
        yield f"note: {note}"

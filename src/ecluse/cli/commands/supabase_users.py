"""`ecluse supabase users`: an application's own users become accounts of Supabase. A dry run by default."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.progress import listening
from ecluse.cli.project import Project
from ecluse.cli.render import human
from ecluse.cli.render import users as texts
from ecluse.cli.render.json import plain
from ecluse.cli.users_asked import WORD, Asked, finish, operation_of
from ecluse.cli.users_by_engine import by_engine
from ecluse.errors import Interrupted

if TYPE_CHECKING:
    from ecluse.engine.context import Stop
    from ecluse.model.migration import Migration
    from ecluse.model.report import Event
    from ecluse.operations.import_users import ImportUsers
    from ecluse.postgres.connect import Database
    from ecluse.supabase.admin_api import AdminApi
    from ecluse.supabase.user_outcomes import Summary
    from ecluse.supabase.users_by_api import ImportByApi

_MOMENTS = (
    "the admin API sets neither created_at nor last_sign_in_at: accounts that it makes are of today, and nobody has "
    "signed in"
)
_PLAINLY = (
    "service key and password hashes go over the network as they are: the address is http, and not of this machine"
)
_LATER = "who has registered in the old application since is taken by the same command again"


@click.command(cls=Command)
@arguments.migration
@click.option(
    "--via",
    type=click.Choice(["engine", "admin-api"]),
    default="engine",
    show_default=True,
    help="How: rows into schema auth of the migration's database, or accounts made by auth over HTTP.",
)
@click.option("--dry-run/--no-dry-run", default=True, help="Only say what would become of everybody; the default.")
@click.option("--confirm", is_flag=True, help=f"Do it, without asking for the word {WORD}.")
@click.option("--outcomes", type=click.Path(path_type=Path, dir_okay=False), help="Write a line for each user (CSV).")
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write who became whom, for `remap_ids`; a new file.",
)
@click.option(
    "--stack",
    type=click.Path(path_type=Path, file_okay=False),
    default="supabase",
    show_default=True,
    help="The folder of the stack, whose .env has the service key. For admin-api.",
)
@click.option("--url", default="", help="The gateway, where it is not this machine's port KONG_HTTP_PORT of .env.")
@click.option(
    "--rate", type=click.FloatRange(min=0.1), default=20.0, show_default=True, help="At most so many requests a second."
)
@click.option(
    "--page-size", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Accounts on a page of auth."
)
@arguments.show_values
@current
def users(invocation: Invocation, /, **given: Any) -> int:
    """Make accounts of Supabase of the users in a table, as `import_users` in a MIGRATION says. First a dry run.

    With `--via admin-api` the migration's database is the old one, and of Supabase only the gateway is needed: auth
    makes the accounts, a few at a time. It may be stopped and run again: nobody gets two. At the end the accounts are
    listed again and compared; exit 3 where somebody is missing.
    """
    asked = Asked(**{**given, "dry_run": given["dry_run"] and not given["confirm"]})
    asked.check()
    return by_engine(invocation, asked) if asked.via == "engine" else _by_api(invocation, asked)


def _by_api(invocation: Invocation, asked: Asked) -> int:
    from ecluse.engine.context import Stop
    from ecluse.supabase.user_outcomes import counts

    project = Project.of(invocation)
    wanted = project.migration(asked.migration)
    operation = operation_of(wanted)
    database = project.database(wanted.database)
    if not asked.dry_run:
        running.confirm_protected(invocation, database, "write the mapping to")
        if not (asked.confirm or invocation.yes):
            running.require_terminal(invocation, "make accounts of all users", "--confirm")
    stop = Stop()
    again = f"ecluse supabase users {asked.migration} --via admin-api"
    api = _api(asked, stop)
    with _import(database, wanted, operation, api, asked, stop) as work:
        with _told(invocation, stop, again) as work.tell:
            found = work.survey(bodies=not asked.dry_run)
        value = _value(asked, wanted, database, work, found)
        if asked.dry_run:
            finish(invocation, asked, work.roster.outcomes, value)
            invocation.next(f"{again} --no-dry-run")
            return 0
        if found.to_create and not (asked.confirm or invocation.yes):
            for line in texts.imported(plain(value | {"dry_run": True})):
                invocation.say(line)
            running.confirm_word(invocation, f"make {human.many(found.to_create, 'account')}", WORD, "--confirm")
        with _told(invocation, stop, f"{again} --no-dry-run") as work.tell:
            value["mapped"] = work.carry_out()
            value["checks"] = work.prove()
        value |= {"good": not any(check.wrong for check in value["checks"])} | counts(work.roster.summary())
        finish(invocation, asked, work.roster.outcomes, value)
        return 0 if value["good"] else 3


@contextmanager
def _import(
    database: Database, migration: Migration, operation: ImportUsers, api: AdminApi, asked: Asked, stop: Stop
) -> Iterator[ImportByApi]:
    from ecluse.postgres.connect import open_session
    from ecluse.supabase.roster import roster_of
    from ecluse.supabase.users_by_api import Choices, ImportByApi

    with open_session(database, role="supabase users") as session, stop.watching(session):
        yield ImportByApi(roster_of(session, migration, operation), api, Choices(page_size=asked.page_size))


def _api(asked: Asked, stop: Stop) -> AdminApi:
    from ecluse.supabase.admin_api import AdminApi, service_key
    from ecluse.supabase.env_file import read_env
    from ecluse.supabase.http import Gateway, gateway_address
    from ecluse.supabase.key_audit import ENV
    from ecluse.supabase.pace import Pace

    values = read_env(asked.stack / ENV).values
    gateway = Gateway(gateway_address(values, asked.url), 30)
    return AdminApi(gateway, service_key(values, os.environ), Pace(asked.rate, stop.soft))


@contextmanager
def _told(invocation: Invocation, stop: Stop, again: str) -> Iterator[Callable[[Event], None]]:
    """Progress for people, and Ctrl-C. With --json there is one document, at the end."""
    with running.interrupts(invocation, stop):
        try:
            if invocation.json:
                yield lambda event: None
            else:
                with listening(invocation) as listener:
                    yield listener
        except Interrupted as stopped:
            stopped.hint = f"go on with `{again}`"
            raise


def _value(asked: Asked, migration: Migration, database: Database, work: ImportByApi, found: Summary) -> dict[str, Any]:
    from ecluse.supabase.user_outcomes import counts

    gateway = work.api.gateway
    plainly = gateway.url.startswith("http://") and not gateway.local
    return {
        "migration": migration.name,
        "via": asked.via,
        "database": str(database),
        "stack": gateway.url,
        "mapping": str(work.roster.mapping),
        "dry_run": asked.dry_run,
        "rate": asked.rate,
        "good": found.adds_up,
        "mapped": 0,
        "checks": (),
        "outcomes": None,
        "map": None,
        "notes": [_MOMENTS, _LATER, *([_PLAINLY] if plainly else [])],
        **counts(found),
    }

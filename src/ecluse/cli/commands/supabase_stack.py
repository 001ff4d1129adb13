"""`ecluse supabase compose` and `check`: a Supabase of one's own, and whether it works."""

from __future__ import annotations

from pathlib import Path

import click

from ecluse.cli.arguments import stack_folder
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.render import supabase as texts
from ecluse.cli.render.json import plain


@click.command(cls=Command)
@stack_folder
@click.option("--force", is_flag=True, help="Write over files that are there and say something else.")
@current
def compose(invocation: Invocation, /, folder: Path, force: bool) -> None:
    """Write docker-compose.yml, and what belongs to it, beside .env.

    The services are gateway, auth, rest, realtime, storage, studio, meta and db, and caddy for TLS. The files hold no
    secret. Nothing of what runs already is touched: the stack is a project of its own, with its own
    volumes, and has ports of this machine only.
    """
    from ecluse.supabase.compose import write_stack

    found = write_stack(folder, force=force)
    rows = [{"name": name, "state": state} for name, state in found.states.items()]
    invocation.show({"folder": str(folder), "files": rows, "taken": dict(found.taken)}, texts.composed)
    invocation.next(f"cd {folder} && docker compose up -d --wait")


@click.command(cls=Command)
@stack_folder
@click.option("--url", default="", help="The gateway, where it is not this machine's port KONG_HTTP_PORT of .env.")
@click.option("--health", is_flag=True, help="Ask for health only: nothing is made in the stack.")
@current
def check(invocation: Invocation, /, folder: Path, url: str, health: bool) -> int:
    """Check a running stack as applications use it; exit 3 where a service fails, which is named with the cause.

    Every key of .env at the gateway; the health of every service through it; then a person is made, signs in, writes
    rows and reads no others, and hears a change. The person and the table for it are taken away again.
    """
    from ecluse.supabase.check import Choices, check_stack
    from ecluse.supabase.env_file import read_env
    from ecluse.supabase.key_audit import ENV
    from ecluse.supabase.outcomes import Outcome

    def tell(outcome: Outcome) -> None:
        if invocation.json:
            return
        for line in texts.outcome(plain(outcome)):
            click.echo(line, color=invocation.color)

    found = check_stack(read_env(folder / ENV).values, Choices(url, health), tell)
    value = {"good": found.good, "outcomes": found.outcomes}
    invocation.show(value, texts.checked)
    return 0 if found.good else 3

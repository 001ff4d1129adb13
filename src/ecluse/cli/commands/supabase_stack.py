"""`ecluse supabase compose` and `check`: a Supabase of one's own, and whether it works."""

from __future__ import annotations

from pathlib import Path

import click

from ecluse.cli.arguments import stack_folder
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.render import supabase as texts


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

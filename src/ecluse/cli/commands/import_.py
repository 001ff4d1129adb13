"""`ecluse import`: JSON files in which an older generation kept conversations go into a table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import running
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import memories as texts
from ecluse.cli.render.json import plain
from ecluse.errors import WrongUsage

if TYPE_CHECKING:
    from datetime import tzinfo

    from ecluse.model.names import Name
    from ecluse.recipes.self_hosted_supabase.memories.importing import Account


@click.command("import", cls=Command)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", default="public.user_conversations", show_default=True, metavar="TABLE", help="The table.")
@click.option("--people", metavar="TABLE", help="Where ids are known, if not in the tables named above.")
@click.option("--zone", default="UTC", show_default=True, help="The zone of dates that have none.")
@click.option("--leave-undated", is_flag=True, help="Leave rows without a readable date out, in a file of their own.")
@click.option("--leave-unfit", is_flag=True, help="Leave rows that the table cannot hold out, in the same file.")
@click.option("--confirm", is_flag=True, help="Do it; without this, only say what would be done.")
@current
def import_(
    invocation: Invocation, /, folder: Path, leave_undated: bool, leave_unfit: bool, confirm: bool, **given: Any
) -> int:
    """Import the memories of a FOLDER, files memory_HHHHHHHHHHHH.json, into a table of conversations.

    Whose a file is, is told by the 12 hex digits of its name: the md5 of an id of public.users, or where user_id is a
    UUID, of an old_user_id of public.user_id_mapping. Nobody is guessed.

    Every row comes to one outcome: imported, there already, empty, or rejected with a reason. A file with a row that is
    rejected stays as it is; with --leave-undated or --leave-unfit such rows go to memory_HHHHHHHHHHHH.rejected.json
    instead. A file that is imported is proved by reading it back, and is then called .migrated. Exit 3 where a file
    stays.
    """
    from ecluse.recipes.self_hosted_supabase.memories.importing import Wish, import_folder
    from ecluse.recipes.self_hosted_supabase.memories.rows import UNDATED, UNFIT

    leave = {UNDATED: leave_undated, UNFIT: leave_unfit}
    kinds = frozenset(kind for kind, left in leave.items() if left)
    people = _table(given["people"]) if given["people"] else None
    wish = Wish(folder, _table(given["into"]), people, _zone(given["zone"]), kinds, confirm)
    database = Project.of(invocation).database()
    if confirm:
        running.confirm_protected(invocation, database, "import into")
    account = import_folder(database, wish)
    invocation.show({"database": str(database)} | _value(account, confirm), texts.imported)
    if not confirm and any(one.state != "rejected" for one in account.files):
        invocation.next(f"ecluse import {shlex.quote(str(folder))} --confirm")
    return 0 if account.clean else 3


def _table(text: str) -> Name:
    from ecluse.model.names import Name

    try:
        return Name.parse(text)
    except ValueError as problem:
        raise WrongUsage(str(problem)) from None


def _zone(name: str) -> tzinfo:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # that there is none of this name is a KeyError
        raise WrongUsage(f"'{name}' is not a time zone", hint="--zone Europe/Paris") from None


def _value(account: Account, confirm: bool) -> dict[str, Any]:
    value: dict[str, Any] = plain(account)
    files = value["files"]
    total = {name: sum(one[name] or 0 for one in files) for name in texts.COUNTS}
    rejected = sum(one["state"] == "rejected" for one in files)
    return {"confirmed": confirm, "clean": account.clean, **value, "total": total, "files_rejected": rejected}

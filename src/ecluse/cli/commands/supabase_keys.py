"""`ecluse supabase keys`: the secrets of a Supabase of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli.arguments import stack_folder
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Group, current
from ecluse.cli.render import supabase as texts
from ecluse.errors import WrongUsage

if TYPE_CHECKING:
    from ecluse.supabase.env_file import EnvFile
    from ecluse.supabase.key_check import Seen

_show = click.option("--show", is_flag=True, help="Print the secrets themselves.")
# So that nobody sends the secrets along with the code.
_IGNORED = ".env\n.env.*\n"


@click.group(cls=Group)
def keys() -> None:
    """Make, check and change the keys of a Supabase of your own."""


@keys.command()
@stack_folder
@click.option("--url", default="http://localhost:8000", show_default=True, help="Where browsers will reach it.")
@click.option(
    "--force", is_flag=True, help="Make a new one beside one that is there, which is kept under another name."
)
@_show
@current
def new(invocation: Invocation, /, folder: Path, url: str, force: bool, show: bool) -> None:
    """Make every secret of a stack and write them to .env in its folder, which only its owner can read.

    JWT secret, signing key, keys for browsers and servers in the old and the new form, passwords, with the settings
    that all other files take from there.
    """
    from ecluse.supabase.key_audit import ENV
    from ecluse.supabase.keys import new_env

    now = datetime.now(UTC)
    env, file = new_env(url, now), folder / ENV
    folder.mkdir(parents=True, exist_ok=True)
    kept = _write_new(file, env.text, now, force=force)
    if not (ignore := folder / ".gitignore").exists():
        ignore.write_text(_IGNORED, encoding="utf-8")
    invocation.show(_value(file, env, {}, show) | {"kept": kept}, texts.made)
    invocation.next(f"ecluse supabase compose --folder {folder}")


@keys.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@stack_folder
@current
def check(invocation: Invocation, /, folder: Path, files: tuple[Path, ...]) -> int:
    """Check that all keys come from one secret; exit 3 where a key will be refused, or gives too much away.

    Held against .env of the stack: the configuration of its gateway, and each FILE: settings of front ends and servers,
    or source with keys in it. Without files, every .env in this folder and below it is looked at.
    """
    from ecluse.supabase.key_audit import audit_keys

    found = audit_keys(folder, Path.cwd(), files, datetime.now(UTC))
    rows = [_key(seen) for seen in found.seen]
    invocation.show({"good": found.good, "keys": rows, "findings": found.findings}, texts.key_check)
    return 0 if found.good else 3


@keys.command()
@stack_folder
@click.option("--end", is_flag=True, help="End the time in which the keys of before are still accepted.")
@_show
@current
def rotate(invocation: Invocation, /, folder: Path, end: bool, show: bool) -> None:
    """Make new keys; those of before are accepted beside them, until --end.

    So applications change over one by one, and nobody is signed out. Passwords stay, and so does what encrypts stored
    settings.
    """
    from ecluse.supabase.env_file import read_env, write_private
    from ecluse.supabase.key_audit import ENV
    from ecluse.supabase.keys import ended_env, rotated_env

    file = folder / ENV
    before = read_env(file)
    after = ended_env(before) if end else rotated_env(before, datetime.now(UTC))
    write_private(file, after.text)
    texts_of = texts.ended if end else texts.rotated
    invocation.show(_value(file, after, before.values, show) | {"folder": str(folder)}, texts_of)


def _key(seen: Seen) -> dict[str, Any]:
    """What may be told of a key, which is everything but the key."""
    key = seen.key
    said = {"place": str(seen.place), "role": key.role, "form": key.form, "signed": key.signed}
    return said | {"issued": texts.day(key.issued), "expires": texts.day(key.expires)}


def _value(file: Path, env: EnvFile, before: Mapping[str, str], show: bool) -> dict[str, Any]:
    """What changed, by name, and with --show by value."""
    from ecluse.supabase.keys import is_secret

    changed = {name: v for name, v in env.values.items() if v and is_secret(name) and before.get(name) != v}
    gone = [name for name in before if name not in env.values]
    return {"file": str(file), "changed": list(changed), "gone": gone} | ({"values": changed} if show else {})


def _write_new(file: Path, text: str, now: datetime, *, force: bool) -> str:
    """Write the file; the name of the one that had to give way to it, or nothing."""
    from ecluse.supabase.env_file import REPLACED, write_private

    kept = file.with_name(f"{file.name}{REPLACED}{now:%Y%m%dT%H%M%S}")
    moved = force and file.exists()
    if moved:
        file.rename(kept)
    try:
        write_private(file, text, new=True)
    except FileExistsError:
        raise WrongUsage(
            f"'{file}' is there already",
            details="a stack that runs has its passwords and keys from there",
            hint=f"ecluse supabase keys rotate --folder {file.parent}",
        ) from None
    return str(kept) if moved else ""

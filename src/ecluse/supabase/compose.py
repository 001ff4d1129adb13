"""`ecluse supabase compose`: the files of a stack. They hold no secret: all of them take what is yours from `.env`."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ecluse.errors import SettingsError, WrongUsage
from ecluse.supabase.env_file import parse_env, read_env
from ecluse.supabase.key_audit import ENV
from ecluse.supabase.keys import is_secret

FILES = (
    "docker-compose.yml",
    "gateway/kong.yml",
    "gateway/start.sh",
    "db/passwords.sql",
    "db/realtime.sql",
    "Caddyfile",
)
_PORTS = ("KONG_HTTP_PORT", "DB_HOST_PORT")
_MAY_LACK = re.compile(r"_PREVIOUS$")


@dataclass(frozen=True, slots=True)
class Written:
    """What became of each file: written | there already. `taken`: ports on which something listens now."""

    states: Mapping[str, str]
    taken: Mapping[str, int]


def write_stack(folder: Path, *, force: bool = False) -> Written:
    """Write the files of a stack beside its `.env`; they contain no secret.

    Raises SettingsError where `.env` lacks something, WrongUsage where a file is there that says something else.
    """
    values = read_env(folder / ENV).values
    _require(values, folder / ENV)
    states = {name: _state(folder / name, content(name)) for name in FILES}
    other = [name for name, state in states.items() if state == "other"]
    if other and not force:
        raise WrongUsage(
            f"{len(other)} files are in '{folder}' already, and say something else",
            details="\n".join(other),
            hint=f"ecluse supabase compose --folder {folder} --force",
            state="nothing was written",
        )
    for name, state in states.items():
        if state != "there already":
            _write(folder, name)
    told = {name: "written" if state != "there already" else state for name, state in states.items()}
    return Written(told, {name: port for name in _PORTS if _listens(port := _port(values, name))})


def _write(folder: Path, name: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content(name), encoding="utf-8")
    # Services read these under users of their own, whatever our umask is.
    file.chmod(0o644)
    if file.parent != folder:
        file.parent.chmod(0o755)


def content(name: str) -> str:
    """A file of the stack, as it is written."""
    return files("ecluse.supabase.stack").joinpath(name).read_text(encoding="utf-8")


def variables() -> dict[str, str]:
    """Every variable of `.env` that the stack reads, with its value where that is a setting and not a secret."""
    known = parse_env(content("env")).values
    read = re.findall(r"(?<!\$)\$\{([A-Z_0-9]+)", content("docker-compose.yml"))
    return {name: known.get(name, "") for name in read if not _MAY_LACK.search(name)}


def _require(values: Mapping[str, str], file: Path) -> None:
    needed = variables()
    absent = [name for name in needed if name not in values or (is_secret(name) and not values[name])]
    secrets = [name for name in absent if is_secret(name) and name != "SMTP_PASS"]
    if secrets:
        raise SettingsError(
            f"'{file}' has no {', '.join(secrets)}",
            details="`ecluse supabase keys rotate` makes keys anew; `keys new` makes all secrets of a new stack",
            hint=f"ecluse supabase keys new --folder {file.parent}",
            state="nothing was written",
        )
    settings = [name for name in absent if name not in values]
    if settings:
        lines = "\n".join(f"{name}={needed[name]}" for name in settings)
        raise SettingsError(f"'{file}' lacks settings", hint=lines, state="nothing was written")
    for name in _PORTS:
        _port(values, name, file)


def _port(values: Mapping[str, str], name: str, file: Path | None = None) -> int:
    text = values[name]
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise SettingsError(f"{name} in '{file}' is no port", hint=f"{name}={variables()[name]}")
    return int(text)


def _state(file: Path, wanted: str) -> str:
    try:
        return "there already" if file.read_text(encoding="utf-8") == wanted else "other"
    except FileNotFoundError:
        return "to write"
    except (OSError, UnicodeDecodeError):
        return "other"


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False

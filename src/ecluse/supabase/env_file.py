"""A `.env`: its lines as somebody wrote them, the values in them, and writing it so that only its owner can read it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ecluse.errors import SettingsError

# What is kept of a file that gave way to a new one: `.env.replaced-20260102T030405`.
REPLACED = ".replaced-"
_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*(?P<rest>.*)$")
_QUOTED = re.compile(r"""'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)\"""")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_PLAIN = re.compile(r"[\w./:@,+=-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The lines of a `.env`. Of a name that stands there twice, the last counts."""

    lines: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        """Every variable with its value, without quotes."""
        return {found["name"]: _value(found["rest"]) for line in self.lines if (found := _LINE.match(line))}

    def line_of(self, name: str) -> int:
        """The number of the line where the variable gets its value; 0 where it does not."""
        return max((n for n, line in enumerate(self.lines, 1) if _name(line) == name), default=0)

    def with_values(self, changed: Mapping[str, str]) -> EnvFile:
        """With these values: in their old places, and what is new at the end."""
        lines = [_line(name, changed[name]) if (name := _name(line)) in changed else line for line in self.lines]
        there = self.values
        return EnvFile((*lines, *(_line(name, value) for name, value in changed.items() if name not in there)))

    def without(self, names: set[str]) -> EnvFile:
        """Without the lines of these variables."""
        return EnvFile(tuple(line for line in self.lines if _name(line) not in names))

    @property
    def text(self) -> str:
        """The content of the file."""
        return "".join(f"{line}\n" for line in self.lines)


def parse_env(text: str) -> EnvFile:
    """What the text says."""
    # Not splitlines: Docker and shells know one end of a line, and a password may hold the others.
    return EnvFile(tuple(text.removesuffix("\n").split("\n")) if text else ())


def read_env(file: Path) -> EnvFile:
    """The file. Raises SettingsError where it is not there, or not text."""
    try:
        return parse_env(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"there is no '{file}'", hint="ecluse supabase keys new") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"'{file}' is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise SettingsError(f"'{file}' cannot be read", details=error.strerror or "") from error


def write_private(file: Path, text: str, *, new: bool = False) -> None:
    """Write the file whole or not at all, with mode 0600 from its first byte; `new` refuses one that is there."""
    beside = file.with_name(f".{file.name.lstrip('.')}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        if new:
            os.link(beside, file)
        else:
            beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _name(line: str) -> str:
    found = _LINE.match(line)
    return found["name"] if found else ""


def _value(rest: str) -> str:
    quoted = _QUOTED.match(rest)
    if quoted is None:
        return _COMMENT.sub("", rest).strip()
    if quoted["single"] is not None:
        return quoted["single"]
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], quoted["double"])


def _line(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    # Only between single quotes is every other character, `$` too, the same to shells, Docker and Node.
    if "'" in value or "\n" in value:
        raise SettingsError(f"{name} may not hold a quotation mark or a line break")
    return f"{name}='{value}'"

"""Where keys stand: in a `.env`, in the gateway's configuration, in a front end's settings, in its source."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jwt
import yaml

from ecluse.errors import SettingsError
from ecluse.supabase.env_file import REPLACED, parse_env
from ecluse.supabase.tokens import ANON, PUBLISHABLE, SECRET, SERVICE

Kind = Literal["stack", "gateway", "application"]
JWT_SECRET = "jwt_secret"
# Front ends build into their pages what begins like this.
PUBLIC = ("NEXT_PUBLIC_", "VITE_", "REACT_APP_", "EXPO_PUBLIC_", "NUXT_PUBLIC_", "GATSBY_", "PUBLIC_")
_TOKEN = r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*|sb_(?:publishable|secret)_[\w-]+"
_LITERAL = re.compile(_TOKEN, re.ASCII)
_NAMED = re.compile(r"(?P<name>[A-Za-z_][\w.]*)\W*$", re.ASCII)
_SECRETS = re.compile(r"(?:SUPABASE|GOTRUE|PGRST)_JWT_SECRET")
# Other services have publishable and secret keys too: without Supabase in its name, a key is one by what it says.
_KEYS = re.compile(
    r"\w*SUPABASE_(?:\w*_)?(?:(?:ANON|PUBLISHABLE|SECRET|SERVICE(?:_ROLE)?)(?:_API)?_KEY|SERVICE_ROLE|API_KEY|KEY)"
    r"|(?:\w*PUBLIC_|VITE_)?(?:ANON|SERVICE_ROLE)_KEY",
    re.I,
)
_SKIPPED = {"node_modules", "dist", "build", "venv", "__pycache__"}
_EXAMPLES = (".example", ".sample", ".template", ".dist", ".old")
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A value that somebody uses as a key. `wants` is the role by its name, JWT_SECRET, or empty where none is said."""

    kind: Kind
    file: str
    line: int
    name: str
    value: str
    wants: str = ""

    @property
    def public(self) -> bool:
        """Whether everybody who opens the page gets it."""
        return self.kind == "application" and self.name.startswith(PUBLIC)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.name}" if self.line else f"{self.file} {self.name}"


def wanted_role(name: str) -> str:
    """What a name promises: an anon key, a service_role key, the JWT secret, or nothing."""
    upper = name.upper()
    if _SECRETS.search(upper):
        return JWT_SECRET
    if "ANON" in upper or "PUBLISHABLE" in upper:
        return ANON
    if "SERVICE" in upper or "SECRET_KEY" in upper:
        return SERVICE
    return ANON if upper.startswith(PUBLIC) else ""


def places_in(file: Path, shown: str) -> list[Place]:
    """The keys in a file of any of these kinds. Raises SettingsError where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"there is no '{shown}'") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"'{shown}' is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise SettingsError(f"'{shown}' cannot be read", details=error.strerror or "") from error
    if file.suffix in (".yml", ".yaml") and (found := list(_of_gateway(text, shown))):
        return found
    return list(_of_env(text, shown) if file.name.startswith(".env") else _literals(text, shown))


def front_ends(folder: Path, stack: Path) -> Iterator[Path]:
    """The settings of applications in a folder and a few below it: every `.env` but examples and the stack's own."""
    for here, folders, files in os.walk(folder):
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED and depth < _DEPTH)
        for name in sorted(files):
            if name.startswith(".env") and not name.endswith(_EXAMPLES) and REPLACED not in name:
                file = Path(here, name)
                if file.resolve() != stack.resolve():
                    yield file


# --- by kind of file ----------------------------------------------------------------------------------


def _of_env(text: str, shown: str) -> Iterator[Place]:
    env = parse_env(text)
    for name, value in env.values.items():
        wants = wanted_role(name)
        # A backend may have a JWT secret or a service key that has nothing to do with Supabase.
        if _KEYS.fullmatch(name) or wants == JWT_SECRET or _of_supabase(value):
            yield Place("application", shown, env.line_of(name), name, value, wants)


def _of_gateway(text: str, shown: str) -> Iterator[Place]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise SettingsError(f"'{shown}' is not YAML{line}") from None
    for consumer in _listed(config, "consumers"):
        name = str(consumer.get("username", ""))
        for credential in _listed(consumer, "keyauth_credentials"):
            value = str(credential.get("key") or "")
            yield Place("gateway", shown, _line_of(text, value), f"key of {name}", value, wanted_role(name))


def _of_supabase(value: str) -> bool:
    """Whether a value is a key of some Supabase by what it says of itself."""
    if not _LITERAL.fullmatch(value) or value.startswith((PUBLISHABLE, SECRET)):
        return bool(_LITERAL.fullmatch(value))
    try:
        said = jwt.decode(value, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        return False
    return said.get("role") in (ANON, SERVICE) or str(said.get("iss", "")).startswith("supabase")


def _listed(value: Any, name: str) -> list[dict[str, Any]]:
    found = value.get(name) if isinstance(value, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _line_of(text: str, value: str) -> int:
    return next((n for n, line in enumerate(text.splitlines(), 1) if value and value in line), 0)


def _literals(text: str, shown: str) -> Iterator[Place]:
    for number, line in enumerate(text.splitlines(), 1):
        for found in filter(lambda literal: _of_supabase(literal[0]), _LITERAL.finditer(line)):
            named = _NAMED.search(line[: found.start()])
            name = named["name"] if named else "a key"
            yield Place("application", shown, number, name, found[0], wanted_role(name))

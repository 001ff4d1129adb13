"""The content of `ecluse.toml`: which databases there are, where the migrations lie, and where people are known."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ecluse.errors import SettingsError
from ecluse.model.identity import Holder, Identity, Source
from ecluse.redaction import redact

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}\Z")
_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_REPEATED = re.compile(r"\s*\[\[\s*([^\[\]]+?)\s*\]\]\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


class DatabaseSettings(BaseModel):
    """One `[databases.NAME]`. `postgres` and `postgres_bin` choose the server where the url is `embedded:NAME`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: Annotated[str, Field(min_length=1, repr=False)]
    protect: Annotated[bool, Field(strict=True)] = False
    postgres: Annotated[int, Field(strict=True)] = 18
    postgres_bin: str | None = None

    @field_validator("url")
    @classmethod
    def _known_form(cls, url: str) -> str:
        word, colon, rest = url.partition(":")
        if word == "embedded" and colon and not _NAME.match(rest):
            raise ValueError(f"'{rest}' cannot be the name of an embedded database")
        if word == "env" and colon and not re.fullmatch(r"[A-Za-z_]\w*", rest):
            raise ValueError(f"'{rest}' cannot be the name of a variable")
        if "=" not in url and not (colon and word in ("embedded", "env", "postgresql", "postgres")):
            forms = "embedded:NAME, env:VARIABLE, postgresql://..., or a libpq string such as service=NAME"
            # What was written may be a bare password, so it is not repeated.
            raise ValueError(f"this is no address of a database; the forms are {forms}")
        return url

    @field_validator("postgres")
    @classmethod
    def _known_version(cls, version: int) -> int:
        if version not in (16, 18):
            raise ValueError(f"there is no embedded PostgreSQL {version}; the versions are 16 and 18")
        return version

    @property
    def embedded_name(self) -> str | None:
        """NAME of `embedded:NAME`."""
        return self.url.removeprefix("embedded:") if self.url.startswith("embedded:") else None

    @property
    def variable(self) -> str | None:
        """VARIABLE of `env:VARIABLE`."""
        return self.url.removeprefix("env:") if self.url.startswith("env:") else None

    @property
    def shown_url(self) -> str:
        """The url without its password."""
        return redact(self.url)


class Settings(BaseModel):
    """All of `ecluse.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    databases: dict[str, DatabaseSettings] = {}
    migrations: Annotated[str, Field(min_length=1)] = "migrations"
    identity: Identity = Identity()

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, data: Any) -> Any:
        """`app = "embedded:app"` stands for `app = { url = "embedded:app" }`."""
        if not isinstance(data, dict) or not isinstance(data.get("databases"), dict):
            return data
        written = data["databases"].items()
        return data | {"databases": {k: {"url": v} if isinstance(v, str) else v for k, v in written}}

    @field_validator("databases")
    @classmethod
    def _plain_names(cls, databases: dict[str, DatabaseSettings]) -> dict[str, DatabaseSettings]:
        for name in databases:
            if not _NAME.match(name):
                raise ValueError(f"'{name}' cannot be the name of a database; use letters, digits, '-' and '_'")
        return databases

    @model_validator(mode="after")
    def _known_databases(self) -> Settings:
        for part in (*self.identity.source, *self.identity.column):
            if part.database not in self.databases:
                near = did_you_mean(part.database, self.databases)
                raise ValueError(f"'{part.database}', of {part.table} under [identity], is not a database{near}")
        return self


def parse_settings(text: str, file: str = "ecluse.toml") -> Settings:
    """Read the text of a settings file; every error names the file, and the line where it is known."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _malformed(text, file, str(error)) from None
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        # From None, and without the input: the text of the original error could hold a password.
        found = [_explain(dict(problem), text, file) for problem in error.errors(include_url=False)]
    raise SettingsError(found[0], details="\n".join(found[1:]), hint=_HINT)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no word is near."""
    close = nearest(word, known)
    return f"; did you mean '{close}'?" if close else ""


_HINT = '[databases]\napp = "env:DATABASE_URL"   # or "embedded:app", to try things out'
_KNOWN: dict[tuple[str, ...], tuple[str, ...]] = {
    (): tuple(Settings.model_fields),
    ("databases", "*"): tuple(DatabaseSettings.model_fields),
    ("identity",): tuple(Identity.model_fields),
    ("identity", "source", "*"): tuple(Source.model_fields),
    ("identity", "column", "*"): tuple(Holder.model_fields),
}


def _malformed(text: str, file: str, message: str) -> SettingsError:
    match = _POSITION.search(message)
    lines = text.splitlines() or [""]
    line, column = (int(match[1]), int(match[2])) if match else (len(lines), len(lines[-1]) + 1)
    reason = _POSITION.sub("", message).replace("(at end of document)", "at the end of the file").strip()
    return SettingsError(f"{PurePath(file).name} line {line}, column {column}: {_lower_first(reason)}", hint=_HINT)


def _explain(problem: dict[str, Any], text: str, file: str) -> str:
    path = tuple(str(part) for part in problem["loc"])
    line = line_of(text, path)
    place = PurePath(file).name + (f" line {line}: " if line else ": ")
    dotted = ".".join(path)
    match problem["type"]:
        case "extra_forbidden":
            known = next(known for inside, known in _KNOWN.items() if _within(path[:-1], inside))
            return f"{place}unknown key '{path[-1]}'{did_you_mean(path[-1], known)}"
        case "missing":
            return f"{place}'{'.'.join(path[:-1])}' has no '{path[-1]}'"
        case "value_error":
            return f"{place}{problem['ctx']['error']}"
        case "model_type":
            return f"{place}'{dotted}' must be the address of a database, or a table with its 'url'"
        case _:
            return f"{place}'{dotted}': {_lower_first(problem['msg'])}"


def _within(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(b in ("*", a) for a, b in zip(path, pattern, strict=True))


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line where a key is written, or the nearest key or table around it: tomllib does not tell positions."""
    best: tuple[int, int] | None = None  # (depth, line)
    table: tuple[str, ...] = ()
    repeated: Counter[tuple[str, ...]] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        again = _REPEATED.match(line)
        assignment = _ASSIGNMENT.match(line)
        if again:
            key = _split_key(again[1])
            here = table = (*key, str(repeated[key]))
            repeated[key] += 1
        elif header:
            here = table = _split_key(header[1])
        elif assignment:
            here = table + _split_key(assignment[1])
        else:
            continue
        if path[: len(here)] == here and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best[1] if best else None


def _split_key(key: str) -> tuple[str, ...]:
    return tuple(quoted1 or quoted2 or plain for quoted1, quoted2, plain in _KEY_PART.findall(key))


_KEY_PART = re.compile(r""""([^"]*)"|'([^']*)'|([\w-]+)""")

"""The files of `sql/`: steps, each with the question whether it is done already. Pure.

A step begins with `--: title`. `-- there:` is an SQL condition that holds where there is nothing left to do,
`-- needs:` a right of `rights.sql`; both follow from the title where that names a kind of thing, as `table auth.users`
does. What comes next is the SQL. A line that ends in `-- >= 16` or `-- < 16` is for servers of such versions only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ecluse.model.names import literal
from ecluse.postgres.sql import lines_for

AREAS = {
    "roles": ("roles",),
    "schemas": ("schemas",),
    "auth": (
        "auth_types",
        "auth_users",
        "auth_oauth",
        "auth_sessions",
        "auth_sso",
        "auth_functions",
        "auth_versions",
    ),
    "grants": ("grants",),
    "realtime": ("realtime",),
}
_STEP = re.compile(r"^--: (?P<title>.+)\n", re.M)
_HEAD = re.compile(r"-- (?P<word>there|needs): (?P<text>.*(?:\n-- {8}.*)*)\n")
_TAIL = re.compile(r"(?:\n|\n--[^\n]*)+\Z")
_IN_SCHEMA = "relnamespace = to_regnamespace({schema}) AND relname = {name}"
_THERE = {
    "role": "EXISTS (SELECT FROM pg_roles WHERE rolname = {name})",
    "schema": "to_regnamespace({name}) IS NOT NULL",
    "extension": "EXISTS (SELECT FROM pg_extension WHERE extname = {name})",
    "type": "EXISTS (SELECT FROM pg_type WHERE typnamespace = to_regnamespace({schema}) AND typname = {name})",
    "table": f"EXISTS (SELECT FROM pg_class WHERE {_IN_SCHEMA})",
    "function": "EXISTS (SELECT FROM pg_proc WHERE pronamespace = to_regnamespace({schema}) AND proname = {name} "
    "AND pronargs = 0)",
    "publication": "EXISTS (SELECT FROM pg_publication WHERE pubname = {name})",
}
_NEEDS = {
    "role": "create roles",
    "schema": "create in the database",
    "extension": "create in the database",
    "publication": "create in the database",
    "type": "create in auth",
    "table": "create in auth",
    "function": "create in auth",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to make. `there` is SQL; `kind` and `name` are empty where the title names no thing."""

    area: str
    title: str
    there: str
    needs: str
    sql: str
    kind: str = ""
    name: str = ""

    @property
    def offered(self) -> str:
        """The SQL condition under which the server has it to offer."""
        if self.kind != "extension":
            return "true"
        return f"EXISTS (SELECT FROM pg_available_extensions WHERE name = {literal(self.name)})"


@cache
def steps(major: int) -> tuple[Step, ...]:
    """Everything that a database is to have, in the order of making."""
    return tuple(step for area, names in AREAS.items() for name in names for step in _read(area, name, major))


@cache
def rights(major: int) -> tuple[Step, ...]:
    """The rights that steps need: `there` says whether they are held, `sql` how they are given."""
    return tuple(_read("rights", "rights", major))


def _read(area: str, file: str, major: int) -> list[Step]:
    text = lines_for(files("ecluse.supabase.sql").joinpath(f"{file}.sql").read_text(encoding="utf-8"), major) + "\n"
    _, *parts = _STEP.split(text)
    return [_step(area, title, body) for title, body in zip(parts[::2], parts[1::2], strict=True)]


def _step(area: str, title: str, body: str) -> Step:
    said = {}
    while head := _HEAD.match(body):
        said[head["word"]] = re.sub(r"^-- {8}", "", head["text"], flags=re.M)
        body = body[head.end() :]
    kind, _, name = title.partition(" ")
    if kind not in _THERE:
        kind = name = ""
    there = said.get("there") or _there(kind, name)
    return Step(area, title, there, said.get("needs") or _NEEDS.get(kind, ""), _TAIL.sub("", body), kind, name)


def _there(kind: str, name: str) -> str:
    schema, _, rest = name.removesuffix("()").rpartition(".")
    return _THERE[kind].format(schema=literal(schema), name=literal(rest))

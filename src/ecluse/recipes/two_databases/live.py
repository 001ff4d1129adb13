"""Profiles that stand there with ids of their own: each gets the id of its account, and what is not proved is held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from ecluse.model.catalog import Column, Table
from ecluse.model.names import ident
from ecluse.model.toml_text import strings
from ecluse.model.toml_text import table as toml_table
from ecluse.operations.definitions import column
from ecluse.planning.bring import definition
from ecluse.recipes.texts import text_of
from ecluse.recipes.two_databases.profiles import ACCOUNTS, COLUMNS, CONSTRAINTS, INDEXES, Profiles
from ecluse.recipes.two_databases.texts import text

Connection = psycopg.Connection[Any]
Evidence = Sequence[tuple[str, str | None, str]]  # profile, the account that its e-mail proves, else why none is

_IDS = frozenset({"id", "auth_user_id"})
FORMER = "profile_id"  # the id that a profile had before, for what else may name it, and for the way back


def profiles(table: Table) -> Profiles:
    """The table as it will be: what it has, what it lacks, and the former id.

    auth_user_id can no longer be another one than id; queries that ask for it go on working.
    """
    own = {c.name: definition(c) for c in table.columns}
    ids = {"id": COLUMNS["id"], "auth_user_id": "uuid generated always as (id) stored"}
    lacking = {name: text for name, text in COLUMNS.items() if name not in own}
    return Profiles(own | ids | lacking | {FORMER: "uuid not null default gen_random_uuid()"})


def evidence(conn: Connection) -> Evidence:
    """Look at the profiles of which their own word does not settle whose they are."""
    rows = conn.execute(text_of("ecluse.recipes.two_databases", "evidence.sql").encode()).fetchall()
    return [(str(profile), account, str(reason)) for profile, account, reason in rows]


def files(table: Table, found: Evidence) -> dict[str, str]:
    """The mapping, and as CSV the accounts that e-mails prove, and the profiles that are undecided."""
    kept = [name for name in table.written if name not in _IDS]
    lacking = {c.name: f"({c.default or 'null'})::{c.type}" for c in _lacking(table)}
    forward = [f"m.{ident(name)}" for name in kept]
    forward += [f"{value} as {ident(name)}" for name, value in lacking.items()]
    return {
        "forward/profiles.sql": text("people/forward.sql", columns=",\n".join(forward)),
        "forward/claims.sql": text("people/claims.sql"),
        "inverse/profiles.sql": text("people/inverse.sql", columns=",\n".join(f"n.{ident(name)}" for name in kept)),
        "accounts.csv": _csv("profile_id,account_id", (f"{p},{account}" for p, account, _ in found if account)),
        "undecided.csv": _csv("profile_id,reason", (f"{p},{reason}" for p, account, reason in found if not account)),
    }


def _csv(header: str, lines: Iterable[str]) -> str:
    return "\n".join([header, *lines]) + "\n"


def _lacking(table: Table) -> Iterator[Column]:
    have = {c.name for c in table.columns}
    made = (column(name, words) for name, words in COLUMNS.items() if name not in have)
    return (c for c in made if c.written)


def operation(table: Table) -> Iterator[str]:
    """The operation, in TOML."""
    carried = [
        t.name for t in table.triggers if "updated_at" not in t.function.name and not t.name.startswith("zz_ecluse")
    ]
    yield ""
    yield text("people/reshape.toml", triggers=strings(carried)).rstrip()
    yield ""
    yield _below("columns", profiles(table).columns)
    yield ""
    yield _below("constraints", _constraints(table))
    yield ""
    yield _below("indexes", _indexes(table))
    yield ""
    yield text("people/reshape_aside.toml").rstrip()


def _below(word: str, pairs: Mapping[str, str]) -> str:
    return toml_table(f"operation.new.{word}", pairs)


def _constraints(table: Table) -> dict[str, str]:
    own = {
        c.name: c.definition
        for c in table.constraints
        if c.kind in "ucxf" and not _IDS.intersection(c.columns) and c.references != ACCOUNTS
    }
    named = {name: words for name, words in CONSTRAINTS.items() if name != "users_email_key"}
    return named | {f"users_{FORMER}_key": f"unique ({FORMER})"} | own


def _indexes(table: Table) -> dict[str, str]:
    own = {
        i.name: ("unique " if i.unique else "") + i.tail
        for i in table.indexes
        if not i.constraint and not _IDS.intersection((*i.columns, *i.uses))
    }
    return dict(INDEXES) | own

"""The table that memories go into, and the table that says whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from ecluse.errors import MissingRights, NotInDatabase, PlanRefused
from ecluse.model import catalog as model
from ecluse.model.names import Name, ident
from ecluse.model.settings import did_you_mean
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Session
from ecluse.recipes.self_hosted_supabase.memories.rows import TEXTS, Column

_NOTHING = "nothing was changed"
_MAP = Name("public", "user_id_mapping")
_USERS = Name("public", "users")
_OLD, _NEW, _ID = "old_user_id", "supabase_user_id", "id"
_NEEDED = ("user_id", "query", "response", "created_at")
_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_TEXT = re.compile(r"text\Z|character varying(?:\((?P<limit>\d+)\))?\Z")
_MOMENT = re.compile(r"timestamp(?:\(6\))? with(?:out)? time zone\Z")


@dataclass(frozen=True, slots=True)
class People:
    """Where ids are known: `old` is what names of files are made of, `new` is what goes into `user_id`."""

    table: Name
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.table} ({self.old if self.old == self.new else f'{self.old} -> {self.new}'})"


@dataclass(frozen=True, slots=True)
class Target:
    """The table, as far as it concerns memories. `key` is its primary key, where that is one column."""

    table: Name
    user_type: str
    moment_type: str
    columns: Mapping[str, Column]
    key: str
    people: People

    @property
    def uuids(self) -> bool:
        """Whether people have UUIDs here: after a migration."""
        return self.user_type == "uuid"

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns of texts that are there, in the order of TEXTS."""
        return tuple(name for name in TEXTS if name in self.columns)


@dataclass(frozen=True, slots=True)
class Nobody:
    """A file that has no owner, and why."""

    reason: str


def find_target(session: Session, into: Name, people: Name | None) -> Target:
    """Read both tables. Raises NotInDatabase, MissingRights, or PlanRefused with all that does not fit."""
    wanted = people or _MAP
    catalog = read_catalog(session, sorted({into.schema, wanted.schema, _USERS.schema}), measure=False)
    table = _table(catalog, into, "--into")
    _refuse_unfit(table)
    user_type = _type(table, "user_id")
    known = people or (_MAP if user_type == "uuid" else _USERS if user_type in _INTEGERS else None)
    if known is None:
        raise PlanRefused(
            f"{into}.user_id is {user_type}, which does not tell whose ids it holds",
            hint="--people TABLE",
            state=_NOTHING,
        )
    chosen = _people(_table(catalog, known, "--people"), user_type)
    _require_rights(session, table.name, chosen)
    key = table.primary_key
    columns = {n: _column(found) for n in TEXTS if (found := table.column(n))}
    return Target(into, user_type, _type(table, "created_at"), columns, key[0] if len(key) == 1 else "", chosen)


def _table(catalog: model.Catalog, name: Name, option: str) -> model.Table:
    found = catalog.tables.get(name)
    if found is None:
        near = did_you_mean(str(name), map(str, catalog.tables))
        raise NotInDatabase(f"there is no table {name}{near}", hint=f"{option} TABLE", state=_NOTHING)
    return found


def _type(table: model.Table, name: str) -> str:
    column = table.column(name)
    assert column is not None
    return column.type


def _column(column: model.Column) -> Column:
    found = _TEXT.match(column.type)
    limit = found["limit"] if found else None
    return Column(int(limit) if limit else None, not column.not_null)


def _refuse_unfit(table: model.Table) -> None:
    wrong = [f"it has no column {name}" for name in _NEEDED if table.column(name) is None]
    if table.kind not in ("r", "p"):
        wrong.append("it is a foreign table")
    wrong += [f"{c.name} is {c.type}, {why}" for c in table.columns if (why := _misfit(c))]
    wrong += [
        f"{c.name} needs a value, and memories have none for it"
        for c in table.columns
        if c.name not in (*_NEEDED, *TEXTS) and c.not_null and c.default is None and not c.identity and not c.generated
    ]
    if wrong:
        raise PlanRefused(
            f"{table.name} is not a table that memories fit into",
            details="\n".join(wrong),
            hint="--into TABLE",
            state=_NOTHING,
        )


def _misfit(column: model.Column) -> str:
    if column.generated and column.name in (*_NEEDED, *TEXTS):
        return "and the server computes it"
    if column.name in TEXTS:
        return "" if _TEXT.match(column.type) else "not a text"
    if column.name == "created_at":
        return "" if _MOMENT.match(column.type) else "not a timestamp to the microsecond"
    if column.name == "user_id":
        known = column.type == "uuid" or column.type in _INTEGERS or _TEXT.match(column.type)
        return "" if known else "not an id"
    return ""


def _people(table: model.Table, user_type: str) -> People:
    """Which columns say whose a file is: an old and a new id, or one that is both."""
    names = {column.name for column in table.columns}
    if {_OLD, _NEW} <= names:
        return People(table.name, _OLD, _OLD if user_type in _INTEGERS else _NEW)
    if _ID in names and _family(_type(table, _ID)) == _family(user_type):
        return People(table.name, _ID, _ID)
    raise PlanRefused(
        f"{table.name} does not tell whose a file is",
        details=f"it has neither {_OLD} and {_NEW}, nor an id that is {user_type}",
        hint="--people TABLE",
        state=_NOTHING,
    )


def _family(kind: str) -> str:
    return "integer" if kind in _INTEGERS else "text" if _TEXT.match(kind) else kind


def _require_rights(session: Session, table: Name, people: People) -> None:
    needed = (("SELECT", table), ("INSERT", table), ("SELECT", people.table))
    missing = []
    for right, name in needed:
        row = session.execute("SELECT has_table_privilege(%s::text, %s)", (name.sql, right)).fetchone()
        if row != (True,):
            missing.append(f"{right} on {name}")
    if missing:
        raise MissingRights(
            f"this role lacks {len(missing)} rights that the import needs", details="\n".join(missing), state=_NOTHING
        )


def owners(session: Session, target: Target, digits: Iterable[str]) -> dict[str, str | Nobody]:
    """Whose each file is, by the digits of its name: the id for `user_id`, or why there is none. One pass over all."""
    people = target.people
    wanted = sorted(set(digits))
    hashed = f"pg_catalog.left(pg_catalog.md5({ident(people.old)}::text), 12)".replace("%", "%%")
    query = (
        f"SELECT {hashed}, {ident(people.new)}::text FROM {people.table.sql.replace('%', '%%')} "
        f"WHERE {hashed} = ANY(%s::text[])"
    )
    found: dict[str, set[str | None]] = {one: set() for one in wanted}
    for one, person in session.execute(query.encode(), (wanted,)):
        found[one].add(person)
    return {one: _owner(known, target) for one, known in found.items()}


def _owner(known: set[str | None], target: Target) -> str | Nobody:
    if not known:
        return Nobody("nobody has this id")
    if len(known) > 1:
        return Nobody(f"{len(known)} people have these digits, and nothing says which of them is meant")
    [person] = known
    if person is None:
        return Nobody(f"its person has no {target.people.new} yet")
    if not target.uuids:
        return person
    try:
        return str(UUID(person))
    except ValueError:
        return Nobody(f"the {target.people.new} of its person is not a UUID")

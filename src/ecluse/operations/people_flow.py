"""The flow of `import_users`: from the legacy table to accounts, identities, profiles and the map, and back. Pure.

Its anchor on the new side is the map, one row for a person who was carried. An account, an identity and a profile hang
on it where the person was created; of one who was matched, nothing is written and everything is kept aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from ecluse.model.catalog import Column, Constraint, Index, Table
from ecluse.model.flow import Flow, Follow, Member, Reject, Side
from ecluse.model.names import Name, ident, literal, short
from ecluse.operations.expressions import constant
from ecluse.operations.password_sql import carried, hash_kind, hash_text
from ecluse.operations.people_sql import HELD, REASONS, People
from ecluse.operations.rules import as_text, cast, col

ACCOUNTS, IDENTITIES = Name("auth", "users"), Name("auth", "identities")
NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
TOKENS = (
    "confirmation_token",
    "recovery_token",
    "email_change_token_new",
    "email_change",
    "email_change_token_current",
    "phone_change",
    "phone_change_token",
    "reauthentication_token",
)
# What supabase/auth reads into values that cannot be NULL, or looks people up by; it is of no person.
_FIXED_ACCOUNT = (
    ("instance_id", NOBODY),
    ("aud", "'authenticated'"),
    ("role", "'authenticated'"),
    *((token, "''") for token in TOKENS),
    ("updated_at", "created_at"),
)
_FIXED_IDENTITY = (("updated_at", "created_at"), ("last_sign_in_at", "created_at"))


@dataclass(frozen=True, slots=True)
class Aliases:
    """The placeholders of all that takes part."""

    old: str
    roster: str
    moment: str
    mapping: str
    aside: str
    account: str
    identity: str
    profile: str

    @property
    def at(self) -> str:
        """The time of the import, in SQL."""
        return f"(SELECT t.at FROM {{{{{self.moment}}}}} t)"


@dataclass(frozen=True, slots=True)
class Told:
    """An old column that the new shape tells.

    `now` is what it says, over `u` (the account) and `p` (the profile); `forward` gives the same from an old value, and
    `back` the old value from either.
    """

    now: str
    forward: Callable[[str], str]
    back: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Profile:
    """The table of profiles: its values over the old row `m` and its roster row `i`."""

    table: Table
    id: str
    values: Mapping[str, str]
    copies: Mapping[str, str] = field(default_factory=dict)  # old column -> its column here, of the same type
    joins: bool = False


@dataclass(frozen=True, slots=True)
class PeopleFlow:
    """Everything of one import, put together."""

    people: People
    table: Table
    alias: Aliases
    mapping: Table
    accounts: Table  # as they are in the database
    identities: Table
    profile: Profile | None
    silent: bool
    refuse: bool

    def flow(self) -> Flow:
        """The mapping in both directions."""
        key = self.people.id
        unit, part = as_text(col(key.name), key.type), cast("u.unit", key.type)
        mine = as_text(col("old_user_id"), key.type)
        news = [self._mapping(), self._aside(), self._account(), self._identity()]
        return Flow(
            self.alias.mapping,
            Side((self._old(),), unit=unit, find=f"{col(key.name)} = {part}"),
            Side((*news, *([self._profile(self.profile)] if self.profile else [])), unit=mine, find=_found(part)),
            follows=(Follow(self.alias.roster, self.alias.old, key.name),),
        )

    # --- forward ---------------------------------------------------------------------------------------

    def _from(self, only: str = "i.uid IS NOT NULL") -> str:
        return (
            f"FROM {{{{{self.alias.old}}}}} m JOIN {{{{{self.alias.roster}}}}} i "
            f"ON i.old_user_id = {col(self.people.id.name)} AND {only}"
        )

    def _made(self, values: Mapping[str, str]) -> str:
        items = ",\n  ".join(f"{value} AS {ident(name)}" for name, value in values.items())
        return f"SELECT {items}\n{self._from(CREATED_ONLY)}"

    def _mapping(self) -> Member:
        select = (
            f"SELECT i.old_user_id, i.uid AS supabase_user_id, i.email, i.outcome = 'matched' AS matched, "
            f"{self.alias.at} AS migrated_at\n{self._from()}"
        )
        logged = ("old_user_id", "supabase_user_id")
        return Member(self.alias.mapping, self.mapping, select, ("old_user_id",), role="new", logged=logged)

    def _account(self) -> Member:
        values = self.people.account(self.alias.at)
        return self._joining(self.alias.account, self.accounts, values, ("id",), "id", _FIXED_ACCOUNT)

    def _identity(self) -> Member:
        confirmed = self.people.account(self.alias.at)["created_at"]
        values = {
            "provider_id": "i.uid::text",
            "user_id": "i.uid",
            "provider": "'email'",
            "identity_data": f"jsonb_build_object('sub', i.uid::text, 'email', {self.people.address()}, "
            "'email_verified', true, 'phone_verified', false)",
            "created_at": confirmed,
        }
        key = ("provider_id", "provider")
        return self._joining(self.alias.identity, self.identities, values, key, "user_id", _FIXED_IDENTITY)

    def _profile(self, profile: Profile) -> Member:
        if profile.joins:
            return self._joining(self.alias.profile, profile.table, profile.values, (profile.id,), profile.id, ())
        select, key = self._made(profile.values), (profile.id,)
        join = _hangs(profile.id)
        return Member(self.alias.profile, profile.table, select, key, role="new", join=join, logged=key)

    def _joining(
        self,
        alias: str,
        real: Table,
        values: Mapping[str, str],
        key: tuple[str, ...],
        owner: str,
        fixed: tuple[tuple[str, str], ...],
    ) -> Member:
        found = [column for column in real.columns if column.name in values]
        columns = tuple(Column(c.name, c.type, not_null=c.name in key, collation=c.collation) for c in found)
        pkey = Constraint(short(f"ecluse_{alias}_pkey"), "p", f"PRIMARY KEY ({', '.join(map(ident, key))})", key)
        owned = () if owner in key else (_index(f"ecluse_{alias}_{owner}", owner),)
        staged = Table(real.name, columns, constraints=(pkey,), indexes=owned)
        return Member(
            alias=alias,
            table=staged,
            select=self._made({c.name: values[c.name] for c in found}),
            key=key,
            role="joins",
            join=_hangs(owner),
            logged=tuple(dict.fromkeys([*key, owner])),
            fixed=tuple((name, value) for name, value in fixed if real.column(name)),
            silent=self.silent,
        )

    # --- what the new shape cannot tell ------------------------------------------------------------------

    def _told(self) -> dict[str, Told]:
        people, at = self.people, self.alias.at
        told: dict[str, Told] = {}

        def tell(column: Column | None, now: str, forward: Callable[[str], str], back: Callable[[str], str]) -> None:
            if column is not None:
                told[column.name] = Told(now, forward, lambda text: f"({back(text)})::{column.type}")

        def same(text: str) -> str:
            return text

        tell(people.email, "u.email::text", people.normal, same)
        if people.password:
            empty = "coalesce({}, '')" if people.password.not_null else "{}"
            tell(people.password, "u.encrypted_password::text", _kept_hash, empty.format)
        for column, place in (
            (people.name, "u.raw_user_meta_data->>'full_name'"),
            (people.role, "u.raw_app_meta_data->>'role'"),
        ):
            tell(column, place, lambda text: f"({text})::text", same)
        tell(people.active, "(u.banned_until > now()) IS NOT TRUE", lambda text: f"({text}) IS NOT FALSE", same)

        def moment(column: Column | None, now: str, otherwise: str) -> None:
            if column is not None:
                there, here = partial(people.instant, column), partial(people.local, column)
                tell(column, now, lambda text: f"coalesce({there(text)}, {otherwise})", here)

        moment(people.created_at, "u.created_at", at)
        moment(people.last_sign_in_at, "u.last_sign_in_at", "NULL")
        for old, new in (self.profile.copies if self.profile else {}).items():
            if old not in told and old != people.id.name:
                told[old] = Told(col(new, "p"), same, same)
        return told

    def _aside(self) -> Member:
        key = self.people.id
        name = Name(self.mapping.name.schema, short(f"{self.mapping.name.name}__residue"))
        pkey = Constraint(short(f"{name.name}_pkey"), "p", "PRIMARY KEY (old_user_id)", ("old_user_id",))
        columns = (Column("old_user_id", key.type, not_null=True), Column("old", "jsonb", not_null=True))
        told = self._told()
        pieces, every = [], []
        for column in self._others():
            entry = f"jsonb_build_object({literal(column.name)}, {col(column.name)}::text)"
            every.append(entry)
            if column.name not in told:
                pieces.append(entry)
                continue
            there = told[column.name]
            # Of the hash what the account gets: the roster knows the format of nearly all.
            new = self.people.carried_hash() if column == self.people.password else there.forward(col(column.name))
            again = there.back(new)
            lost = f'({again})::text COLLATE "C" IS DISTINCT FROM {col(column.name)}::text COLLATE "C"'
            pieces.append(f"CASE WHEN {lost} THEN {entry} ELSE '{{}}' END")
        kept = f"CASE WHEN i.outcome = 'matched' THEN {_joined(every)} ELSE {_joined(pieces)} END"
        select = f"SELECT * FROM (SELECT i.old_user_id, {kept} AS old\n{self._from()}) k WHERE k.old <> '{{}}'"
        return Member(
            alias=self.alias.aside,
            table=Table(name, columns, constraints=(pkey,)),
            select=select,
            key=("old_user_id",),
            role="aside",
            join="m.old_user_id = a.old_user_id",
            logged=("old_user_id",),
        )

    def _others(self) -> list[Column]:
        return [c for c in self.table.columns if c.written and c.name != self.people.id.name]

    # --- back --------------------------------------------------------------------------------------------

    def _old(self) -> Member:
        told = self._told()
        items = [f"a.old_user_id AS {ident(self.people.id.name)}"]
        needed = ""
        for column in self._others():
            text = f"(r.old->>{literal(column.name)})::{column.type}"
            kept = f"r.old ? {literal(column.name)}"
            if column.name in told:
                there = told[column.name]
                unchanged = f"({there.forward(text)}) IS NOT DISTINCT FROM ({there.now})"
                back = there.back(there.now)
                if column.not_null:
                    filled = self._filled(column)
                    needed += "" if filled else f" AND ({there.now}) IS NOT NULL"
                    back = f"coalesce({back}, {filled})" if filled else back
                value = f"CASE WHEN {kept} AND (a.matched OR {unchanged}) THEN {text} ELSE {back} END"
            else:
                default = column.default if column.default and constant(column.default) else "NULL"
                value = f"CASE WHEN {kept} THEN {text} ELSE {default} END"
                if column.not_null and default == "NULL":
                    needed += " AND r.old IS NOT NULL"
            items.append(f"{value} AS {ident(column.name)}")
        select = (
            "SELECT " + ",\n  ".join(items) + f"\nFROM {{{{{self.alias.mapping}}}}} a\n"
            f"LEFT JOIN {{{{{self.alias.aside}}}}} r ON r.old_user_id = a.old_user_id\n"
            f"LEFT JOIN {{{{{self.alias.account}}}}} u ON u.id = a.supabase_user_id AND NOT a.matched\n"
        )
        if self.profile:
            own = f"p.{ident(self.profile.id)} = a.supabase_user_id AND NOT a.matched"
            select += f"LEFT JOIN {{{{{self.alias.profile}}}}} p ON {own}\n"
        select += f"WHERE (a.matched AND r.old IS NOT NULL) OR (u.id IS NOT NULL{needed})"
        return Member(
            alias=self.alias.old,
            table=self.table,
            select=select,
            key=(self.people.id.name,),
            logged=tuple(dict.fromkeys([self.people.id.name, self.people.email.name])),
            rejects=tuple(self._reject(reason) for reason in REASONS),
            held=self._held("true"),
        )

    def _filled(self, column: Column) -> str:
        """What stands in a column that cannot be empty where the new application emptied it; "" where nothing can."""
        if column.name == self.people.email.name:
            return ""
        if column.default and constant(column.default):
            return column.default
        if column.type.startswith(("timestamp", "date")):
            return f"{self.alias.at}::{column.type}"
        return f"''::{column.type}" if column.type.startswith(("text", "character varying")) else ""

    def _reject(self, reason: str) -> Reject:
        held = self._held(f"i.reason = {literal(reason)}")
        return Reject(held, reason, self.people.email.name, refuse=self.refuse)

    def _held(self, only: str) -> str:
        # `uid IS NULL` says nothing new: the roster has an index of these.
        return (
            f"EXISTS (SELECT FROM {{{{{self.alias.roster}}}}} i WHERE i.old_user_id = {col(self.people.id.name)} "
            f"AND i.uid IS NULL AND i.outcome = '{HELD}' AND {only})"
        )


CREATED_ONLY = "i.outcome = 'created'"


def _found(part: str) -> str:
    return f"{col('old_user_id')} = {part}"


def _hangs(owner: str) -> str:
    return f"{col(owner)} = a.supabase_user_id AND NOT a.matched"


def _kept_hash(text: str) -> str:
    return f"CASE WHEN {carried(hash_kind(text))} THEN {hash_text(text)} END"


def _joined(pieces: list[str]) -> str:
    return f"({' || '.join(pieces)})" if pieces else "'{}'::jsonb"


def _index(name: str, column: str) -> Index:
    return Index(short(name), False, f"USING btree ({ident(column)})", (column,), (column,))

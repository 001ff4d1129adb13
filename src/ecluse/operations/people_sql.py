"""Who is carried from a legacy table of users, and as whom: one SELECT that says it of every row.

It is the one place where that is decided. The engine fills its roster with it, the dry run counts it, and the import
through the auth service's API reads it too.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.model.catalog import Column
from ecluse.model.names import Name, literal
from ecluse.model.uuid_sql import derived_uuid, to_uuid
from ecluse.operations.password_sql import carried, hash_kind, hash_text
from ecluse.operations.rules import as_text, col

# The form that supabase/auth asks for: it refuses all others, and so could not find such a user again.
# How long a label of the domain may be is asked apart: to count characters is dear for the server.
_LABEL = "[a-z0-9]+(-+[a-z0-9]+)*"
_ADDRESS = rf"^[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(\.{_LABEL})*$"
_LONG_LABEL = "@.*[a-z0-9-]{64}"
_LONGEST = 255

NO_ADDRESS = "has no e-mail address"
NOT_VALID = "the e-mail address is not valid"
TWINS = "another user has this e-mail address"
TWO_ACCOUNTS = "several accounts of Supabase have this e-mail address"
GONE = "an account of Supabase with this e-mail address was deleted, and holds it still"
TAKEN = "the id is that of an account with another e-mail address"
ONE_UUID = "another user's id is the same UUID"
UNPROVED = "the account of Supabase with this e-mail address was never confirmed, so it may be anybody's"
REASONS = (NO_ADDRESS, NOT_VALID, TWINS, TWO_ACCOUNTS, GONE, UNPROVED, TAKEN, ONE_UUID)
"""Why a user is not carried, in the order in which they are asked."""

CREATED, MATCHED, HELD = "created", "matched", "quarantined"
"""What becomes of a user: a new account, the account that has this e-mail address already, or none."""

ROSTER = (
    ("uid", "uuid"),
    ("email", "text"),
    ("outcome", "text"),
    ("reason", "text"),
    ("password", "text"),
)
"""The columns that `People.roster` gives after `old_user_id`. `password`: the format, in the words of `hash_kind`."""

ACCOUNTS = (
    "SELECT a.id, a.email, count(*) OVER same AS known, bool_or(a.deleted) OVER same AS gone, "
    "bool_or(a.unconfirmed) OVER same AS unproved, row_number() OVER (same ORDER BY a.id) = 1 AS first\n"
    "FROM (SELECT u.id, u.deleted_at IS NOT NULL AS deleted, u.email_confirmed_at IS NULL AS unconfirmed, "
    "CASE WHEN u.is_sso_user IS NOT TRUE "
    'THEN lower(u.email) END COLLATE "C" AS email FROM auth.users u) a WINDOW same AS (PARTITION BY a.email)'
)
"""The accounts that are there already. E-mail is NULL where an account cannot be signed in to by it.

`known`: how many accounts have this e-mail address, `gone`: one of them was deleted, `unproved`: one was never
confirmed, so that whoever knows its password has not shown that the address is theirs; `first`: one of them.
"""

ACCOUNTS_COLUMNS = (
    ("id", "uuid"),
    ("email", 'text COLLATE "C"'),
    ("known", "bigint"),
    ("gone", "boolean"),
    ("unproved", "boolean"),
    ("first", "boolean"),
)
"""The columns of ACCOUNTS, and their types."""

STILL = (
    "r.outcome IS DISTINCT FROM 'matched' OR EXISTS (SELECT FROM auth.users u WHERE u.id = r.uid "
    "AND u.deleted_at IS NULL AND lower(u.email) = r.email)"
)
"""Whether the account that a row `r` of the roster names is still that of this user."""


@dataclass(frozen=True, slots=True)
class People:
    """A legacy table of users: which of its columns say what. `None` where it has no such column.

    `zone` is that of timestamps without one. All methods give SQL over `m`, a row of the table.
    """

    table: Name
    id: Column
    email: Column
    password: Column | None = None
    name: Column | None = None
    role: Column | None = None
    active: Column | None = None
    created_at: Column | None = None
    last_sign_in_at: Column | None = None
    zone: str = "UTC"

    # --- values --------------------------------------------------------------------------------------

    def address(self, alias: str = "m") -> str:
        """The e-mail address as Supabase stores it: lower case, without blanks around it. NULL where there is none."""
        return self.normal(col(self.email.name, alias))

    @staticmethod
    def normal(address: str) -> str:
        """Any address in that form."""
        return f"(lower(btrim(({address})::text, E' \\t\\r\\n') COLLATE \"C\"))"

    def own_id(self, alias: str = "m") -> str:
        """The UUID of a user who has no account yet: its id where that is one, else one made of table and id."""
        mine = col(self.id.name, alias)
        if self.id.type == "uuid":
            return mine
        made = derived_uuid(f"ecluse user {self.table}", f"{mine}::text")
        return f"coalesce({to_uuid(as_text(mine, self.id.type))}, {made})" if self.textual else made

    @property
    def textual(self) -> bool:
        """Whether ids are texts, so that two of them may be one UUID."""
        return self.id.type != "uuid" and self.id.type not in ("smallint", "integer", "bigint")

    @property
    def kin(self) -> tuple[str, ...]:
        """Expressions over `m`: where two users have one of them in common, what becomes of one depends on both."""
        return (self.address(), self.own_id()) if self.textual else (self.address(),)

    def hash(self, alias: str = "m") -> str:
        """The stored password as Supabase is given it."""
        return hash_text(col(self.password.name, alias)) if self.password else "NULL::text"

    def carried_hash(self) -> str:
        """What of the stored password is carried. The roster knows it of nearly all, so that it is not asked twice."""
        if self.password is None:
            return "NULL::text"
        mine = col(self.password.name)
        again = f"CASE WHEN {carried(hash_kind(mine))} THEN {self.hash()} END"
        return f"CASE WHEN {carried('i.password')} THEN {self.hash()} ELSE {again} END"

    def when(self, column: Column | None, alias: str = "m") -> str:
        """A moment of a column as timestamptz."""
        return self.instant(column, col(column.name, alias)) if column else "NULL::timestamptz"

    def instant(self, column: Column, value: str) -> str:
        """A value of that column's type as timestamptz."""
        return f"({value})" if _zoned(column) else f"(({value})::timestamp AT TIME ZONE {literal(self.zone)})"

    def local(self, column: Column, value: str) -> str:
        """A timestamptz as it stands in that column."""
        return f"({value})" if _zoned(column) else f"(({value}) AT TIME ZONE {literal(self.zone)})"

    def disabled(self, alias: str = "m") -> str:
        """Whether the user may not sign in; what is not known is no ban."""
        return f"({col(self.active.name, alias)} IS FALSE)" if self.active else "false"

    # --- who becomes whom ------------------------------------------------------------------------------

    def roster(self, source: str, accounts: str, only: str = "true") -> str:
        """A SELECT of `old_user_id` and the columns of ROSTER for the rows `m` of `source` for which `only` holds.

        `source` and `accounts` are relations; for the columns of accounts see ACCOUNTS. Of rows that have one of `kin`
        in common, `only` must take all or none.
        """
        return (
            "SELECT j.old_user_id, CASE WHEN j.reason IS NULL THEN coalesce(j.account, j.own) END AS uid, "
            "j.address AS email, "
            f"CASE WHEN j.reason IS NOT NULL THEN '{HELD}' WHEN j.account IS NULL THEN '{CREATED}' "
            f"ELSE '{MATCHED}' END AS outcome, j.reason, j.password\n"
            f"FROM (SELECT s.*, k.id AS account, CASE {self._reasons()} END AS reason\n"
            f"FROM (SELECT r.*, count(*) OVER (PARTITION BY r.address) AS sharing, "
            f"{'count(*) OVER (PARTITION BY r.own)' if self.textual else '1'} AS alike\n"
            f"FROM (SELECT {col(self.id.name)} AS old_user_id, {self.address()} AS address, {self.own_id()} AS own, "
            f"{self._kind()} AS password FROM {source} m WHERE {only}) r) s\n"
            f"LEFT JOIN {accounts} k ON k.email = s.address AND k.first\n"
            # OFFSET: so that what is said three times above is worked out once.
            f"LEFT JOIN {accounts} t ON t.id = s.own OFFSET 0) j"
        )

    def _kind(self) -> str:
        return hash_kind(col(self.password.name)) if self.password else "'none'"

    def _reasons(self) -> str:
        cases = (
            ("coalesce(s.address, '') = ''", NO_ADDRESS),
            (
                f"s.address !~ {literal(_ADDRESS)} OR length(s.address) > {_LONGEST} OR "
                f"(length(split_part(s.address, '@', 2)) > 63 AND s.address ~ {literal(_LONG_LABEL)})",
                NOT_VALID,
            ),
            ("s.sharing > 1", TWINS),
            ("k.known > 1", TWO_ACCOUNTS),
            ("k.gone", GONE),
            ("k.unproved", UNPROVED),
            # An account of this id and this address is the same person; one with another address is not.
            ("t.id IS NOT NULL AND t.email IS DISTINCT FROM s.address", TAKEN),
            ("s.alike > 1", ONE_UUID),
        )
        return " ".join(f"WHEN {condition} THEN {literal(reason)}" for condition, reason in cases)

    # --- the account ----------------------------------------------------------------------------------

    def account(self, moment: str) -> dict[str, str]:
        """The columns of `auth.users` that say something of a person, over `m` and its roster row `i`.

        `moment` is an SQL expression of the time of the import.
        """
        confirmed = f"coalesce({self.when(self.created_at)}, {moment})"
        return {
            "id": "i.uid",
            # Not as the roster has it: on the way home it is asked whether an address that was changed comes out again.
            "email": self.address(),
            "encrypted_password": self.carried_hash(),
            "email_confirmed_at": confirmed,
            "banned_until": f"CASE WHEN {self.disabled()} THEN {moment} + interval '100 years' END",
            "raw_app_meta_data": _object(
                "'provider', 'email', 'providers', jsonb_build_array('email')", "role", self.role
            ),
            "raw_user_meta_data": _object("'email_verified', true", "full_name", self.name),
            "created_at": confirmed,
            "last_sign_in_at": self.when(self.last_sign_in_at),
        }


def _object(always: str, key: str, column: Column | None) -> str:
    if column is None:
        return f"jsonb_build_object({always})"
    value = f"{col(column.name)}::text"
    given = f"jsonb_build_object({literal(key)}, {value})"
    return f"(jsonb_build_object({always}) || CASE WHEN {value} IS NULL THEN '{{}}'::jsonb ELSE {given} END)"


def _zoned(column: Column) -> bool:
    return column.type.startswith("timestamp") and column.type.endswith("with time zone")

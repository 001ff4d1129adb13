"""The users of a legacy database as one moment saw them: who becomes whom, and the table where that is written.

All in temporary tables of one session, so that a million users need no memory here, and no snapshot is held while
accounts are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ecluse.errors import MissingRights, PlanRefused
from ecluse.model.catalog import Catalog, Role
from ecluse.model.migration import Migration
from ecluse.model.names import Name, ident, literal
from ecluse.model.uuid_sql import to_uuid
from ecluse.operations.import_users import ImportUsers
from ecluse.operations.people_sql import CREATED, MATCHED, People
from ecluse.operations.rules import as_text, col
from ecluse.operations.work import Work
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Session
from ecluse.supabase.accounts import ACCOUNTS, LISTED
from ecluse.supabase.user_outcomes import Summary, UserOutcome, read_outcomes, summary

_NOTHING = "nothing was changed"
_ROSTER = "pg_temp.ecluse_roster"
_BODIES = "pg_temp.ecluse_bodies"
_COLUMNS = {"supabase_user_id": "uuid", "email": "text", "migrated_at": "timestamp with time zone"}


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user whose account is to be made. `n` is the place in the roster."""

    n: int
    uid: str
    email: str
    hash: str | None
    user_metadata: dict[str, Any]
    app_metadata: dict[str, Any]
    disabled: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a user: the roster's row is corrected where the service knew better."""

    n: int
    uid: str | None
    outcome: str
    reason: str | None = None


@dataclass
class Roster:
    """The people of one table, in a session of their database."""

    session: Session
    people: People
    mapping: Name
    rows: int = 0

    # --- before anything is made ------------------------------------------------------------------

    def check_mapping(self, catalog: Catalog) -> None:
        """Raise PlanRefused where something else has the name of the mapping, MissingRights where it cannot be made."""
        found = catalog.tables.get(self.mapping)
        if found is None:
            if self._mapping_is("relkind <> 'r'"):
                raise self._other("it is no table")
            if not self._is("has_schema_privilege(to_regnamespace(%s)::oid, 'CREATE')", ident(self.mapping.schema)):
                hint = f"GRANT CREATE ON SCHEMA {ident(self.mapping.schema)} TO current_user"
                why = f"'{self.mapping}' cannot be made: there is no such schema, or no right to make tables in it"
                raise MissingRights(why, hint=hint, state=_NOTHING)
            return
        wanted = {"old_user_id": self.people.id.type} | _COLUMNS
        has = {column.name: column.type for column in found.columns}
        if has != wanted:
            raise self._other(f"it has the columns {', '.join(f'{n} {t}' for n, t in has.items())}")
        keys = {constraint.columns for constraint in found.constraints if constraint.kind in ("p", "u")}
        if not keys >= {("old_user_id",), ("supabase_user_id",)}:
            raise self._other("old_user_id and supabase_user_id are not unique in it")

    def _other(self, why: str) -> PlanRefused:
        return PlanRefused(
            f"'{self.mapping}' is there already, and is not the table of who became whom: {why}",
            details=f"its columns would be old_user_id {self.people.id.type} PRIMARY KEY, "
            "supabase_user_id uuid UNIQUE, email text, migrated_at timestamptz",
            hint='rename it, or set another name in the migration: mapping = "public.another_name"',
            state=_NOTHING,
        )

    def take(self, *, bodies: bool) -> None:
        """Judge every user, at one moment; with `bodies`, keep what their new accounts are made of as well.

        Raises PlanRefused where a user has no id, or not one of its own, or is mapped to another account already.
        """
        mapped = self._mapping_is("relkind = 'r'")
        with self.session.transaction():
            self._run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self._run("SET LOCAL work_mem = '64MB'")
            self.rows = self._number(f"SELECT count(*) FROM {self.people.table.sql}")
            self._run(f"DROP TABLE IF EXISTS {_ROSTER}, {_BODIES}")
            self._run(self._roster())
            self._run("ALTER TABLE pg_temp.ecluse_roster ADD PRIMARY KEY (n)")
            self._check_ids()
            self._run(self._earlier(mapped))
            if bodies:
                self._run(self._bodies())
                self._run("ALTER TABLE pg_temp.ecluse_bodies ADD PRIMARY KEY (n)")
            self._run(f"ANALYZE {_ROSTER}")
            if mapped:
                self._check_mapped()

    def _roster(self) -> str:
        judged = self.people.roster(self.people.table.sql, ACCOUNTS)
        return (
            f"CREATE TEMP TABLE {_table(_ROSTER)} AS SELECT row_number() OVER (ORDER BY r.old_user_id) AS n, r.*, "
            f"r.outcome = '{MATCHED}' AS there FROM ({judged}) r"
        )

    def _earlier(self, mapped: bool) -> str:
        """An account with the very id that we would give is one that an earlier run made, and no match.

        Where ids are UUIDs already, it may have been there before us as well; before our first run it was.
        """
        own, text = self.people.own_id(), as_text(col(self.people.id.name), self.people.id.type)
        ours = "true" if mapped else f"{to_uuid(text)} IS DISTINCT FROM r.uid"
        return (
            f"UPDATE {_ROSTER} r SET outcome = '{CREATED}' FROM {self.people.table.sql} m "
            f"WHERE {col(self.people.id.name)} = r.old_user_id AND r.there AND r.uid = {own} AND {ours}"
        )

    def _bodies(self) -> str:
        account = self.people.account("now()")
        return (
            f"CREATE TEMP TABLE {_table(_BODIES)} AS SELECT i.n, i.uid::text AS uid, i.email, "
            f"{account['encrypted_password']} AS hash, "
            f"{account['raw_user_meta_data']} - 'email_verified' AS user_metadata, "
            f"{account['raw_app_meta_data']} - '{{provider,providers}}'::text[] AS app_metadata, "
            f"{self.people.disabled()} AS disabled "
            f"FROM {_ROSTER} i JOIN {self.people.table.sql} m ON {col(self.people.id.name)} = i.old_user_id "
            f"WHERE i.outcome = '{CREATED}' AND NOT i.there"
        )

    def _check_ids(self) -> None:
        none = self._number(f"SELECT count(*) FROM {_ROSTER} WHERE coalesce(old_user_id::text, '') = ''")
        twice = self._number(
            f"SELECT count(*) - count(DISTINCT old_user_id) FROM {_ROSTER} WHERE old_user_id IS NOT NULL"
        )
        if none or twice:
            raise PlanRefused(
                f"'{self.people.table}' has rows without an id ({none}), or with the id of another ({twice}): nobody "
                "could say who became whom",
                hint=f"is '{self.people.id.name}' the right column? In the migration: id = \"column\"",
                state=_NOTHING,
            )

    def _check_mapped(self) -> None:
        one = f"SELECT count(*) FROM {_ROSTER} r JOIN {self.mapping.sql} x"
        wrong = self._number(f"{one} ON x.old_user_id = r.old_user_id WHERE x.supabase_user_id <> r.uid")
        wrong += self._number(f"{one} ON x.supabase_user_id = r.uid WHERE x.old_user_id <> r.old_user_id")
        if wrong:
            raise PlanRefused(
                f"'{self.mapping}' has rows ({wrong}) of another account than that which has the e-mail address now",
                details="an account or a user was deleted, or changed the address, since the row was written",
                hint=f"look at them, and delete the rows of '{self.mapping}' that are wrong",
                state=_NOTHING,
            )

    # --- what is made -----------------------------------------------------------------------------

    def make_mapping(self) -> None:
        """Make the table of who became whom, where it is missing."""
        with self.session.transaction():
            # Two imports at once would both find it missing.
            self._run(f"SELECT pg_advisory_xact_lock(hashtext({literal(self.mapping.sql)}))")
            if self._mapping_is("relkind = 'r'"):
                return
            self._run(
                f"CREATE TABLE {self.mapping.sql} (old_user_id {self.people.id.type} PRIMARY KEY, "
                "supabase_user_id uuid NOT NULL UNIQUE, email text NOT NULL, "
                "migrated_at timestamptz NOT NULL DEFAULT now())"
            )
            # It holds e-mail addresses, and a Supabase gives these roles every new table.
            for role in ("anon", "authenticated"):
                if self._is("EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", role):
                    self._run(f"REVOKE ALL ON {self.mapping.sql} FROM {role}")

    def map_those_there(self) -> int:
        """Write down all users whose accounts are there; gives the number of new rows."""
        return self._map("r.there")

    def new_users(self, after: int, number: int) -> list[NewUser]:
        """The next users whose accounts are to be made."""
        sql = (
            "SELECT n, uid, email, hash, user_metadata, app_metadata, disabled "
            f"FROM {_BODIES} WHERE n > %s ORDER BY n LIMIT %s"
        )
        return [NewUser(*row) for row in self.session.execute(sql.encode(), (after, number))]

    def settle(self, settled: Sequence[Settled]) -> int:
        """Note what became of these users, and write down those whose accounts are there."""
        columns = [[getattr(each, name) for each in settled] for name in ("n", "uid", "outcome", "reason")]
        sql = (
            f"UPDATE {_ROSTER} r SET uid = s.uid, outcome = s.outcome, reason = s.reason "
            "FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::text[]) s (n, uid, outcome, reason) WHERE r.n = s.n"
        )
        with self.session.transaction():
            self.session.execute(sql.encode(), columns)
            return self._map("r.n = ANY (%s) AND r.uid IS NOT NULL", columns[0])

    def _map(self, which: str, *parameters: object) -> int:
        sql = (
            f"INSERT INTO {self.mapping.sql} (old_user_id, supabase_user_id, email) SELECT r.old_user_id, r.uid, "
            f"r.email FROM {_ROSTER} r WHERE {which} ON CONFLICT DO NOTHING"
        )
        return self.session.execute(sql.encode(), parameters).rowcount

    # --- what came of it --------------------------------------------------------------------------

    def summary(self) -> Summary:
        """All users by what becomes of them."""
        sql = (
            "SELECT outcome, password, reason, count(*)::int, count(*) FILTER (WHERE there)::int "
            f"FROM {_ROSTER} GROUP BY 1, 2, 3"
        )
        return summary(self.rows, self.session.execute(sql.encode()).fetchall())

    def outcomes(self) -> Iterator[UserOutcome]:
        """Every user, in the order of the ids."""
        return read_outcomes(self.session, f"{_ROSTER} ORDER BY n")

    def there(self) -> tuple[int, int]:
        """How many users are written down with their accounts, and how many should be."""
        joined = f"{_ROSTER} r LEFT JOIN {self.mapping.sql} x ON {_SAME}"
        sql = f"SELECT count(x.old_user_id), count(*) FROM {joined} WHERE r.outcome IN ('{CREATED}', '{MATCHED}')"
        row = self.session.execute(sql.encode()).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def without_account(self) -> int:
        """How many of those who are written down have no account of that id and e-mail address in LISTED."""
        return self._number(
            f"SELECT count(*) FROM {_ROSTER} r JOIN {self.mapping.sql} x ON {_SAME} "
            f"LEFT JOIN {LISTED} l ON l.id = x.supabase_user_id AND l.email = r.email WHERE l.id IS NULL"
        )

    def _mapping_is(self, condition: str) -> bool:
        # Not to_regclass, which may say from its cache that a table is missing that another session has just made.
        there = (
            f"EXISTS (SELECT FROM pg_class WHERE relname = %s AND relnamespace = to_regnamespace(%s) AND {condition})"
        )
        return self._is(there, self.mapping.name, ident(self.mapping.schema))

    # --- SQL --------------------------------------------------------------------------------------

    def _run(self, sql: str) -> None:
        self.session.execute(sql.encode())

    def _number(self, sql: str) -> int:
        row = self.session.execute(sql.encode()).fetchone()
        return int(row[0]) if row else 0

    def _is(self, condition: str, *parameters: str) -> bool:
        row = self.session.execute(f"SELECT {condition}".encode(), parameters).fetchone()
        return bool(row and row[0])


def roster_of(session: Session, migration: Migration, operation: ImportUsers) -> Roster:
    """The people that an operation means, in the database of this session. Raises what reading the file raises."""
    # Names are read before there is a catalogue, which needs their schemas.
    names = Work(migration, Catalog("", session.info.server_version, Role("", False, False)))
    table = names.name(operation, operation.table, "table")
    mapping = names.name(operation, operation.mapping, "mapping")
    catalog = read_catalog(session, sorted({table.schema, mapping.schema}), measure=False)
    _, people = operation.people(Work(migration, catalog))
    roster = Roster(session, people, mapping)
    roster.check_mapping(catalog)
    return roster


_SAME = "x.old_user_id = r.old_user_id AND x.supabase_user_id = r.uid"


def _table(name: str) -> str:
    return name.partition(".")[2]

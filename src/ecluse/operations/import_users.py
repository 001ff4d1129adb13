"""import_users: an application's own users become accounts of Supabase, each with an id and a line in the map."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from ecluse.model.catalog import Table
from ecluse.model.flow import ONLY, InputTable, Roster
from ecluse.model.migration import Settings
from ecluse.model.names import Name, ident
from ecluse.model.plan import Define
from ecluse.operations import people_probe, people_tally
from ecluse.operations.base import Operation
from ecluse.operations.expressions import constant
from ecluse.operations.inputs import input_name
from ecluse.operations.people import NAMES, recognise
from ecluse.operations.people_flow import ACCOUNTS, IDENTITIES, Aliases, PeopleFlow, Profile
from ecluse.operations.people_sql import ACCOUNTS as KNOWN
from ecluse.operations.people_sql import ACCOUNTS_COLUMNS as KNOWN_COLUMNS
from ecluse.operations.people_sql import ROSTER, STILL, People
from ecluse.operations.reshape_members import TableSpec, new_table
from ecluse.operations.work import Findings, Imported, Work, nearest

Said = str | Literal[False]
_ID = re.compile(r"(smallint|integer|bigint|uuid|text|(\w+\.)?citext|character varying(\(\d+\))?)\Z")


class ProfileSpec(Settings):
    """The table in which the new application keeps what it knows of a person."""

    table: str = Field(description="The table, `schema.name`: one that is there, or a new one.")
    id: str = Field(default="id", description="Its column with the id of the account.")
    values: dict[str, str] = Field(
        default={}, description="Its other columns, each an SQL expression over the user's old row `m`."
    )
    columns: dict[str, str] = Field(
        default={}, description="Of a new table: all its columns and their definitions, as in CREATE TABLE."
    )


class ImportUsers(Operation):
    """Make accounts of Supabase of the users in a table of the application's own.

    Each user becomes an account with an e-mail identity, or is mapped to the account that has the e-mail address
    already, whose password and profile stay as they are. Passwords that Supabase can verify go along: bcrypt, argon2i,
    argon2id and Firebase's scrypt. Who has any other is imported without one, and listed. Two users whose addresses
    differ only in case, and those without a valid one, go to quarantine.

    A valid UUID stays a user's id; any other id becomes the same UUID at each run. Which became which is written to a
    table that the application can read. Columns that hold old ids follow with `remap_ids`, where `users` names the
    table. Columns are found by their usual names; where one is not, it is named here, and `false` leaves it out.
    """

    kind: Literal["import_users"]
    table: str = Field(description="The table of users, `schema.name`. It leaves the application at the switch.")
    id: str = Field(default="", description="Its column with the id: an integer, a text or a uuid.")
    email: str = Field(default="", description="The e-mail address.")
    password: Said = Field(default="", description="The stored password.")
    name: Said = Field(default="", description="The name; goes to `raw_user_meta_data.full_name`.")
    role: Said = Field(default="", description="The role; goes to `raw_app_meta_data.role`.")
    active: Said = Field(default="", description="A boolean; who has false is banned for a century.")
    created_at: Said = Field(default="", description="Since when the user is there.")
    last_sign_in_at: Said = Field(default="", description="The last sign-in.")
    time_zone: str = Field(default="UTC", description="That of timestamps that have none.")
    mapping: str = Field(
        default="public.user_id_mapping",
        description="The table of `old_user_id`, `supabase_user_id`, `email` and `migrated_at` that is made.",
    )
    triggers: Literal["suppress", "fire"] = Field(
        default="suppress",
        description="Whether triggers of the application on `auth.users` fire for those who are imported.",
    )

    unfit: Literal["quarantine", "refuse"] = Field(
        default="quarantine",
        description="What happens to users who cannot be carried: they go to quarantine, and with them the rows that "
        "`remap_ids` finds to be theirs; or the plan refuses.",
    )
    profile: ProfileSpec | None = Field(default=None, description="The table of profiles, for those who are created.")

    def describe(self) -> str:
        return f"make accounts of Supabase of the users in {self.table}"

    def people(self, work: Work) -> tuple[Table, People]:
        """The table, and which of its columns say what. Raises NotInDatabase, MigrationFileError."""
        table = work.table(self, self.table, "table")
        said = {meaning: getattr(self, meaning) for meaning in NAMES}
        try:
            return table, recognise(table, said, self.time_zone)
        except KeyError as error:
            meaning = str(error.args[0])
            if said[meaning]:
                text = f"'{self.table}' has no column '{said[meaning]}' that could be '{meaning}'"
            else:
                text = f"'{self.table}' has no column that is called like '{meaning}'"
            like = nearest(str(said[meaning] or meaning), (column.name for column in table.columns))
            names = ", ".join(column.name for column in table.columns)
            raise work.wrong(self, text, meaning, hint=like or f"its columns are: {names}") from error

    def compile(self, work: Work) -> None:
        table, people = self.people(work)
        accounts, identities = (work.catalog.tables.get(name) for name in (ACCOUNTS, IDENTITIES))
        if accounts is None or identities is None:
            work.hazard(
                "no-supabase",
                "refuse",
                table.name,
                f"there are no accounts in '{work.migration.database}': {ACCOUNTS} is missing",
                f"ecluse supabase prepare {work.migration.database}",
            )
            return
        if self._hidden(work, accounts):
            return
        self._check(work, table, people, accounts)
        alias = self._aliases(work, table)
        self._import(work, table, people, alias)
        mapping, profile = self._mapping_table(work, table, people), self._profile(work, table, people)
        work.made |= {
            made.name: made for made in (mapping, *([profile.table] if profile and not profile.joins else []))
        }
        flow = PeopleFlow(
            people,
            table,
            alias,
            mapping,
            accounts,
            identities,
            profile,
            silent=self.triggers == "suppress",
            refuse=self.unfit == "refuse",
        ).flow()
        work.first.append(flow)
        title = f"accounts of the users in {table.name}"
        work.changes.append(Define(title, "", (), verify=people_probe.script(mapping.name)))

    # --- its parts -------------------------------------------------------------------------------------

    def _import(self, work: Work, table: Table, people: People, alias: Aliases) -> None:
        """Make known who is imported: to the run by a roster, to the plan by what it would be now."""
        roster, known = self._roster(work, people, alias)
        stored = input_name(work.migration.name, alias.moment)
        moment = InputTable(alias.moment, stored, (("at", "timestamptz"),), ("at",), (), query="SELECT now()")
        work.changes += [moment, known, roster]
        now = f"pg_temp.{ident(f'ecluse_{alias.roster}')}"
        work.imported[table.name] = Imported(people, alias.roster, now)
        work.setup += [f"CREATE TEMP TABLE {now} AS {people_tally.roster_now(people)}", f"ANALYZE {now}"]
        question = people_tally.question(table.name, now, refuse=self.unfit == "refuse")
        work.findings.append(Findings(table.name, question))

    def _hidden(self, work: Work, accounts: Table) -> bool:
        role = work.catalog.role
        if role.superuser or role.bypass_rls or accounts.owner in role.member_of:
            return False
        work.hazard(
            "accounts-hidden",
            "refuse",
            ACCOUNTS,
            f"role '{role.name}' sees no account: row level security is on for {ACCOUNTS}, which belongs to "
            f"{accounts.owner}",
            f"ALTER ROLE {ident(role.name)} BYPASSRLS, or connect as the role `postgres` of the Supabase",
        )
        return True

    def _check(self, work: Work, table: Table, people: People, accounts: Table) -> None:
        if not people.id.not_null or (people.id.name,) not in {c.columns for c in table.constraints if c.kind in "pu"}:
            work.hazard(
                "no-primary-key",
                "refuse",
                table.name,
                f"'{people.id.name}' of '{table.name}' is not its key, so its users cannot be told apart",
                f"ALTER TABLE {table.name.sql} ADD PRIMARY KEY (…)",
            )
        if not _ID.match(people.id.type):
            what = f"'{people.id.name}' of '{table.name}' is {people.id.type}: an id is an integer, a text or a uuid"
            work.hazard("id-type", "refuse", table.name, what)
        if work.imported:
            work.hazard(
                "imported-twice",
                "refuse",
                table.name,
                f"users of another table are imported by this migration as well as those of '{table.name}'",
                "make two migrations, and finish the first before the second",
            )
        for trigger in accounts.triggers:
            if "delete" in trigger.events and trigger.enabled in "OA":
                told = f"trigger {trigger.name} of {ACCOUNTS} fires where a rollback deletes accounts that were made"
                work.hazard("account-trigger", "note", ACCOUNTS, told)
            if "insert" in trigger.events and trigger.enabled in "OA":
                fires = "fires for each user who is imported" if self.triggers == "fire" else "does not fire for them"
                level = "warn" if self.triggers == "fire" else "note"
                work.hazard("account-trigger", level, ACCOUNTS, f"trigger {trigger.name} of {ACCOUNTS} {fires}")
        self._tell_columns(work, table, people)
        if people.password is None:
            work.hazard(
                "no-passwords",
                "warn",
                table.name,
                f"'{table.name}' has no column that is called like a password: every user will need a new one",
                'password = "column"',
            )

    def _tell_columns(self, work: Work, table: Table, people: People) -> None:
        taken = {meaning: column.name for meaning in NAMES if (column := getattr(people, meaning))}
        said = ", ".join(meaning if meaning == name else f"{meaning} is '{name}'" for meaning, name in taken.items())
        copied = {self._copied(table, text) for text in (self.profile.values.values() if self.profile else ())}
        rest = [c.name for c in table.columns if c.name not in {*taken.values(), *copied}]
        left = f"; in the archive only: {', '.join(rest)}" if rest else ""
        work.hazard("users-columns", "note", table.name, f"columns of {table.name}: {said}{left}")

    def _aliases(self, work: Work, table: Table) -> Aliases:
        base = table.name.name
        names = ("old", "roster", "moment", "mapping", "residue", "account", "identity", "profile")
        return Aliases(*(work.alias(f"{base}_{name}") for name in names))

    def _roster(self, work: Work, people: People, alias: Aliases) -> tuple[Roster, InputTable]:
        accounts = work.alias(f"{alias.account}_known")
        known = InputTable(
            accounts,
            input_name(work.migration.name, accounts),
            KNOWN_COLUMNS,
            ("id",),
            (),
            query=KNOWN,
            indexed=("email",),
        )
        select = people.roster(f"{{{{{alias.old}}}}}", f"{{{{{accounts}}}}}", f"{{{{{ONLY}}}}}")
        roster = Roster(
            alias.roster,
            input_name(work.migration.name, alias.roster),
            alias.old,
            people.id.name,
            ("old_user_id", people.id.type),
            ROSTER,
            select,
            people.kin,
            given=accounts,
            still=STILL,
        )
        return roster, known

    def _mapping_table(self, work: Work, table: Table, people: People) -> Table:
        name = work.name(self, self.mapping, "mapping")
        base = name.name
        spec = TableSpec(
            table=self.mapping,
            columns={
                "old_user_id": f"{people.id.type} not null",
                "supabase_user_id": "uuid not null",
                "email": "text not null",
                "matched": "boolean not null default false",
                "migrated_at": "timestamptz not null default now()",
            },
            constraints={
                f"{base}_pkey": "primary key (old_user_id)",
                f"{base}_supabase_user_id_key": "unique (supabase_user_id)",
                f"{base}_supabase_user_id_fkey": "foreign key (supabase_user_id) references auth.users (id) "
                "on delete cascade",
            },
            indexes={f"{base}_email_idx": "(email)"},
            comment="Which account each user of the old application is. Matched: the account was there before.",
            column_comments={"migrated_at": "When the migration began."},
            rls=True,
        )
        return new_table(work, self, spec, table)

    def _profile(self, work: Work, table: Table, people: People) -> Profile | None:
        spec = self.profile
        if spec is None:
            return None
        where = ("profile",)
        name = work.name(self, spec.table, *where, "table")
        there = work.catalog.tables.get(name)
        if there is not None and spec.columns:
            raise work.wrong(self, f"table '{name}' is there already, so it has columns", *where, "columns")
        if there is None:
            if spec.id not in spec.columns:
                hint = f'columns = {{ {spec.id} = "uuid not null", … }}'
                raise work.wrong(self, f"there is no table '{name}', so it needs 'columns'", *where, "table", hint=hint)
            there = self._new_profiles(work, table, spec, name)
        values, copies = {spec.id: "i.uid"}, {}
        for column, text in spec.values.items():
            work.column(self, there, column, *where, "values")
            values[column] = work.mapping(self, text, [c.name for c in table.columns], *where, "values", column)
            copied = self._copied(table, text)
            if copied and table.column(copied).type == there.column(column).type:  # type: ignore[union-attr]
                copies[copied] = column
        joins = name in work.catalog.tables
        if not joins:
            values |= self._unsaid(work, there, values)
        return Profile(there, spec.id, values, copies, joins)

    def _unsaid(self, work: Work, new: Table, said: Mapping[str, str]) -> dict[str, str]:
        """What columns of a new table get that have no value: their default, where that says the same each time."""
        values = {}
        for column in new.columns:
            if column.name in said or not column.written:
                continue
            default = column.default or "NULL"
            if (column.default is None and column.not_null) or (column.default and not constant(column.default)):
                text = f"column '{column.name}' of '{new.name}' needs a value for users who are there already"
                where = ("profile", "columns", column.name)
                raise work.wrong(self, text, *where, hint=f'values = {{ {column.name} = "…" }}')
            values[column.name] = f"({default})::{column.type}"
        return values

    def _copied(self, table: Table, text: str) -> str:
        """The column that an expression is, where it is one and nothing else."""
        said = text.strip().removeprefix("m.").strip('"')
        return said if table.column(said) is not None else ""

    def _new_profiles(self, work: Work, table: Table, spec: ProfileSpec, name: Name) -> Table:
        made = TableSpec(
            table=spec.table,
            columns=spec.columns,
            constraints={
                f"{name.name}_pkey": f"primary key ({spec.id})",
                f"{name.name}_{spec.id}_fkey": f"foreign key ({spec.id}) references auth.users (id) on delete cascade",
            },
            rls=True,
        )
        return new_table(work, self, made, table, "profile")

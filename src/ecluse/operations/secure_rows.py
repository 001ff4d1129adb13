"""secure_rows: who may see and change which rows of a table, said as data."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Table
from ecluse.model.migration import Settings
from ecluse.model.names import Name
from ecluse.model.plan import Define, SqlChange
from ecluse.operations import row_counts, row_policies, row_probes
from ecluse.operations.base import Operation
from ecluse.operations.row_policies import COMMANDS, ROLES, Rights
from ecluse.operations.work import RowCounts, Work

Command = Literal["select", "insert", "update", "delete"]
_TEXTS = ("text", "character varying")


class AdminSpec(Settings):
    """Who is an admin, by a claim of the token that a user cannot write himself."""

    claim: str = Field(description="The path in the token, as in `app_metadata.role`.")
    values: tuple[str, ...] = Field(min_length=1, description="The claim's values of an admin.")
    may: tuple[Command, ...] = Field(default=("select",), description="What an admin may do with every row.")

    @model_validator(mode="after")
    def _not_self_made(self) -> AdminSpec:
        if self.claim.split(".")[0] in ("user_metadata", "raw_user_meta_data"):
            raise ValueError(f"'{self.claim}' is written by users themselves; use a claim below app_metadata")
        return self


class SecureRows(Operation):
    """Turn row level security on for a table, and say who may do what.

    All policies that the table has are replaced, and its rights for PUBLIC, anon, authenticated and service_role; a
    rollback puts both back. After the switch, and in `ecluse verify`, probes become each role and count what they
    reach.
    """

    kind: Literal["secure_rows"]
    table: str = Field(
        description="The table, `schema.name`. It is secured in place; one that operations above replace or make is "
        "secured as they leave it."
    )
    owner: str = Field(description="The column that holds whose row it is: what `auth.uid()` gives, as uuid or text.")
    owner_may: tuple[Command, ...] = Field(default=("select",), description="What users may do with their own rows.")
    authenticated_may: tuple[Command, ...] = Field(
        default=(), description="What everybody who is signed in may do with every row."
    )
    anon_may: tuple[Command, ...] = Field(default=(), description="What everybody may do with every row.")
    admin: AdminSpec | None = Field(default=None, description="Admins: `claim`, `values`, `may`.")
    guarded: tuple[str, ...] = Field(
        default=(), description="Columns that only service_role may write, as role and plan of a user."
    )

    def describe(self) -> str:
        return f"secure the rows of {self.table}"

    def compile(self, work: Work) -> None:
        becoming = work.becoming(self, self.table, "table")
        table, before = becoming.table, becoming.before
        rights = self._rights(work, table)
        self._require_supabase(work, table)
        self._tell(work, rights)
        title = f"rows of {table.name}"
        if before is not None and before.column(self.owner) == table.column(self.owner):
            work.row_counts.append(RowCounts(table.name, row_counts.script(rights)))
        up, down = row_policies.up(rights), row_policies.down(rights) if becoming.stays else ""
        work.changes.append(SqlChange(title, up, down, tables=(before,) if before else ()))
        work.changes.append(Define(f"{title}, as each role", "", (), verify=row_probes.script(rights)))

    def _rights(self, work: Work, table: Table) -> Rights:
        column = work.column(self, table, self.owner, "owner")
        if column.type != "uuid" and not column.type.startswith(_TEXTS):
            raise work.wrong(self, f"'{self.owner}' is {column.type}; an owner is a uuid or a text", "owner")
        for position, name in enumerate(self.guarded):
            work.column(self, table, name, "guarded", position)
        may: dict[str, tuple[str, ...]] = {
            "owner": self.owner_may,
            "authenticated": self.authenticated_may,
            "anon": self.anon_may,
        }
        rights = Rights(table, self.owner, may, self.guarded)
        if self.admin is not None:
            claim = tuple(self.admin.claim.split("."))
            rights = replace(rights, may=may | {"admin": self.admin.may}, claim=claim, values=self.admin.values)
        if not rights.open_columns:
            raise work.wrong(self, "every column is guarded, so nobody could write a row", "guarded")
        return rights

    def _require_supabase(self, work: Work, table: Table) -> None:
        functions = {function.name for function in work.catalog.functions}
        missing = [n for n in ("uid", "jwt") if Name("auth", n) not in functions]
        roles = [role for role in ROLES if role not in work.catalog.role.member_of]
        if missing or roles:
            things = ", ".join([*(f"auth.{n}()" for n in missing), *(f"role {role}" for role in roles)])
            work.hazard(
                "no-supabase",
                "refuse",
                table.name,
                f"'{table.name}' cannot be secured: missing, or not ours to become: {things}",
                f"ecluse supabase prepare {work.migration.database}",
            )
        if table.kind != "r":
            work.hazard("not-a-table", "refuse", table.name, f"'{table.name}' is not an ordinary table")

    def _tell(self, work: Work, rights: Rights) -> None:
        table = rights.table
        for policy in table.policies:
            work.hazard(
                "policy-replaced",
                "note",
                table.name,
                f"policy '{policy.name}' on {table.name} is replaced; a rollback puts it back",
            )
        for role in ("anon", "authenticated"):
            work.hazard(
                "rights-change",
                "note",
                table.name,
                f"{role} on {table.name}: {_before(table, role)} before; {_after(rights, role)} after",
            )


def _before(table: Table, role: str) -> str:
    held = {g.privilege.lower() for g in table.grants if g.grantee in ("", role)}
    able = [command for command in COMMANDS if command in held]
    if not able:
        return "nothing"
    if not table.rls:
        return f"{', '.join(able)} of every row"
    reached = [p for p in table.policies if p.permissive and {"public", role} & set(p.roles)]
    named = ", ".join(f"'{p.name}'" for p in reached)
    return f"{', '.join(able)} by {named}" if named else "no row"


def _after(rights: Rights, role: str) -> str:
    people = ("anon",) if role == "anon" else ("authenticated", "owner", "admin")
    words = {"owner": "of their own rows", "admin": "of every row as an admin"}
    parts = [
        f"{', '.join(rights.may[person])} {words.get(person, 'of every row')}"
        for person in people
        if rights.may.get(person)
    ]
    return "; ".join(parts) or "nothing"

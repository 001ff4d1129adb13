"""Who may do what with the rows of a table, as values, and the SQL that makes and unmakes it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.model.catalog import Policy, Table
from ecluse.model.names import Name, ident, literal, short

COMMANDS = ("select", "insert", "update", "delete")
ROLES = ("anon", "authenticated", "service_role")
_EVERYBODY = ("", *ROLES)


@dataclass(frozen=True, slots=True)
class Rights:
    """Who may do what. `may` has the classes of people: anon, authenticated (everybody who is signed in), owner, admin.

    `claim` is the path in the token and `values` what it must be there for an admin.
    """

    table: Table
    owner: str
    may: dict[str, tuple[str, ...]]
    guarded: tuple[str, ...] = ()
    claim: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def owner_text(self) -> bool:
        """Whether the owner's id is kept as a text."""
        column = self.table.column(self.owner)
        return column is not None and column.type != "uuid"

    def condition(self, person: str) -> str:
        """The rows that a class of people is let to. A subselect is evaluated once for a query, not for each row."""
        if person == "owner":
            uid = "(SELECT auth.uid())" + ("::text" if self.owner_text else "")
            return f"{ident(self.owner)} = {uid}"
        if person == "admin":
            path = ", ".join(map(literal, self.claim))
            allowed = ", ".join(map(literal, self.values))
            return f"((SELECT auth.jwt()) #>> ARRAY[{path}]) IN ({allowed})"
        return "true"

    def commands(self, role: str) -> tuple[str, ...]:
        """What a database role needs rights for: owners and admins are `authenticated` to the database."""
        people = ("authenticated", "owner", "admin") if role == "authenticated" else (role,)
        return tuple(c for c in COMMANDS if any(c in self.may.get(person, ()) for person in people))

    @property
    def open_columns(self) -> tuple[str, ...]:
        """The columns that people may write."""
        return tuple(name for name in self.table.written if name not in self.guarded)


def policies(rights: Rights) -> Iterator[Policy]:
    """One for each command of each class of people. None reads its own table, so none can recurse."""
    for person, commands in rights.may.items():
        role = "anon" if person == "anon" else "authenticated"
        condition = rights.condition(person)
        for command in COMMANDS:
            if command in commands:
                yield Policy(
                    short(f"{rights.table.name.name}: {person} {command}"),
                    command.upper(),
                    True,
                    (role,),
                    using=None if command == "insert" else condition,
                    check=condition if command in ("insert", "update") else None,
                )


def up(rights: Rights) -> str:
    """The script that makes it so, whatever stood there before. May be run twice."""
    table, name = rights.table, rights.table.name.sql
    made = tuple(policies(rights))
    lines = [f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"]
    lines += [_drop(policy, table.name) for policy in {p.name: p for p in (*table.policies, *made)}.values()]
    lines += [_create(policy, table.name) for policy in made]
    lines.append(f"REVOKE ALL ON {name} FROM PUBLIC, {_listed(ROLES)}")
    lines.append(f"GRANT ALL ON {name} TO {ident('service_role')}")
    columns = f" ({_listed(rights.open_columns)})"
    for role in ("anon", "authenticated"):
        for command in rights.commands(role):
            which = columns if command in ("insert", "update") else ""
            lines.append(f"GRANT {command.upper()}{which} ON {name} TO {ident(role)}")
    return ";\n".join(lines)


def down(rights: Rights) -> str:
    """The script that puts flag, policies and rights back as the catalog has them."""
    table, name = rights.table, rights.table.name.sql
    lines = [_drop(policy, table.name) for policy in policies(rights)]
    for policy in table.policies:
        lines += [_drop(policy, table.name), _create(policy, table.name)]
        if policy.comment is not None:
            lines.append(f"COMMENT ON POLICY {ident(policy.name)} ON {name} IS {literal(policy.comment)}")
    if not table.rls:
        lines.append(f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY")
    lines.append(f"REVOKE ALL ON {name} FROM PUBLIC, {_listed(ROLES)}")
    for grant in table.grants:
        if grant.privilege and grant.grantee in _EVERYBODY:
            column = f" ({ident(grant.column)})" if grant.column else ""
            to = ident(grant.grantee) if grant.grantee else "PUBLIC"
            tail = " WITH GRANT OPTION" if grant.grantable else ""
            lines.append(f"GRANT {grant.privilege}{column} ON {name} TO {to}{tail}")
    return ";\n".join(lines)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(ident, names))


def _drop(policy: Policy, table: Name) -> str:
    return f"DROP POLICY IF EXISTS {ident(policy.name)} ON {table.sql}"


def _create(policy: Policy, table: Name) -> str:
    roles = ", ".join("PUBLIC" if role == "public" else ident(role) for role in policy.roles)
    kind = "PERMISSIVE" if policy.permissive else "RESTRICTIVE"
    text = f"CREATE POLICY {ident(policy.name)} ON {table.sql} AS {kind} FOR {policy.command} TO {roles}"
    text += f" USING ({policy.using})" if policy.using is not None else ""
    return text + (f" WITH CHECK ({policy.check})" if policy.check is not None else "")

"""Invitations that move from the application to people: which column becomes which, and who may see what arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ecluse.model.catalog import Policy, Table
from ecluse.model.toml_text import string, strings
from ecluse.model.toml_text import table as toml_table
from ecluse.operations import row_policies, row_probes
from ecluse.operations.definitions import column
from ecluse.operations.row_policies import COMMANDS, Rights
from ecluse.recipes.two_databases.profiles import ADMIN, ADMINS
from ecluse.recipes.two_databases.recognise import INVITATIONS
from ecluse.recipes.two_databases.texts import text

COLUMNS: Mapping[str, str] = {
    "id": "uuid not null default gen_random_uuid()",
    "email": "text not null",
    "inviter_email": "text not null",
    "inviter_name": "text",
    "inviter_user_id": "uuid",
    "personal_message": "text",
    "language": "text",
    "status": "text default 'pending'",
    "invited_at": "timestamptz default now()",
    "accepted_at": "timestamptz",
    "superseded_at": "timestamptz",
    "is_resend": "boolean default false",
    "accepted_user_id": "uuid",
    "metadata": "jsonb not null default '{}'",
}
CONSTRAINTS: Mapping[str, str] = {"invitations_pkey": "primary key (id)"}
INDEXES: Mapping[str, str] = {
    "idx_invitations_email": "(lower(email))",
    "idx_invitations_inviter_email": "(inviter_email)",
    "idx_invitations_inviter_user_id": "(inviter_user_id)",
    "idx_invitations_status": "(status)",
    "idx_invitations_token": "unique ((metadata ->> 'token'))",
}
_REST = "metadata"
_FROM = {"email": "invited_email", "invited_at": "created_at"}
_ABSENT = {"is_resend": "false", "status": "'pending'"}


def rights() -> Rights:
    """Who invited, by id, sees the invitation: an e-mail may be two people's. All else is service_role's."""
    table = Table(INVITATIONS, tuple(column(name, words) for name, words in COLUMNS.items()))
    return Rights(table, "inviter_user_id", {"owner": ("select",), "admin": ("select",)}, (), ADMIN, ADMINS)


def values(source: Table) -> dict[str, str]:
    """Each column that is not the old one of the same name, and its expression over the old row."""
    have = {c.name for c in source.columns}
    found = {}
    for name in COLUMNS:
        old = _FROM.get(name, name)
        if name != _REST and (old not in have or old != name):
            found[name] = old if old in have else _ABSENT.get(name, "null")
    return found


def files() -> dict[str, str]:
    """The probes of the rights."""
    return {"define/invitation_rows.sql": row_probes.script(rights()) + ";\n"}


def operations(source: Table, app: str) -> Iterator[str]:
    """The operations, in TOML."""
    granted = {"service_role": COMMANDS} | {r: rights().commands(r) for r in ("anon", "authenticated")}
    yield text("people/invitations.toml", app=string(app), rest=string(_REST), grants=_inline(granted)).rstrip()
    for word, pairs in {
        "columns": COLUMNS,
        "constraints": CONSTRAINTS,
        "indexes": INDEXES,
        "values": values(source),
        "policies": {policy.name: _as_written(policy) for policy in row_policies.policies(rights())},
    }.items():
        yield ""
        yield toml_table(f"operation.{word}", pairs)
    yield ""
    yield text("people/invitation_rows.toml").rstrip()


def _inline(granted: Mapping[str, Sequence[str]]) -> str:
    given = (f"{role} = {strings(commands)}" for role, commands in granted.items() if commands)
    return f"{{ {', '.join(given)} }}"


def _as_written(policy: Policy) -> str:
    """What follows ON table."""
    return f"for {policy.command.lower()} to {', '.join(policy.roles)} using ({policy.using})"

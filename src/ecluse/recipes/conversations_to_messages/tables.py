"""The new tables: what `CREATE TABLE` and its companions would say, as entries of a migration file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecluse.model.catalog import Catalog, Policy, Table
from ecluse.model.names import Name, ident
from ecluse.operations.expressions import references, rewrite
from ecluse.planning.bring import definition
from ecluse.recipes.conversations_to_messages.recognise import Legacy

CONVERSATION_COLUMNS: Mapping[str, str] = {
    "id": "uuid not null default gen_random_uuid()",
    "session_id": "uuid not null",
    "user_id": "uuid not null",
    "title": "text",
    "language": "text default 'fr'",
    "message_count": "integer not null default 0",
    "first_message_preview": "text",
    "last_message_preview": "text",
    "status": "text not null default 'active'",
    "created_at": "timestamptz not null default now()",
    "updated_at": "timestamptz not null default now()",
    "last_activity_at": "timestamptz not null default now()",
    "metadata": "jsonb",
}
CONVERSATION_CONSTRAINTS: Mapping[str, str] = {
    "conversations_pkey": "primary key (id)",
    "conversations_session_id_key": "unique (session_id)",
    "conversations_status_check": "check (status in ('active', 'archived', 'deleted'))",
}
CONVERSATION_INDEXES: Mapping[str, str] = {
    "idx_conversations_user_id": "using btree (user_id)",
    "idx_conversations_status": "using btree (status)",
    "idx_conversations_last_activity": "using btree (last_activity_at desc)",
}
MESSAGE_COLUMNS: Mapping[str, str] = {
    "id": "uuid not null default gen_random_uuid()",
    "conversation_id": "uuid not null",
    "role": "text not null",
    "content": "text not null",
    "sequence_number": "integer not null",
    "response_source": "text",
    "response_confidence": "double precision",
    "processing_time_ms": "integer",
    "feedback": "text",
    "feedback_comment": "text",
    "created_at": "timestamptz not null default now()",
}
MESSAGE_CONSTRAINTS: Mapping[str, str] = {
    "messages_pkey": "primary key (id)",
    "messages_conversation_id_sequence_number_key": "unique (conversation_id, sequence_number)",
    "messages_conversation_id_fkey": (
        "foreign key (conversation_id) references public.conversations (id) on delete cascade"
    ),
    "messages_role_check": "check (role in ('user', 'assistant', 'system'))",
    "messages_feedback_check": "check (feedback in ('positive', 'negative', 'neutral'))",
}
# The unique constraint's index serves the conversation and the order of its messages: they need none of their own.
MESSAGE_INDEXES: Mapping[str, str] = {"idx_messages_role": "using btree (role)"}


def child_columns(table: Table, reference: str) -> dict[str, str]:
    """A referring table's columns: one becomes uuid, the others stay as they are."""
    found = {}
    for column in table.columns:
        if column.name == reference:
            found[column.name] = "uuid not null" if column.not_null else "uuid"
        else:
            found[column.name] = definition(column)
    return found


def child_constraints(table: Table) -> dict[str, str]:
    """Constraints of a referring table, without those that PostgreSQL 18 has for NOT NULL."""
    return {c.name: c.definition for c in table.constraints if c.kind in "pufcx"}


def child_indexes(table: Table) -> dict[str, str]:
    """Indexes of a referring table that are not behind a constraint."""
    return {i.name: ("unique " if i.unique else "") + i.tail for i in table.indexes if not i.constraint}


# --- row level security -----------------------------------------------------------------------------


def conversation_policies(legacy: Legacy) -> tuple[dict[str, str], tuple[str, ...]]:
    """The legacy table's policies over the new columns, and the names of those that cannot be said any more."""
    kept, lost = {}, []
    for policy in legacy.table.policies:
        texts = [text for text in (policy.using, policy.check) if text is not None]
        columns = {found.column for text in texts for found in references(text)}
        if columns <= set(CONVERSATION_COLUMNS):
            kept[policy.name] = _policy(policy, _retyped(legacy))
        else:
            lost.append(policy.name)
    return kept, tuple(lost)


def _retyped(legacy: Legacy) -> frozenset[str]:
    return frozenset(
        column.name
        for part in ("id", "session", "person")
        if (column := legacy.parts[part]).type != "uuid" and column.name in CONVERSATION_COLUMNS
    )


def _policy(policy: Policy, retyped: frozenset[str]) -> str:
    def cast(text: str) -> str:
        return rewrite(text, lambda c: f"({c.column})::text" if c.column in retyped else text[c.start : c.end])

    parts = [*_head(policy)]
    if policy.using is not None:
        parts.append(f"using ({cast(policy.using)})")
    if policy.check is not None:
        parts.append(f"with check ({cast(policy.check)})")
    return " ".join(parts)


def _head(policy: Policy) -> Iterator[str]:
    yield f"as {'permissive' if policy.permissive else 'restrictive'} for {policy.command.lower()}"
    yield "to " + ", ".join("public" if role == "public" else ident(role) for role in policy.roles)


def message_policies(legacy: Legacy) -> dict[str, str]:
    """Whoever sees a conversation sees its messages: the policies of conversations apply in the subquery."""
    roles = sorted({role for policy in legacy.table.policies for role in policy.roles if policy.permissive})
    if not roles:
        return {}
    visible = "exists (select from public.conversations c where c.id = messages.conversation_id)"
    named = ", ".join("public" if role == "public" else ident(role) for role in roles)
    commands = {policy.command for policy in legacy.table.policies if policy.permissive}
    if commands == {"SELECT"}:
        return {"messages_of_own_conversations": f"for select to {named} using ({visible})"}
    return {"messages_of_own_conversations": f"to {named} using ({visible}) with check ({visible})"}


# --- what stands on the old table -------------------------------------------------------------------


def given_up(catalog: Catalog, legacy: Legacy, defined: frozenset[Name]) -> tuple[Name, ...]:
    """Views that read what the new tables do not have, directly or through other views."""
    survives = set(CONVERSATION_COLUMNS) if legacy.table.name.name == "conversations" else set()
    lost: set[Name] = {legacy.ratings.name} if legacy.ratings else set()
    changed = True
    while changed:
        changed = False
        for edge in catalog.dependents:
            if edge.kind not in ("view", "matview") or edge.name is None or edge.name in lost:
                continue
            reads_gone = edge.table == legacy.table.name and not set(edge.columns) <= survives
            if reads_gone or edge.table in lost:
                lost.add(edge.name)
                changed = True
    return tuple(sorted(name for name in lost - defined if name in catalog.views))

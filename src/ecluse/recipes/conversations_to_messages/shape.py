"""The shape that this recipe promises, as one script: what a database must have when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecluse.model.catalog import Catalog
from ecluse.model.names import Name, ident
from ecluse.recipes.conversations_to_messages import forward, tables
from ecluse.recipes.conversations_to_messages.texts import text


def shape(catalog: Catalog) -> str:
    """The script. Row level security is promised where the database has it on its conversations."""
    now = catalog.tables.get(Name("public", "conversations"))
    rls = now is not None and now.rls
    made = [
        _table("conversations", tables.CONVERSATION_COLUMNS, tables.CONVERSATION_CONSTRAINTS),
        *_indexes("conversations", tables.CONVERSATION_INDEXES),
        _table("messages", tables.MESSAGE_COLUMNS, tables.MESSAGE_CONSTRAINTS),
        *_indexes("messages", tables.MESSAGE_INDEXES),
        *(f"alter table public.{name} enable row level security;" for name in ("conversations", "messages") if rls),
        text(
            "templates/define/functions.sql",
            first_message=forward.message_id("v_id", "user"),
            first_answer=forward.message_id("v_id", "assistant"),
            answer=forward.message_id("v_last", "assistant"),
            more="",
        ),
        text(
            "templates/define/views.sql",
            options=" with (security_invoker = true)" if rls and catalog.server_version >= 150000 else "",
            grants="",
        ),
    ]
    return "\n".join(made)


def _table(name: str, columns: Mapping[str, str], constraints: Mapping[str, str]) -> str:
    parts = [f"{ident(column)} {definition}" for column, definition in columns.items()]
    parts += [f"constraint {ident(key)} {definition}" for key, definition in constraints.items()]
    return f"create table public.{name} ({', '.join(parts)});"


def _indexes(name: str, indexes: Mapping[str, str]) -> Iterator[str]:
    yield from (f"create index {ident(index)} on public.{name} {tail};" for index, tail in indexes.items())

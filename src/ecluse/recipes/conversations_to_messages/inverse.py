"""The SELECTs that make the legacy tables from the new ones."""

from __future__ import annotations

from ecluse.model.catalog import Column, Table
from ecluse.model.names import literal
from ecluse.recipes.conversations_to_messages import forward
from ecluse.recipes.conversations_to_messages.residues import residues
from ecluse.recipes.conversations_to_messages.texts import text
from ecluse.recipes.conversations_to_messages.values import Values, quoted

_ANSWER = {
    "feedback": "text",
    "feedback_comment": "text",
    "response_source": "text",
    "response_confidence": "double precision",
    "processing_time_ms": "integer",
}


def conversations(values: Values) -> str:
    """The rows of the legacy anchor."""
    given = {r.column.name: r.give() for r in residues(values)}
    session = values.legacy.parts["session"]
    given[session.name] = _session(session)
    columns = [f"{given[c.name]} as {quoted(c.name)}" for c in values.legacy.table.columns if c.name in given]
    names = list(_ANSWER)
    return text(
        "templates/inverse/conversations.sql",
        own_answers=", ".join(f"m.{name}" for name in names),
        next_answers=",\n".join(f"lead(m.{name}) over talk as next_{name}" for name in names),
        answers=",\n".join(
            f"case when part.number = 0 then null when e.role = 'assistant' then e.{name}\n"
            f"     when e.complete then e.next_{name} end as {name}"
            for name in names
        ),
        no_answers=", ".join(f"null::{kind}" for kind in _ANSWER.values()),
        columns=",\n       ".join(columns),
    )


def _session(column: Column) -> str:
    own = "coalesce(s.legacy ->> 'unit', s.session_id::text)"
    # Without a session a legacy row is one by itself, so what was said after it gets the conversation's own.
    kept = "s.legacy ? 'session' and (s.slot is not distinct from 1 or s.legacy ->> 'session' <> '')"
    return f"(case when {kept} then s.legacy ->> 'session' else {own} end)::{column.type}"


def child(values: Values, table: Table, reference: str) -> str:
    """The rows of a table that refers to the conversations."""
    first = _first_id(values, "c.metadata #>> '{legacy,rows,0,id}'")
    columns = [
        f"coalesce(b.id, {first})::{c.type} as {quoted(c.name)}" if c.name == reference else f"t.{quoted(c.name)}"
        for c in table.columns
        if c.written
    ]
    name = forward.word(table)
    merged = ""
    if forward.unique_sets(table, reference):
        was = [f"(t.was ->> {literal(c.name)})::{c.type}" for c in table.columns if c.written]
        merged = text("templates/inverse/child_merged.sql", columns=",\n       ".join(was), child=name)
    return text(
        "templates/inverse/child.sql",
        table=str(table.name),
        alias=name,
        reference=quoted(reference),
        columns=",\n       ".join(columns),
        child=name,
        key=f"({forward.key_text(table, reference)})",
        merged=merged,
    )


def ratings(values: Values, table: Table) -> str:
    """The rows of the table of ratings."""
    first = _first_id(values, "b.residue ->> 'id'")
    columns = [
        f"({first})::{c.type} as {quoted(c.name)}"
        if c.name == "conversation_id"
        else f"(f.rating ->> {literal(c.name)})::{c.type} as {quoted(c.name)}"
        for c in table.columns
        if c.written
    ]
    return text("templates/inverse/feedback.sql", columns=",\n       ".join(columns))


def _first_id(values: Values, kept: str) -> str:
    return f"coalesce({kept}, ({values.id_of('c.id')})::text)"

"""Whether this is a database of conversations that may lack columns of production, and what it lacks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Column, Table, View
from ecluse.model.names import Name
from ecluse.recipes.column_types import FRACTION, TEXT, TEXT_OR_UUID, WHEN, WHOLE

CONVERSATIONS = Name("public", "conversations")
QUESTIONS = Name("public", "user_questions_complete")


REQUIRED: Mapping[str, re.Pattern[str]] = {
    "id": TEXT_OR_UUID,
    "session_id": TEXT_OR_UUID,
    "user_id": TEXT_OR_UUID,
    "question": TEXT,
    "response": TEXT,
    "created_at": WHEN,
    "updated_at": WHEN,
}
# What production has, as it is added where it lacks, and the types that count as the same where it does not.
COLUMNS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "response_source": ("text default 'rag'", TEXT),
    "processing_time_ms": ("integer", WHOLE),
    "response_confidence": ("double precision default 0.85", FRACTION),
    "title": ("text", TEXT),
    "preview": ("text", TEXT),
    "last_message_preview": ("text", TEXT),
    "message_count": ("integer default 1", WHOLE),
    "language": ("text default 'fr'", TEXT),
    "status": ("text default 'active'", TEXT),
    "feedback": ("text", re.compile(rf"{TEXT.pattern}|{WHOLE.pattern}")),
    "feedback_comment": ("text", TEXT),
}
# Columns that some databases have and the view shows: what stands for one that is not there.
OPTIONAL: Mapping[str, str] = {"sources": "null::jsonb", "mode": "null::text"}
VIEW_COLUMNS = (
    *("id", "session_id", "user_email", "question", "response_text", "response_source", "response_confidence"),
    *("processing_time_ms", "sources", "mode", "title", "preview", "last_message_preview", "message_count", "language"),
    *("status", "feedback", "feedback_comment", "created_at", "updated_at"),
)


@dataclass(frozen=True, slots=True)
class Production:
    """The table of conversations as it is, and how far it is from production's."""

    generation: str  # L2 | L3: without and with sources and mode
    table: Table
    missing: tuple[str, ...]
    whole_feedback: Column | None  # feedback as a number
    view: View | None
    view_fits: bool

    @property
    def done(self) -> bool:
        """Whether there is nothing to do."""
        return self.view_fits and not self.missing and self.whole_feedback is None


def recognise(catalog: Catalog) -> Production:
    """Tell what there is. Raises UnknownGeneration, which says what differs."""
    table = catalog.tables.get(CONVERSATIONS)
    if table is None:
        raise UnknownGeneration(
            f"there is no table {CONVERSATIONS}",
            hint="point the recipe at the database that holds the conversations",
        )
    differences = _differences(catalog, table)
    if differences:
        raise UnknownGeneration(
            f"{CONVERSATIONS} is not the table that this recipe completes",
            details="; ".join(differences),
            hint='bring the rest by hand, with operations of kind = "add_columns" and "define": ecluse operations',
        )
    feedback = table.column("feedback")
    return Production(
        generation="L3" if all(map(table.column, OPTIONAL)) else "L2",
        table=table,
        missing=tuple(name for name in COLUMNS if table.column(name) is None),
        whole_feedback=feedback if feedback is not None and WHOLE.fullmatch(feedback.type) else None,
        view=catalog.views.get(QUESTIONS),
        view_fits=_view_fits(catalog, table),
    )


def _differences(catalog: Catalog, table: Table) -> list[str]:
    found = [f"there is no column '{name}'" for name in REQUIRED if table.column(name) is None]
    for name, types in {**REQUIRED, **{name: types for name, (_, types) in COLUMNS.items()}}.items():
        column = table.column(name)
        if column is not None and not types.fullmatch(column.type):
            found.append(f"column '{name}' is {column.type}")
    if QUESTIONS in catalog.tables:
        found.append(f"{QUESTIONS} is a table, where a view has its place")
    return found


def _view_fits(catalog: Catalog, table: Table) -> bool:
    """The columns that production shows, and the optional ones out of the table wherever it has them."""
    view = catalog.views.get(QUESTIONS)
    if view is None or view.columns != VIEW_COLUMNS:
        return False
    read = {c for d in catalog.dependents if d.name == QUESTIONS and d.table == table.name for c in d.columns}
    return all(name in read for name in OPTIONAL if table.column(name))

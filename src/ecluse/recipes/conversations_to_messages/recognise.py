"""Which generation of legacy database this is, from its catalog."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Column, Table
from ecluse.model.names import Name
from ecluse.recipes.column_types import FRACTION, TEXT, TEXT_OR_UUID, WHEN, WHOLE

CONVERSATIONS = Name("public", "conversations")
QUESTIONS = Name("public", "user_questions_complete")
FEEDBACK = Name("public", "feedback")

_KEY = re.compile(rf"{TEXT_OR_UUID.pattern}|smallint|integer|bigint")
_LIKED = re.compile(rf"{TEXT.pattern}|{WHOLE.pattern}")

# What a column is for, the names it goes by, and the types it may have; the first six must be there.
_PARTS: Mapping[str, tuple[tuple[str, ...], re.Pattern[str]]] = {
    "id": (("id",), _KEY),
    "session": (("session_id",), TEXT_OR_UUID),
    "person": (("user_id", "user_email"), TEXT_OR_UUID),
    "question": (("question",), TEXT),
    "response": (("response", "response_text"), TEXT),
    "created": (("created_at",), WHEN),
    "updated": (("updated_at",), WHEN),
    "title": (("title",), TEXT),
    "language": (("language",), TEXT),
    "status": (("status",), TEXT),
    "feedback": (("feedback",), _LIKED),
    "comment": (("feedback_comment",), TEXT),
    "source": (("response_source",), TEXT),
    "confidence": (("response_confidence", "confidence"), FRACTION),
    "millis": (("processing_time_ms",), re.compile("smallint|integer")),
    "preview": (("preview",), TEXT),
    "last_preview": (("last_message_preview",), TEXT),
    "count": (("message_count",), WHOLE),
}
_REQUIRED = 6


@dataclass(frozen=True, slots=True)
class Legacy:
    """A legacy database: the generation, its table of questions, and what each column of it is for."""

    generation: str  # L1 | L2 | L3
    table: Table
    parts: Mapping[str, Column]
    ratings: Table | None  # L3's table of feedback
    children: tuple[tuple[Table, str], ...]  # tables with a foreign key to the id, and the column that has it

    @property
    def others(self) -> tuple[Column, ...]:
        """Columns that the new shape has no home for."""
        known = {column.name for column in self.parts.values()}
        return tuple(c for c in self.table.columns if c.name not in known and c.written)

    def name(self, part: str) -> str:
        """The name of the column for `part`, empty where there is none."""
        return self.parts[part].name if part in self.parts else ""


def recognise(catalog: Catalog) -> Legacy:
    """Tell the generation. Raises UnknownGeneration, which says what differs."""
    table = catalog.tables.get(CONVERSATIONS)
    if table is not None and table.column("question"):
        generation = "L3" if table.column("mode") and table.column("sources") else "L2"
    elif QUESTIONS in catalog.tables:
        table, generation = catalog.tables[QUESTIONS], "L1"
    if table is None:
        raise UnknownGeneration(
            "there is neither a table public.conversations nor a table public.user_questions_complete",
            hint="point the recipe at the database that holds the conversations",
        )
    if table.name == CONVERSATIONS and not table.column("question"):
        raise _without_questions(catalog, table)
    parts = _parts(table)
    differences = _differences(generation, table, parts)
    if differences:
        raise UnknownGeneration(
            f"{table.name} looks like generation {generation}, and differs from it",
            details="; ".join(differences),
            hint="write the migration by hand, starting from `ecluse recipes conversations_to_messages`",
        )
    ratings = catalog.tables.get(FEEDBACK)
    if ratings is not None and not _rates(ratings, table):
        ratings = None
    return Legacy(generation, table, parts, ratings, _children(catalog, table, ratings))


def _without_questions(catalog: Catalog, table: Table) -> UnknownGeneration:
    if Name("public", "messages") in catalog.tables:
        return UnknownGeneration("public.conversations already has its messages in public.messages: nothing to do")
    have = ", ".join(column.name for column in table.columns)
    return UnknownGeneration(
        f"{table.name} has no column 'question', which every known generation has",
        details=f"it has: {have}",
    )


def _parts(table: Table) -> dict[str, Column]:
    found = {}
    for part, (names, _) in _PARTS.items():
        column = next((c for name in names if (c := table.column(name)) and c.written), None)
        if column is not None:
            found[part] = column
    return found


def _differences(generation: str, table: Table, parts: Mapping[str, Column]) -> list[str]:
    found = []
    for part, (names, types) in list(_PARTS.items()):
        column = parts.get(part)
        if column is None:
            if part in list(_PARTS)[:_REQUIRED]:
                found.append(f"there is no column '{names[0]}'")
        elif not types.fullmatch(column.type):
            found.append(f"column '{column.name}' is {column.type}")
    key = parts.get("id")
    if key is not None and table.primary_key != (key.name,):
        found.append(f"the primary key is not '{key.name}'")
    if key is not None and WHOLE.fullmatch(key.type) and generation != "L1":
        found.append(f"column '{key.name}' is {key.type}")
    return found


def _rates(ratings: Table, table: Table) -> bool:
    needed = ("id", "conversation_id", "rating", "comment", "created_at")
    refers = any(key.references == table.name for key in ratings.foreign_keys)
    return refers and all(ratings.column(name) for name in needed) and ratings.primary_key == ("id",)


def _children(catalog: Catalog, table: Table, ratings: Table | None) -> tuple[tuple[Table, str], ...]:
    found = []
    for name, key in catalog.referencing(table.name):
        child = catalog.tables[name]
        if child is ratings or name == table.name or key.referenced_columns != table.primary_key:
            continue
        found.append((child, key.columns[0]))
    return tuple(found)

"""The SELECTs that make the new tables from a legacy table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ecluse.model.catalog import Table
from ecluse.model.names import literal
from ecluse.model.uuid_sql import derived_uuid
from ecluse.recipes.conversations_to_messages.residues import Residue, residues
from ecluse.recipes.conversations_to_messages.texts import text
from ecluse.recipes.conversations_to_messages.values import CONVERSATION, MESSAGE, SESSION, Values, quoted

_TAKEN = frozenset({"legacy", "conversations", "messages", "user_map"})


def message_id(row: str, role: str) -> str:
    """The id of a message of a row: the functions of the new shape give the same to what they add."""
    return derived_uuid(MESSAGE, f"{row}::text || ':{role}'")


def conversations(values: Values) -> str:
    """The rows of the new anchor."""
    return _template(
        "conversations",
        values,
        kept=kept(values),
        other_session=derived_uuid(SESSION, "as_session::text || ':' || conversation::text"),
        session_back="k.as_session" if values.type("session") == "uuid" else "k.as_session::text",
    )


def messages(values: Values) -> str:
    """The rows of the messages."""
    return _template(
        "messages",
        values,
        user_message=message_id("s.own_uuid", "user"),
        assistant_message=message_id("s.own_uuid", "assistant"),
        source=values.raw("source"),
        confidence=values.raw("confidence", missing="null") + "::double precision",
        millis=values.raw("millis", missing="null::integer"),
    )


def child(values: Values, table: Table, reference: str) -> str:
    """The rows of a table that refers to the conversations."""
    columns = [
        f"s.conversation as {quoted(reference)}" if c.name == reference else f"t.{quoted(c.name)}"
        for c in table.columns
        if c.written
    ]
    merged = _merged(table, reference)
    return _template(
        "child",
        values,
        table=str(table.name),
        columns=", ".join(columns),
        alias=old_alias(table),
        reference=quoted(reference),
        # Two rows of one conversation may have what may be there only once: the older one stays.
        where=f"where not ({merged})" if merged else "",
    )


def unique_sets(table: Table, reference: str) -> tuple[tuple[str, ...], ...]:
    """What a child may have only once for each legacy row: the other columns of its unique keys with the reference."""
    keys = [c.columns for c in table.constraints if c.kind in "pu"] + [i.columns for i in table.indexes if i.unique]
    found = (tuple(name for name in key if name != reference) for key in keys if reference in key)
    return tuple(dict.fromkeys(found))


def _merged(table: Table, reference: str) -> str:
    """Whether the row `t` of legacy row `s` becomes one with that of an older row of the conversation; may be empty."""
    same = [
        " and ".join([f"e.{quoted(reference)} = any (s.elders)", *(f"e.{quoted(n)} = t.{quoted(n)}" for n in names)])
        for names in unique_sets(table, reference)
    ]
    tests = [f"exists (select from {{{{{old_alias(table)}}}}} e where {condition})" for condition in same]
    return f"s.place > 1 and ({' or '.join(tests)})" if tests else ""


def word(table: Table) -> str:
    """A plain word for a satellite: its placeholder, its file, its key in metadata."""
    schema = "" if table.name.schema == "public" else f"{table.name.schema}_"
    plain = re.sub(r"\W", "_", schema + table.name.name)
    return f"{plain}_rows" if plain in _TAKEN else plain


def old_alias(table: Table) -> str:
    """The placeholder of a satellite of the old side."""
    return f"legacy_{word(table)}"


def key_text(table: Table, reference: str) -> str:
    """What tells a child `t` from others of the same conversation, as one text."""
    columns = [f"t.{quoted(name)}" for name in table.primary_key if name != reference]
    return f"{columns[0]}::text" if len(columns) == 1 else f"row({', '.join(columns)})::text"


def _template(name: str, values: Values, **slots: str) -> str:
    head = text("templates/forward/head.sql", **_head(values))
    common = {"id": values.raw("id"), "session_raw": values.raw("session"), "head": head}
    return text(f"templates/forward/{name}.sql", **(common | slots))


def _head(values: Values) -> dict[str, str]:
    ordered = "" if values.numbered or values.type("id") == "uuid" else ' collate "C"'
    return (
        {
            "uuid": values.uuid("l"),
            "session": values.session("l"),
            "person": values.person("l"),
            "status": values.status("l"),
            "question": values.raw("question", "l"),
            "response": values.raw("response", "l"),
            "created": values.aware("created", "l"),
            "updated": values.aware("updated", "l"),
            "map_join": f"left join {{{{user_map}}}} u on u.old_value = {values.text('person', 'l')}"
            if values.options.user_map
            else "",
            "id": values.raw("id"),
            "session_raw": values.raw("session"),
            "created_raw": values.raw("created"),
            "title": values.raw("title"),
            "language": values.raw("language"),
            "aged_id": "s.id" + ordered,
            "placed_id": "id" + ordered,
            "other_uuid": derived_uuid(CONVERSATION, "s.id::text"),
        }
        | _feedback(values)
        | _elders(values)
    )


def _elders(values: Values) -> dict[str, str]:
    """The older rows of the conversation, where a child may not have twice what they have."""
    if not any(unique_sets(child, reference) for child, reference in values.legacy.children):
        return {"elders": "", "elders_of": ""}
    elders = "array_agg(id) over (talk rows between unbounded preceding and 1 preceding) as elders"
    return {"elders": f",\n           {elders}", "elders_of": ", p.elders"}


def _feedback(values: Values) -> dict[str, str]:
    """The answer's feedback: the row's own, else its latest rating."""
    liked, comment = values.liked(), values.raw("comment")
    if values.legacy.ratings is None:
        return {"liked": liked, "comment": comment, "ratings": "", "rating_join": ""}
    none = f"{values.raw('feedback')} is null and {comment} is null"
    rated = "case r.ratings -> 0 ->> 'rating' when '1' then 'positive' when '-1' then 'negative' end"
    return {
        "liked": f"case when {none} then {rated} else {liked} end",
        "comment": f"case when {none} then r.ratings -> 0 ->> 'comment' else {comment} end",
        "ratings": ", r.ratings",
        "rating_join": _ratings(values.legacy.ratings, values),
    }


def _ratings(table: Table, values: Values) -> str:
    pairs = ", ".join(
        f"{literal(c.name)}, f.{quoted(c.name)}::text"
        for c in table.columns
        if c.written and c.name != "conversation_id"
    )
    return (
        "cross join lateral (\n"
        "    -- All ratings of the row, the latest first.\n"
        f"    select jsonb_agg(jsonb_build_object({pairs})\n"
        "                     order by f.created_at desc nulls last, f.id desc) as ratings\n"
        f"    from {{{{{old_alias(table)}}}}} f where f.conversation_id = {values.raw('id')}\n"
        ") r"
    )


# --- what is kept -----------------------------------------------------------------------------------


def kept(values: Values) -> str:
    """The CTEs that find what must be kept of each row."""
    found = residues(values)
    extras = _extras(values)
    pieces = [r.keep(f"s.{_back(r)}") for r in found] + [
        f"case when {condition} then jsonb_build_object({literal(key)}, {value}) else '{{}}' end"
        for key, condition, value in extras
    ]
    return text(
        "templates/forward/kept.sql",
        id=values.raw("id"),
        session_raw=values.raw("session"),
        expected=",\n".join(f"{r.expected} as {_back(r)}" for r in found),
        actual_row=", ".join(r.compared for r in found),
        expected_row=", ".join(f"s.{_back(r)}" for r in found),
        kept_always="".join(f"or {condition} " for _, condition, _ in extras),
        residue="\n|| ".join(pieces),
    )


def _back(residue: Residue) -> str:
    return quoted(f"back_{residue.column.name}")


def _extras(values: Values) -> list[tuple[str, str, str]]:
    """What is kept besides columns: key, condition, value."""
    found = [("silent", "s.place > 1 and s.asked is null and s.answered is null", "true")]
    if values.legacy.ratings is not None:
        found.append(("ratings", "s.ratings is not null", "s.ratings"))
    for table, reference in values.legacy.children:
        found += _kept_children(values, table, reference)
    return found


def _kept_children(values: Values, table: Table, reference: str) -> Iterator[tuple[str, str, str]]:
    """Which children are of a row that continues a conversation: those of the first one need no word."""
    rows = f"{{{{{old_alias(table)}}}}} t where t.{quoted(reference)} = {values.raw('id')}"
    key, merged = key_text(table, reference), _merged(table, reference)
    alone = f" and not ({merged})" if merged else ""
    condition = f"s.place > 1 and exists (select from {rows}{alone})"
    yield word(table), condition, f"(select jsonb_agg({key} order by {key}) from {rows}{alone})"
    if merged:
        pairs = ", ".join(f"{literal(c.name)}, t.{quoted(c.name)}::text" for c in table.columns if c.written)
        whole = f"jsonb_build_object({pairs})"
        condition = f"s.place > 1 and exists (select from {rows} and {merged})"
        yield (
            f"{word(table)}_merged",
            condition,
            f"(select jsonb_agg({whole} order by {key}) from {rows} and {merged})",
        )

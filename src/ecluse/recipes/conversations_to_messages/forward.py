"""The SELECTs that make the new tables from a legacy table."""

from __future__ import annotations

from ecluse.model.catalog import Table
from ecluse.model.names import literal
from ecluse.model.uuid_sql import derived_uuid
from ecluse.recipes.conversations_to_messages.residues import Residue, residues
from ecluse.recipes.conversations_to_messages.texts import text
from ecluse.recipes.conversations_to_messages.values import MESSAGE, SESSION, Values, quoted


def message_id(row: str, role: str) -> str:
    """The id of a message of a row: the functions of the new shape give the same to what they add."""
    return derived_uuid(MESSAGE, f"{row}::text || ':{role}'")


def conversations(values: Values) -> str:
    """The rows of the new anchor."""
    return _template(
        "conversations",
        values,
        # The fence makes the server compute each value of a row once.
        kept=kept(values, "(select * from rows offset 0)", "materialized"),
        other_session=derived_uuid(SESSION, "as_session::text || ':' || conversation::text"),
        session_back="k.as_session" if values.type("session") == "uuid" else "k.as_session::text",
    )


def messages(values: Values) -> str:
    """The rows of the messages."""
    return _template(
        "messages",
        values,
        kept=kept(values, "rows", "not materialized"),
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
    return _template(
        "child",
        values,
        table=str(table.name),
        columns=", ".join(columns),
        alias=old_alias(table),
        reference=quoted(reference),
    )


def old_alias(table: Table) -> str:
    """The placeholder of a satellite of the old side."""
    return f"legacy_{table.name.name}"


def key_text(table: Table, alias: str = "t") -> str:
    """A child's key as one text."""
    columns = [f"{alias}.{quoted(name)}" for name in table.primary_key]
    return f"{columns[0]}::text" if len(columns) == 1 else f"row({', '.join(columns)})::text"


def _template(name: str, values: Values, **slots: str) -> str:
    head = text("templates/forward/head.sql", **_head(values))
    common = {"id": values.raw("id"), "session_raw": values.raw("session"), "head": head}
    return text(f"templates/forward/{name}.sql", **(common | slots))


def _head(values: Values) -> dict[str, str]:
    ordered = "" if values.numbered or values.type("id") == "uuid" else ' collate "C"'
    return {
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
        "id_sorted": values.raw("id") + ordered,
        "placed_id": "id" + ordered,
        "other_uuid": values.other_uuid(),
    } | _feedback(values)


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


def kept(values: Values, source: str, materialized: str) -> str:
    """The CTEs that find what must be kept of each row of `source`."""
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
        materialized=materialized,
        **{"from": source},
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
        # Rows that hang on the first row of a conversation find it by the conversation's id.
        rows = f"{{{{{old_alias(table)}}}}} t where t.{quoted(reference)} = {values.raw('id')}"
        key = key_text(table)
        condition = f"s.place > 1 and exists (select from {rows})"
        found.append((table.name.name, condition, f"(select jsonb_agg({key} order by {key}) from {rows})"))
    return found

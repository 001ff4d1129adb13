"""What must be kept of a legacy row so that it comes back exactly, column by column.

Each `Residue` pairs the value that a legacy row has with the one that the way back makes when nothing is kept. The
forward mapping keeps the first where they differ; the inverse mapping uses what was kept, else the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.model.catalog import Column
from ecluse.model.names import literal
from ecluse.recipes.conversations_to_messages.values import Values, constant, quoted

_COMPARED_AS_IS = ("text", "uuid", "integer", "bigint", "smallint", "boolean", "date")


@dataclass(frozen=True, slots=True)
class Residue:
    """One legacy column.

    `forward` is the default over a row `s` of the forward mapping, `inverse` the same value over a row `s` of the
    inverse one. `home` is where the value went, in both: once the new application has changed that, what was kept is
    no longer true.
    """

    column: Column
    forward: str
    inverse: str
    forward_home: str = ""
    inverse_home: str = ""

    @property
    def key(self) -> str:
        return self.column.name

    @property
    def nested(self) -> bool:
        """Kept as JSON, not as a text."""
        return self.column.type == "jsonb"

    @property
    def raw(self) -> str:
        return f"s.{quoted(self.column.name)}"

    @property
    def compared(self) -> str:
        """How the column is compared: what PostgreSQL calls equal may be written differently (-0, 1.0 and 1.00)."""
        kind = self.column.type
        as_is = kind in _COMPARED_AS_IS or kind.startswith(("character varying", "timestamp"))
        return self.raw if as_is else f"{self.raw}::text"

    @property
    def expected(self) -> str:
        """The default, typed so that it can be compared."""
        return f"({self.forward})::{self.column.type}" + ("" if self.compared == self.raw else "::text")

    def keep(self, back: str) -> str:
        """A jsonb object with the value where it differs from `back`, else an empty one."""
        value = f"{self.raw}::text"
        if self.nested:
            # A JSON string or null could be taken for a text or for NULL: those are kept as text.
            value = (
                f"case when jsonb_typeof({self.raw}) in ('object', 'array') then {self.raw} else to_jsonb({value}) end"
            )
        pairs = f"{literal(self.key)}, {value}"
        if self.forward_home:
            pairs += f", {literal(self.key + '_as')}, {self.forward_home}::text"
        return f"case when {self.compared} is distinct from {back} then jsonb_build_object({pairs}) else '{{}}' end"

    def give(self) -> str:
        """The legacy value, over a row of the inverse mapping where `s.k` is what was kept."""
        kept = f"s.k ->> {literal(self.key)}"
        if self.nested:
            inside = f"s.k -> {literal(self.key)}"
            kept = f"case when jsonb_typeof({inside}) in ('object', 'array') then {inside} else ({kept})::jsonb end"
        valid = f"s.k ? {literal(self.key)}"
        if self.inverse_home:
            valid += f" and s.k ->> {literal(self.key + '_as')} is not distinct from {self.inverse_home}::text"
        return f"case when {valid} then ({kept})::{self.column.type} else ({self.inverse})::{self.column.type} end"


def residues(values: Values) -> tuple[Residue, ...]:
    """All columns of the legacy table but the session, which is kept once for the conversation."""
    parts = values.legacy.parts
    by_part = {part: maker(values) for part, maker in _MAKERS.items()}
    found = {column.name: Residue(column, *by_part[part]) for part, column in parts.items() if part in by_part}
    for column in values.legacy.others:
        found[column.name] = Residue(column, *_other(values, column))
    return tuple(found[c.name] for c in values.legacy.table.columns if c.name in found)


_Rule = tuple[str, ...]
_MADE = "case when s.slot = 1 then s.conversation else s.message end"  # of a row that the new application made


def _id(values: Values) -> _Rule:
    return values.id_of("s.own_uuid"), values.id_of(_MADE)


def _other(values: Values, column: Column) -> _Rule:
    if values.numbered and column.name == "question_id":
        # L1 has no other place for the UUID of a row that the new application made.
        spoken = "(s.place = 1 or num_nonnulls(s.asked, s.answered) > 0)"
        own = f"case when {spoken} and {values.raw('id')} = {values.id_of('s.own_uuid')} then s.own_uuid end"
        given = Residue(values.legacy.parts["id"], *_id(values)).give()
        made = f"case when {given} = {values.id_of(_MADE)} then {_MADE} end"
        return own, made
    default = constant(column)
    return default, default


def _person(values: Values) -> _Rule:
    return "s.as_person", "s.user_id", "s.as_person", "s.user_id"


def _question(values: Values) -> _Rule:
    blank = values.empty("question")
    return f"coalesce(s.asked, {blank})", f"coalesce(s.asked, {blank})", "s.asked", "s.asked"


def _response(values: Values) -> _Rule:
    blank = values.empty("response")
    return f"coalesce(s.answered, {blank})", f"coalesce(s.answered, {blank})", "s.answered", "s.answered"


_BEGAN = """case when s.place = 1 or s.asked is not null then s.began when s.answered is not null then s.ended end"""
_BEGAN_BACK = "case when s.slot = 1 then s.began else coalesce(s.asked_at, s.answered_at) end"


def _created(values: Values) -> _Rule:
    return values.naive("created", _BEGAN), values.naive("created", _BEGAN_BACK)


def _updated(values: Values) -> _Rule:
    if not values.has("updated"):
        return ("null",) * 2
    last = "case when s.answered is not null then s.ended when s.asked is not null or s.place = 1 then s.began end"
    back = "coalesce(s.answered_at, s.asked_at, case when s.slot = 1 then s.began end)"
    home = "case when s.answered is not null then s.ended end"
    return values.naive("updated", last), values.naive("updated", back), home, "s.answered_at"


def _status(values: Values) -> _Rule:
    if not values.has("status"):
        return ("null",) * 2
    return values.status_of("s.as_state"), values.status_of("s.status"), "s.as_state", "s.status"


_LIKED = "case when s.answered is not null then s.as_feedback end"
_COMMENT = "case when s.answered is not null then s.as_comment end"


def _feedback(values: Values) -> _Rule:
    if not values.has("feedback"):
        return ("null",) * 2
    return values.feedback_of(_LIKED), values.feedback_of("s.feedback"), *_feedback_home(values, _LIKED, "s.feedback")


def _comment(values: Values) -> _Rule:
    return _COMMENT, "s.feedback_comment", *_feedback_home(values, _COMMENT, "s.feedback_comment")


def _feedback_home(values: Values, forward: str, inverse: str) -> tuple[str, str]:
    if values.legacy.ratings is None:
        return forward, inverse
    # A message's feedback is the row's own or its latest rating, never a part of each: they are true together or not.
    return f"jsonb_build_array({_LIKED}, {_COMMENT})", "jsonb_build_array(s.feedback, s.feedback_comment)"


def _preview(values: Values) -> _Rule:
    return _cut("s.asked"), _cut("s.asked")


def _last_preview(values: Values) -> _Rule:
    return _cut("s.answered"), _cut("s.answered")


def _cut(text: str) -> str:
    return f"case when length({text}) > 300 then left({text}, 297) || '...' else {text} end"


def _count(values: Values) -> _Rule:
    return values.count(), values.count()


def _of_answer(part: str, new: str) -> tuple[str, str]:
    # Goes through the new column's type, as the value itself does.
    kind = {"confidence": "double precision", "millis": "integer"}.get(part, "text")
    return f"case when s.answered is not null then {{raw}}::{kind} end", f"s.{new}"


def _source(values: Values) -> _Rule:
    return _answer_rule(values, "source", "response_source")


def _confidence(values: Values) -> _Rule:
    return _answer_rule(values, "confidence", "response_confidence")


def _millis(values: Values) -> _Rule:
    return _answer_rule(values, "millis", "processing_time_ms")


def _answer_rule(values: Values, part: str, new: str) -> _Rule:
    forward, inverse = _of_answer(part, new)
    return forward.format(raw=values.raw(part)), inverse


_MAKERS = {
    "id": _id,
    "person": _person,
    "question": _question,
    "response": _response,
    "created": _created,
    "updated": _updated,
    "title": lambda values: ("s.as_title", "s.title"),
    "language": lambda values: ("s.as_language", "s.language"),
    "status": _status,
    "feedback": _feedback,
    "comment": _comment,
    "source": _source,
    "confidence": _confidence,
    "millis": _millis,
    "preview": _preview,
    "last_preview": _last_preview,
    "count": _count,
}

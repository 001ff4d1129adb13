"""Legacy columns as SQL expressions, and what the new values would be turned back into.

All take `s`, an alias of a legacy row. A part that the table does not have is NULL of the right type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecluse.model.catalog import Column
from ecluse.model.names import ident
from ecluse.model.uuid_sql import canonical, derived_uuid, to_uuid
from ecluse.recipes.conversations_to_messages.recognise import Legacy

CONVERSATION, MESSAGE, SESSION = "conversation", "message", "session"  # namespaces of derived UUIDs

_LITERAL = re.compile(r"('(?:[^']|'')*'|-?\d+(?:\.\d+)?|true|false)(?:::[\w .()\[\]\"]+)?")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_LIKES = {"positive": "1", "negative": "-1", "neutral": "0"}


@dataclass(frozen=True, slots=True)
class Options:
    """What the developer chose when the migration was written."""

    zone: str = "UTC"  # of timestamps without a zone
    user_map: str = ""  # a CSV file: old_value, uuid


def quoted(name: str) -> str:
    """A column's name: bare where nothing but a known word can be meant."""
    return name if _PLAIN.fullmatch(name) else ident(name)


def constant(column: Column | None) -> str:
    """The column's default where it is a literal, else NULL."""
    if column is None or column.default is None or not _LITERAL.fullmatch(column.default):
        return "null"
    return column.default


@dataclass(frozen=True, slots=True)
class Values:
    """Expressions over one legacy table."""

    legacy: Legacy
    options: Options = Options()

    def has(self, part: str) -> bool:
        return part in self.legacy.parts

    def type(self, part: str) -> str:
        return self.legacy.parts[part].type

    def raw(self, part: str, alias: str = "s", missing: str = "null::text") -> str:
        """The column itself."""
        return f"{alias}.{quoted(self.legacy.name(part))}" if self.has(part) else missing

    def text(self, part: str, alias: str = "s") -> str:
        """The column as text."""
        is_text = self.has(part) and self.type(part) == "text"
        return self.raw(part, alias) if is_text else f"{self.raw(part, alias)}::text"

    # --- into the new shape ---

    def uuid(self, alias: str = "s") -> str:
        """The row's own UUID: its id where that is one."""
        if self.type("id") == "uuid":
            return self.raw("id", alias)
        fresh = self.other_uuid(alias)
        if self.numbered:
            known = to_uuid(f"{alias}.question_id") if self._question_ids else "null"
            return f"case when {self.raw('id', alias)} < 0 then coalesce({known}, {fresh}) else {fresh} end"
        return f"coalesce({to_uuid(self.text('id', alias))}, {fresh})"

    def other_uuid(self, alias: str = "s") -> str:
        """The UUID of a row whose id is none, or another row's."""
        return derived_uuid(CONVERSATION, self.text("id", alias))

    def same_id(self) -> str:
        """Whether the id of row `m`, which is not as the server prints it, is the UUID of a row of another session."""
        own, other = self.text("id", "m"), self.text("id", "o")
        plain = f"({to_uuid(own)})::text"
        bare = f"replace({plain}, '-', '')"
        forms = [form for text in (plain, bare) for form in (text, f"'{{' || {text} || '}}'")]
        forms += [f"upper({form})" for form in forms]
        first = f"({canonical(other)} or {other} < {own})"
        elsewhere = f"{self.session('o')} <> {self.session('m')}"
        same = f"{other} = any (array[{', '.join(forms)}]) and {other} <> {own}"
        others = f"select from {{{{legacy}}}} o where {same} and {first} and {elsewhere}"
        return f"not {canonical(own)} and exists ({others})"

    @property
    def numbered(self) -> bool:
        """Whether the ids are numbers (L1)."""
        return self.type("id") in ("smallint", "integer", "bigint")

    @property
    def _question_ids(self) -> bool:
        return self.legacy.table.column("question_id") is not None

    def session(self, alias: str = "s") -> str:
        """The session's UUID; a row without one is a session of its own."""
        alone = derived_uuid(SESSION, f"'id:' || {self.text('id', alias)}")
        if self.type("session") == "uuid":
            return f"coalesce({self.raw('session', alias)}, {alone})"
        text = self.text("session", alias)
        named = f"coalesce({to_uuid(text)}, {derived_uuid(SESSION, text)})"
        return f"case when {text} <> '' then {named} else {alone} end"

    def person(self, alias: str = "s", map_alias: str = "u") -> str:
        """The user's UUID, NULL where the row is to be rejected."""
        own = self.own_person(alias)
        mapped = self.options.user_map and self.type("person") != "uuid"
        return f"coalesce({own}, {map_alias}.uuid)" if mapped else own

    def own_person(self, alias: str = "s") -> str:
        """The user as a UUID, NULL where it is not one."""
        if self.type("person") == "uuid":
            return self.raw("person", alias)
        return to_uuid(self.text("person", alias))

    def aware(self, part: str, alias: str = "s") -> str:
        """A timestamp with zone."""
        if not self.has(part):
            return "null::timestamptz"
        raw = self.raw(part, alias)
        return raw if self.type(part).endswith("with time zone") else f"{raw} at time zone '{self.options.zone}'"

    def status(self, alias: str = "s") -> str:
        """One of the three that the new table allows."""
        if not self.has("status"):
            return "'active'"
        tidy = f"lower(btrim({self.raw('status', alias)}))"
        return f"case when {tidy} in ('archived', 'deleted') then {tidy} else 'active' end"

    def liked(self, alias: str = "s") -> str:
        """Feedback in words, NULL where it is not known what it means."""
        if not self.has("feedback"):
            return "null::text"
        cases = " ".join(f"when '{old}' then '{new}'" for new, old in _LIKES.items())
        return f"case {self.text('feedback', alias)} {cases} end"

    # --- and back ---

    def naive(self, part: str, expr: str) -> str:
        """A timestamp with zone as the legacy column has it."""
        if self.type(part).endswith("with time zone"):
            return f"({expr})"
        return f"({expr}) at time zone '{self.options.zone}'"

    def id_of(self, uuid: str) -> str:
        """The legacy id of a row that the new application made."""
        if not self.numbered:
            return f"({uuid})::{self.type('id')}"
        # Below zero there is no id of the legacy application; 31 bits of the UUID.
        return f"(-1 - ('x' || left(({uuid})::text, 8))::bit(32)::bigint % 2147483647)::{self.type('id')}"

    def status_of(self, state: str) -> str:
        """The legacy status; L1 calls 'success' what is neither archived nor deleted."""
        return (
            f"case {state} when 'active' then 'success' else {state} end" if self.legacy.generation == "L1" else state
        )

    def feedback_of(self, words: str) -> str:
        """Feedback as the legacy column has it."""
        cases = " ".join(f"when '{new}' then '{old}'" for new, old in _LIKES.items())
        found = f"case {words} {cases} end"
        return found if self.type("feedback") == "text" else f"({found})::{self.type('feedback')}"

    def empty(self, part: str) -> str:
        """What a question or response is where there is no message."""
        return "''" if self.legacy.parts[part].not_null else "null::text"

    def count(self) -> str:
        """The legacy number of messages of an exchange: what the column says of itself, or two."""
        found = constant(self.legacy.parts.get("count"))
        return "2" if found == "null" else found

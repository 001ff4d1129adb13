"""How the ids of imported users become those of their accounts, and back: the SQL of one value. Pure.

What becomes of a user is looked up in the roster, never worked out again: a row goes where its owner went.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecluse.model.flow import Reject
from ecluse.model.uuid_sql import canonical, to_uuid
from ecluse.operations.keyed import Keyed
from ecluse.operations.people_sql import HELD
from ecluse.operations.rules import INTEGERS, Find, Lookup, as_text, integer_or_null


@dataclass(frozen=True, slots=True)
class Owner(Keyed):
    """The id of a user, by the roster `roster`, whose keys are of the type `key`."""

    roster: str
    key: str
    to: str = "uuid"

    def _find(self, expr: str, old_type: str) -> str:
        return f"i.old_user_id = {self._as_key(expr, old_type)}"

    def _as_key(self, expr: str, old_type: str) -> str:
        """The value as a key of the roster; a text that could be none is NULL, not an error."""
        if old_type == self.key or (old_type in INTEGERS and self.key in INTEGERS):
            return f"({expr})"
        text = as_text(expr, old_type)
        if self.key in INTEGERS:
            return integer_or_null(text, "bigint")
        if self.key == "uuid":
            return f"(CASE WHEN {canonical(text)} THEN ({text})::uuid END)"
        # Not cast to its length: the text of somebody else could be cut to it.
        return f"({text})" if self.key.startswith("character varying") else f"({text})::{self.key}"

    def forward(self, expr: str, old_type: str) -> str:
        """The account of a user; NULL where there is none, and then the row is rejected."""
        return f"(SELECT i.uid FROM {{{{{self.roster}}}}} i WHERE {self._find(expr, old_type)})"

    def unusual(self, expr: str, old_type: str) -> str:
        """Never: a text that is not written as the key itself is found by nobody."""
        return "false"

    def usual(self, expr: str, old_type: str, lookups: Sequence[Lookup], find: Find) -> str:
        """The user of an account; NULL for an account that no user became."""
        value = "i.old_user_id" if old_type == self.key else f"i.old_user_id::text::{old_type}"
        return f"(SELECT {value} FROM {{{{{self.roster}}}}} i WHERE i.uid = {expr})"

    def rejected(self, expr: str, old_type: str) -> str:
        """Whether no account belongs to the value."""
        return f"(({expr}) IS NOT NULL AND {self.forward(expr, old_type)} IS NULL)"

    def rejects(self, column: str, expr: str, old_type: str, *, refuse: bool) -> tuple[Reject, ...]:
        """The two reasons for which a row stays behind, told apart."""
        held = f"SELECT FROM {{{{{self.roster}}}}} i WHERE {self._find(expr, old_type)} AND i.uid IS NULL"
        held += f" AND i.outcome = '{HELD}'"
        condition = self.rejected(expr, old_type)
        return (
            Reject(f"({condition} AND EXISTS ({held}))", f"'{column}' is a user in quarantine", column, refuse),
            Reject(f"({condition} AND NOT EXISTS ({held}))", f"'{column}' is the id of no user", column, refuse),
        )

    def at_home(self, expr: str) -> str:
        """Whether the old shape knows a new value."""
        return f"(({expr}) IS NULL OR EXISTS (SELECT FROM {{{{{self.roster}}}}} i WHERE i.uid = {expr}))"

    # --- as part of a key ----------------------------------------------------------------------------------

    def unit(self, expr: str) -> str:
        """The old text of a key, over a new row; of an account that is no user's, its own."""
        now = f"SELECT i.old_user_id::text FROM {{{{{self.roster}}}}} i WHERE i.uid = {expr}"
        before = f"SELECT i.old_user_id::text FROM {{{{{self.roster}}}}} i WHERE i.was @> ARRAY[{expr}] LIMIT 1"
        return f"coalesce(({now}), ({before}), {expr}::text)"

    def is_unit(self, expr: str, text: str, old_type: str) -> str:
        """Whether a new value may be that of the old text: what it became, or had become before, or the text itself."""
        ids = f"SELECT unnest(i.was || i.uid) FROM {{{{{self.roster}}}}} i WHERE {self._find(text, 'text')}"
        return f"{expr} = ANY (ARRAY({ids}) || {to_uuid(text)})"

"""SQL expressions about UUIDs in text, for every server from 14 on; all are immutable and can be indexed.

An `expr` is SQL of a text type. It is put in parentheses here, and may be repeated.
"""

from __future__ import annotations

import re
from uuid import UUID

from ecluse.model.names import literal

# What uuid_in() takes: an optional dash after every fourth digit, the whole in braces or not, no blanks.
_DIGITS = "[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}"
_ACCEPTED = rf"^({_DIGITS}|[{{]{_DIGITS}[}}])$"
_BACKSLASH = "\\"
_SHAPE = "________-____-____-____-____________"


def parse_uuid(text: str) -> str:
    """The canonical form of a text that the server would take as a UUID, empty for any other."""
    return str(UUID(text)) if re.fullmatch(_ACCEPTED, text) else ""


def valid_uuid(expr: str) -> str:
    """Whether the text can be cast to uuid; NULL for NULL."""
    return f"(case when {canonical(expr)} then true else {_matches(expr, _ACCEPTED)} end)"


def to_uuid(expr: str) -> str:
    """The text as uuid, NULL when it is not one. The cast is never reached by an invalid text."""
    return f"(case when {valid_uuid(expr)} then ({expr})::uuid end)"


def canonical(expr: str) -> str:
    """Whether the text is exactly what uuid_out() would print: lower case with four dashes; NULL for NULL.

    Asked of every row of a table, so it is not a regular expression: this takes about a third of its time.
    """
    # The column's own collation may be non-deterministic, for which servers before 18 cannot search in a text.
    text = f'(({expr}) collate "C")'
    shape = f"octet_length({expr}) = 36 and {text} like '{_SHAPE}'"
    # The cast to bytea would stumble over a backslash.
    plain = f"strpos({text}, {literal(_BACKSLASH)}) = 0 and octet_length(replace({text}, '-', '')) = 32"
    digits = f"btrim(({expr})::bytea, '0123456789abcdef-'::bytea) = ''::bytea"
    return f"(case when {shape} and {plain} then {digits} when ({expr}) is not null then false end)"


def plainly_written(expr: str) -> str:
    """Whether a text that *is* a UUID is written as uuid_out() would: of any other text this says nothing.

    With dashes in those four places, 32 octets remain, and a UUID has as many digits: there is no room for braces.
    """
    text = f'(({expr}) collate "C")'
    return f"({text} like '{_SHAPE}' and lower({text}) = {text})"


def derived_uuid(namespace: str, expr: str) -> str:
    """A UUID of version 8 (RFC 9562) made of the namespace and the text: the same for the same, NULL for NULL."""
    text = f'{literal(namespace + ":")} || ({expr}) collate "C"'
    # convert_to() would say UTF8 outright, but is not immutable. A cast is; it only wants its backslashes doubled.
    octets = f"replace({text},{literal(_BACKSLASH)},{literal(_BACKSLASH * 2)})::bytea"
    digits = f"left(encode(sha256({octets}), 'hex'), 32)"
    # Version and variant take a whole digit each; 120 bits of the hash remain.
    return f"(overlay(overlay({digits} placing '8' from 13) placing '8' from 17)::uuid)"


def _matches(expr: str, pattern: str) -> str:
    # The column's own collation may be non-deterministic, for which the server has no regular expressions.
    return f"(({expr}) collate \"C\" ~ '{pattern}')"

"""SQL expressions about UUIDs in text, for every server from 14 on; all are immutable and can be indexed.

An `expr` is SQL of a text type. It is put in parentheses here, and may be repeated.
"""

from __future__ import annotations

import re

from ecluse.model.names import literal

# What uuid_in() takes: an optional dash after every fourth digit, the whole in braces or not, no blanks.
_DIGITS = "[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}"
_ACCEPTED = rf"^({_DIGITS}|[{{]{_DIGITS}[}}])$"
_AS_WHOLE = re.compile(_ACCEPTED)
_BACKSLASH = "\\"
_SHAPE = "________-____-____-____-____________"
# The digits 13 and 17, as bits: in each octet the lowest comes first, and its first digit is the upper half.
_EIGHTS = (52, 53, 54, 55, 68, 69, 70, 71)
_HIGHEST = (55, 71)


def parse_uuid(text: str) -> str:
    """The canonical form of a text that the server would take as a UUID, empty for any other."""
    if not _AS_WHOLE.fullmatch(text):
        return ""
    digits = text.strip("{}").replace("-", "").lower()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def valid_uuid(expr: str) -> str:
    """Whether the text can be cast to uuid; NULL for NULL."""
    return f"(case when {canonical(expr)} then true else {_matches(expr, _ACCEPTED)} end)"


def to_uuid(expr: str) -> str:
    """The text as uuid, NULL when it is not one. The cast is never reached by an invalid text."""
    return f"(case when {valid_uuid(expr)} then ({expr})::uuid end)"


def canonical(expr: str) -> str:
    """Whether the text is exactly what uuid_out() would print: lower case with four dashes; NULL for NULL.

    Asked of every row of a table, so it is not one regular expression: those that count take five times as long.
    """
    text = f'(({expr}) collate "C")'
    # With dashes in those four places and no others, 32 characters remain, and all of them are digits.
    shape = f"{text} like '{_SHAPE}' and octet_length(replace({text}, '-', '')) = 32"
    return f"(case when {shape} then {text} !~ '[^0-9a-f-]' when ({expr}) is not null then false end)"


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
    # 128 bits of the hash; those of version and variant are set, a whole digit each, and 120 remain.
    bits = f"substr(sha256({octets}), 1, 16)"
    for bit in _EIGHTS:
        bits = f"set_bit({bits}, {bit}, {int(bit in _HIGHEST)})"
    return f"(encode({bits}, 'hex')::uuid)"


def _matches(expr: str, pattern: str) -> str:
    # The column's own collation may be non-deterministic, for which the server has no regular expressions.
    return f"(({expr}) collate \"C\" ~ '{pattern}')"

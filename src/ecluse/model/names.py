"""Names of things in PostgreSQL, and the only two functions that quote."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_MAX_BYTES = 63  # NAMEDATALEN - 1
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")


def ident(name: str) -> str:
    """Quote an identifier, always: a quoted name needs no list of reserved words."""
    if "\0" in name or not name:
        raise ValueError("an identifier is empty or contains a zero byte")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string constant; the E form where there is a backslash, so that no setting changes its meaning."""
    if "\0" in text:
        raise ValueError("a string constant contains a zero byte")
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def short(name: str) -> str:
    """A name of at most 63 bytes: a long one is cut and gets eight hex digits of its own hash."""
    raw = name.encode()
    if len(raw) <= _MAX_BYTES:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:8]
    return raw[: _MAX_BYTES - 9].decode(errors="ignore") + "_" + digest


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A schema-qualified name."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str, default_schema: str = "public") -> Name:
        """Read `name`, `schema.name`, either part in double quotes. Raises ValueError on anything else."""
        parts = re.findall(r'"((?:[^"]|"")+)"|([^."\s]+)', text)
        rebuilt = ".".join(f'"{quoted}"' if quoted else plain for quoted, plain in parts)
        if rebuilt != text or not 1 <= len(parts) <= 2:
            raise ValueError(f"'{text}' is not the name of a table")
        words = [quoted.replace('""', '"') if quoted else plain for quoted, plain in parts]
        return cls(*words) if len(words) == 2 else cls(default_schema, words[0])

    @property
    def sql(self) -> str:
        """The quoted form for SQL."""
        return f"{ident(self.schema)}.{ident(self.name)}"

    def within(self, schema: str) -> Name:
        """The same name in another schema."""
        return Name(schema, self.name)

    def __str__(self) -> str:
        """The form for people: quotes only where PostgreSQL itself would need them."""
        return ".".join(p if _PLAIN.match(p) else ident(p) for p in (self.schema, self.name))

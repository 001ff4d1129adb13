"""The small texts that all DDL is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ecluse.errors import OurBug
from ecluse.model.names import Name, ident, literal

# PostgreSQL prints a name bare only if it is of small letters, digits and underscores.
_PART = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)'
_OUTSIDE_QUOTES = r'(?:"(?:[^"]|"")*"|[^"])*?'


def retarget(definition: str, keyword: str, before: Name, after: Name) -> str:
    """Put `after` in the place of `before` where it follows the first `keyword` that is not within quotes.

    Raises OurBug if another name stands there.
    """
    found = re.match(
        rf"(?P<head>{_OUTSIDE_QUOTES}\s{keyword}\s)(?P<name>{_PART}\.{_PART})(?P<rest>.*)", definition, re.S
    )
    if found is None or Name.parse(found["name"]) != before:
        raise OurBug(f"a definition does not have '{before}' after '{keyword}'", details=definition)
    return found["head"] + after.sql + found["rest"]


def options(settings: Iterable[str]) -> str:
    """` WITH ("fillfactor" = '70')`, or nothing."""
    pairs = [setting.partition("=") for setting in settings]
    texts = [f"{'.'.join(ident(part) for part in key.split('.'))} = {literal(value)}" for key, _, value in pairs]
    return f" WITH ({', '.join(texts)})" if texts else ""


def names(words: Iterable[str]) -> str:
    """Quoted and separated by commas."""
    return ", ".join(ident(word) for word in words)


def comment(target: str, text: str | None) -> list[str]:
    """COMMENT ON, where there is one."""
    return [] if text is None else [f"COMMENT ON {target} IS {literal(text)}"]


def states(table: Name, what: str, each: Iterable[tuple[str, str]]) -> list[str]:
    """ALTER TABLE for triggers or rules that are not simply enabled; a state is pg_trigger.tgenabled."""
    return restored_states(table, what, [(name, state) for name, state in each if state != "O"])


def restored_states(table: Name, what: str, each: Iterable[tuple[str, str]]) -> list[str]:
    """The same for all of them, after something (DISABLE TRIGGER USER) has changed their states."""
    verbs = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
    return [f"ALTER TABLE {table.sql} {verbs[state]} {what} {ident(name)}" for name, state in each]

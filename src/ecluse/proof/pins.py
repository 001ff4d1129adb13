"""The session settings on which the text of a value depends; a checksum under others proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ecluse.errors import OurBug
from ecluse.postgres.connect import Session

# With an empty search_path the text of regclass, regtype and the like is always qualified. With row_security off
# a policy raises instead of hiding rows from the count.
_PINS: Mapping[str, Callable[[str], bool]] = {
    "TimeZone": lambda value: value == "UTC",
    "DateStyle": lambda value: value.startswith("ISO"),
    "IntervalStyle": lambda value: value == "postgres",
    "extra_float_digits": lambda value: int(value) >= 1,
    "bytea_output": lambda value: value == "hex",
    "search_path": lambda value: value in ("", '""'),
    "row_security": lambda value: value == "off",
    "client_encoding": lambda value: value == "UTF8",
}

_SHOW = "SELECT " + ", ".join(f"pg_catalog.current_setting('{name}')" for name in _PINS)


def assert_pinned(session: Session) -> None:
    """Raise OurBug when the session is not pinned: whoever opened it forgot to."""
    row = session.execute(_SHOW.encode()).fetchone()
    assert row is not None
    loose = [f"{name} is '{value}'" for (name, fits), value in zip(_PINS.items(), row, strict=True) if not fits(value)]
    if loose:
        raise OurBug("a proof was asked of a session that is not pinned", details=", ".join(loose))

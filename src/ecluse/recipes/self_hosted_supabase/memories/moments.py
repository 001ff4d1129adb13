"""When something was said, as memories write it: ISO 8601, or a number of seconds or milliseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d{1,9}))? ?(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?\Z",
    re.A,
)
# Smaller is no plausible time (1973), greater are microseconds: neither is guessed at.
_SECONDS = (10**8, 10**11)
_MILLISECONDS = (10**11, 10**14)


class NotAMoment(ValueError):
    """A value that tells no moment. Its text is the reason, without the value."""


def moment(value: object, zone: tzinfo) -> datetime:
    """The moment in UTC, to the microsecond; one without a zone is of `zone`. Raises NotAMoment."""
    if isinstance(value, str):
        return _from_text(value.strip(), zone)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(Decimal(repr(value)))
    raise NotAMoment("is neither a text nor a number")


def _from_text(text: str, zone: tzinfo) -> datetime:
    if not text:
        raise NotAMoment("is empty")
    found = _ISO.match(text)
    if not found:
        raise NotAMoment("is not a date of ISO 8601")
    # Columns end at the microsecond, and so does what Python writes; further digits are cut off.
    fraction = (found["fraction"] or "").ljust(6, "0")[:6]
    written = f"{found['day']}T{found['time'] or '00:00'}"
    written += ":00" if written.count(":") == 1 else ""
    try:
        read = datetime.fromisoformat(f"{written}.{fraction}{(found['zone'] or '').upper()}")
        return read.astimezone(UTC) if read.tzinfo else _in_zone(read, zone)
    except NotAMoment:
        raise
    except (ValueError, OverflowError):
        raise NotAMoment("is a date that does not exist") from None


def _in_zone(read: datetime, zone: tzinfo) -> datetime:
    """An hour that the clocks passed twice, or never, is no moment: choosing one would be a guess."""
    first, second = (read.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        raise NotAMoment("is in an hour in which the clocks were changed, and names no zone")
    return first


def _from_number(number: Decimal) -> datetime:
    if _SECONDS[0] <= number < _SECONDS[1]:
        microseconds = number * 10**6
    elif _MILLISECONDS[0] <= number < _MILLISECONDS[1]:
        microseconds = number * 10**3
    else:
        raise NotAMoment("is a number that is neither seconds nor milliseconds since 1970")
    return _EPOCH + timedelta(microseconds=int(microseconds))

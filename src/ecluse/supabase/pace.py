"""How fast a service is asked: a rate over all threads, and how long to wait where it is busy."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class Stopped(Exception):
    """Somebody asked us to stop, between two requests."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is made again, and how long to wait before, in seconds: twice as long each time.

    `longest`: a service that says it wants more time than that is not waited for.
    """

    attempts: int = 7
    first: float = 0.5
    longest: float = 120.0

    def before(self, attempt: int) -> float:
        """How long to wait after an attempt, counted from 0."""
        return min(self.first * 2.0**attempt, self.longest)


@dataclass
class Pace:
    """At most `rate` requests a second. `stop` ends every wait."""

    rate: float
    stop: threading.Event = field(default_factory=threading.Event)
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        """Wait for one's turn. Raises Stopped."""
        with self._lock:
            turn = max(time.monotonic(), self._next)
            self._next = turn + 1 / self.rate
        self.sleep(turn - time.monotonic())

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes before that many seconds are over."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Stopped as soon as that is asked for."""
        if self.stop.wait(max(0.0, seconds)):
            raise Stopped


def retry_after(header: str) -> float | None:
    """The seconds that a header Retry-After asks for, as a number or as a date; None where it says nothing."""
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())

"""What a check came to, service by service: a question that could not be asked is not a yes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from ecluse.supabase.http import NoAnswer, Reply
from ecluse.supabase.refusals import Cause, cause_of

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question to one service. `why` and `hint` say what is the matter where it is not ok."""

    service: str
    title: str
    state: Literal["ok", "failed", "not asked"]
    why: str = ""
    hint: str = ""
    seconds: float = 0.0


class Failed(Exception):
    """The service does not do what was asked of it."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.why)
        self.cause = cause


@dataclass
class Record:
    """The questions so far, in the order in which they were asked."""

    tell: Callable[[Outcome], None] = lambda outcome: None
    outcomes: list[Outcome] = field(default_factory=list)

    def ask(self, service: str, title: str, question: Callable[[], _T]) -> _T | None:
        """Ask, and note what came of it; None where it failed, and why is noted."""
        begun = time.monotonic()
        found: _T | None = None
        try:
            found = question()
            outcome = Outcome(service, title, "ok", seconds=time.monotonic() - begun)
        except NoAnswer as error:
            hint = f"docker compose ps {service}"
            outcome = Outcome(service, title, "failed", str(error), hint, time.monotonic() - begun)
        except Failed as error:
            cause = error.cause
            outcome = Outcome(service, title, "failed", cause.why, cause.hint, time.monotonic() - begun)
        self._note(outcome)
        return found

    def leave(self, service: str, title: str, why: str) -> None:
        """Note a question that could not be asked."""
        self._note(Outcome(service, title, "not asked", why))

    @property
    def good(self) -> bool:
        """Whether every question was asked and answered well."""
        return all(outcome.state == "ok" for outcome in self.outcomes)

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.tell(outcome)


def wanted(service: str, reply: Reply, *statuses: int) -> Reply:
    """The answer, if its status is one of these. Raises Failed with the cause."""
    if reply.status not in statuses:
        raise Failed(cause_of(service, reply))
    return reply

"""`ecluse supabase check`: whether a running stack does for applications what it is there for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ecluse.errors import SettingsError
from ecluse.supabase.health import RunningStack, check_health
from ecluse.supabase.http import Gateway, gateway_address
from ecluse.supabase.outcomes import Outcome, Record
from ecluse.supabase.probe import Patience, check_person
from ecluse.supabase.tokens import ANON, SERVICE


@dataclass(frozen=True, slots=True)
class Choices:
    """Where the stack is, without which its port on this machine is meant, and how far to go."""

    url: str = ""
    health_only: bool = False
    timeout: float = 10
    patience: Patience = field(default_factory=Patience)


def check_stack(values: Mapping[str, str], choices: Choices, tell: Callable[[Outcome], None]) -> Record:
    """Ask all there is to ask, one after the other. Raises SettingsError where `.env` has no keys to ask with."""
    stack = RunningStack(Gateway(gateway_address(values, choices.url), choices.timeout), values)
    if not stack.key(ANON) or not stack.key(SERVICE):
        raise SettingsError("'.env' has no keys to ask with", hint="ecluse supabase keys check")
    record = Record(tell)
    if check_health(stack, record) and not choices.health_only:
        check_person(stack, record, choices.patience)
    return record

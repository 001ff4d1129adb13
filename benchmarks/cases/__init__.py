"""What is migrated: each case is a value, and all of them run in the same bench."""

from __future__ import annotations

from benchmarks.cases.activities import ACTIVITIES
from benchmarks.cases.case import Case
from benchmarks.cases.conversations import CONVERSATIONS

CASES: dict[str, Case] = {case.name: case for case in (CONVERSATIONS, ACTIVITIES)}
DEFAULT = CONVERSATIONS.name

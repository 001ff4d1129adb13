"""The migrations after which the old shape is used, by name."""

from __future__ import annotations

from benchmarks.old_shape.cases import conversations, talks
from benchmarks.old_shape.cases.case import Case

CASES: dict[str, Case] = {
    case.name: case for case in (conversations.case(unusual=False), conversations.case(unusual=True), talks.CASE)
}

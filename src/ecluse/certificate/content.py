"""The content of a report and its own hash, by which an edited one is found out. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

_HASH = "sha256"


def digest(report: Mapping[str, Any]) -> str:
    """The sha256 of what a report says: its JSON with sorted keys and no blanks, without the hash itself."""
    said = {key: value for key, value in report.items() if key != _HASH}
    return sha256(json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def sealed(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with its hash. Values that JSON has no word for raise TypeError."""
    return {**report, _HASH: digest(report)}


def intact(report: Mapping[str, Any]) -> bool:
    """Whether a report says what it said when it was made."""
    return report.get(_HASH) == digest(report)

"""How steps and stages of the engine are called in front of people."""

from __future__ import annotations

STAGES: dict[str, str] = {
    "prepare": "create the new tables",
    "capture": "capture writes on the old tables",
    "seed": "find the units that no range may cut",
    "copy": "copy rows",
    "repair": "take out what was written meanwhile",
    "index": "build indexes and constraints",
    "drain": "bring the new tables up to date",
    "verify": "compare old and new, both ways",
    "gate": "the gate",
    "archive": "write the archive",
    "checksums": "read and sum up every row",
    "dump": "write the dump",
    "restore": "restore the dump",
    "restored": "compare what was restored",
    "live": "compare with what is there now",
}
# The stages of `apply`, in order: what "3/8" counts.
APPLY = ("prepare", "capture", "seed", "copy", "repair", "index", "drain", "verify")

PHASES: dict[str, str] = {
    "expand": "expand",
    "copy": "copy",
    "index": "index",
    "drain": "drain",
    "verify": "verify",
    "switch": "switch (ecluse switch, after the gate)",
    "after": "after the switch",
    "finish": "finish (ecluse finish)",
}


def stage(name: str) -> str:
    """The words for a stage or step."""
    return STAGES.get(name, name)

"""The memory of the oldest version: a JSON file for each user, named by a hash of the id."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_WITH_FILES = 200
_SAID = (
    "Quels sont les acteurs du fret fluvial en Île-de-France ?",
    "Résume la réglementation des écluses automatiques.",
    "Which ports invest in shore power, and since when?",
    "Compare les coûts du transport par barge et par camion — en €/t·km.",
    'Le marché croît de 4 % par an ; les "petits gabarits" restent stables.',
    "Three competitors have announced new lines.\nTwo of them run at night.",
)


def write_memories(folder: Path, ids: Iterable[int], seed: int) -> dict[str, int]:
    """Write a file for each id, and one more that belongs to nobody. Gives the counts of what was planted.

    `files` are those of the ids and `strangers` the others; `conversations` are all in the files of the ids, of which
    `empty` lack a question or an answer, `unparseable` have a date that is none, `undated` none at all, and `summaries`
    only a summary of the answer. Each is there as soon as there is one id.
    """
    chance = random.Random(seed)
    planted = Counter(files=0, conversations=0, empty=0, unparseable=0, undated=0, summaries=0, strangers=1)
    known = list(ids)
    for place, each in enumerate(known):
        conversations = [_conversation(chance) for _ in range(chance.randint(2, 6))]
        conversations += _odd(place, chance, planted)
        _write(folder, each, conversations)
        planted["files"] += 1
        planted["conversations"] += len(conversations)
    _write(folder, max(known, default=0) + 1_000_000, [_conversation(chance)])
    return dict(planted)


def write_some_memories(folder: Path, rows: int, seed: int) -> None:
    """The files of the first users of a sample of `rows`; the others had come when there was a table."""
    folder.mkdir(exist_ok=True)
    write_memories(folder, range(1, min(rows, _WITH_FILES) + 1), seed)


def _odd(place: int, chance: random.Random, planted: Counter[str]) -> list[dict[str, Any]]:
    """What goes wrong in the file at that place: of five files one has an empty row, and so on."""
    odd: list[dict[str, Any]] = []
    if place % 2 == 0:
        summary = _conversation(chance)
        summary["response_summary"] = summary.pop("response")[:40] + "..."
        odd.append(summary)
        planted["summaries"] += 1
    if place % 5 == 0:
        odd += [_conversation(chance) | {"query": ""}, _conversation(chance) | {"response": ""}]
        planted["empty"] += 2
    if place % 7 == 0:
        odd.append(_conversation(chance) | {"timestamp": "hier soir"})
        planted["unparseable"] += 1
    if place % 11 == 0:
        undated = _conversation(chance)
        del undated["timestamp"]
        odd += [undated, undated | {"created_at": "2024-11-05 18:30:00"}]
        planted["undated"] += 1
    return odd


def _conversation(chance: random.Random) -> dict[str, Any]:
    analysis = chance.random() < 0.25
    day, hour, minute = chance.randint(1, 28), chance.randint(0, 23), chance.randint(0, 59)
    return {
        "query": chance.choice(_SAID),
        "response": " ".join(chance.choices(_SAID, k=chance.randint(3, 12))),
        "conversation_type": "analysis" if analysis else "chat",
        "analysis_type": "synthese_executive" if analysis else None,
        "business_type": chance.choice((None, "retail", "finance_banque")),
        "timestamp": f"2024-{chance.randint(1, 12):02}-{day:02}T{hour:02}:{minute:02}:00" + chance.choice(("", "Z")),
    }


def _write(folder: Path, of: int, conversations: list[dict[str, Any]]) -> None:
    name = hashlib.md5(str(of).encode(), usedforsecurity=False).hexdigest()[:12]
    text = json.dumps({"conversations": conversations}, ensure_ascii=False, indent=2)
    (folder / f"memory_{name}.json").write_text(text, encoding="utf-8")

"""Human text of a Supabase of one's own: its keys, its files, whether it works."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ecluse.cli.render import human


def day(moment: datetime | None) -> str | None:
    """A day as it is written; None where there is none."""
    return f"{moment:%Y-%m-%d}" if moment else None


def made(value: dict[str, Any]) -> Iterator[str]:
    """The secrets of a new stack."""
    yield f"wrote {value['file']} (mode 0600): {human.many(len(value['changed']), 'secret')}"
    if value["kept"]:
        yield f"kept  {value['kept']}"
    yield from _secrets(value)


def rotated(value: dict[str, Any]) -> Iterator[str]:
    """What a rotation made new, and what is to be done now."""
    yield f"wrote {value['file']}: new keys, and those of before beside them"
    yield from _secrets(value)
    yield "Now:"
    yield f"  1. cd {value['folder']} && docker compose up -d"
    yield "  2. give applications their new keys; `ecluse supabase keys check` names those that have the old ones"
    yield "  3. ecluse supabase keys rotate --end, and once more the first"
    yield "A server that speaks to auth without the gateway needs its new key with the first step."


def ended(value: dict[str, Any]) -> Iterator[str]:
    """The end of an overlap."""
    yield f"wrote {value['file']}: the keys of before are not accepted any more, once the stack has it"
    yield f"Now: cd {value['folder']} && docker compose up -d"


def _secrets(value: dict[str, Any]) -> Iterator[str]:
    shown = value.get("values")
    if shown is None:
        yield from human.table([(name,) for name in value["changed"]])
        yield "  --show prints them."
    else:
        yield from human.table(shown.items())


def key_check(value: dict[str, Any]) -> Iterator[str]:
    """Every key that was found, and what is wrong."""
    yield human.heading("keys")
    rows = [("place", "role", "issued", "expires", "signed with")]
    rows += [(k["place"], k["role"] or "?", k["issued"] or "-", k["expires"] or "-", _signed(k)) for k in value["keys"]]
    yield from human.table(rows)
    for found in value["findings"]:
        yield ""
        mark = human.answer(False) if found["level"] == "wrong" else human.level("note")
        yield f"{mark} {human.heading(found['fault'])}  {found['place']}"
        yield f"   {found['message']}"
        if found["cause"]:
            yield f"   so: {found['cause']}"
        if found["hint"]:
            yield f"   hint: {found['hint']}"
    wrong = sum(found["level"] == "wrong" for found in value["findings"])
    yield ""
    yield f"{human.many(wrong, 'fault')}: see above." if wrong else "All keys fit together."


def _signed(key: dict[str, Any]) -> str:
    if key["form"] == "opaque":
        return "-"
    words = {"current": "JWT_SECRET", "previous": "the previous secret", "encoded": "JWT_SECRET, decoded"}
    return words.get(key["signed"], "another secret") if key["form"] == "jwt" else "no key"


def composed(value: dict[str, Any]) -> Iterator[str]:
    """The files of a stack, and ports that something has already."""
    yield human.heading(value["folder"])
    yield from human.table([(file["state"], file["name"]) for file in value["files"]])
    for name, port in value["taken"].items():
        yield f"note: something listens on port {port} already; unless it is this stack, set another {name} in .env"


_WIDTH = 8  # of the longest name of a service


def outcome(value: dict[str, Any]) -> Iterator[str]:
    """One question, as soon as it is answered."""
    if value["state"] == "not asked":
        yield f"{human.level('warn')} {value['service']:{_WIDTH}}  {value['title']}: not asked, {value['why']}"
        return
    mark = human.answer(value["state"] == "ok")
    yield f"{mark} {value['service']:{_WIDTH}}  {value['title']}  {human.duration(value['seconds'])}"
    if value["why"]:
        yield f"   {value['why']}"
    if value["hint"]:
        yield f"   hint: {value['hint']}"


def checked(value: dict[str, Any]) -> Iterator[str]:
    """What all questions came to."""
    failed = [found["service"] for found in value["outcomes"] if found["state"] == "failed"]
    yield f"These fail: {', '.join(dict.fromkeys(failed))}." if failed else "All services work."

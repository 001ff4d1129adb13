"""The page: a report as one HTML file that needs no network and no script. Pure, but for its own template."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from ecluse.certificate.blocks import facts, hash_cell, mono
from ecluse.certificate.content import digest
from ecluse.certificate.sankey import WIDTH
from ecluse.certificate.sections import sections
from ecluse.certificate.words import moment
from ecluse.words import many

_TONES = ("note", "good", "bad")


def html(report: Mapping[str, Any]) -> str:
    """The report as a page. Nothing else is read, so the page says what the JSON says.

    A report of another kind than a run gives `title`, `verdict` ({"tone", "words", "more"}), `facts` ([[name, value]])
    and `sections` of its own (see `blocks`); what it has of a run's parts is shown as for a run.
    """
    css = _read("page.css")
    page: str = _template().render(
        css=css,
        css_hash=b64encode(sha256(css.encode()).digest()).decode(),
        title=str(
            report.get("title") or f"Certificate of '{report.get('migration', '')}', run {report.get('run', '')}"
        ),
        verdict=_verdict(report),
        facts=_facts(report),
        sections=sections(report),
        width=WIDTH,
        made_by=str(report.get("made_by", "ecluse")),
        made_at=moment(report.get("made_at")),
        sha256=hash_cell(str(report.get("sha256") or digest(report)))["text"],
    )
    return page


@cache
def _template() -> Any:
    loader = FunctionLoader(_read)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.jinja")


@cache
def _read(name: str) -> str:
    return resources.files("ecluse.certificate").joinpath(name).read_text(encoding="utf-8")


# --- the head ---------------------------------------------------------------------------------------


def _verdict(report: Mapping[str, Any]) -> dict[str, str]:
    given = report.get("verdict")
    if isinstance(given, Mapping):
        tone = str(given.get("tone", "note"))
        return {
            "tone": tone if tone in _TONES else "note",
            "words": str(given.get("words", "")),
            "more": str(given.get("more", "")),
        }
    state = f"{str(report.get('state', ''))[:1].upper()}{str(report.get('state', ''))[1:]}."
    error = report.get("error")
    if error:
        words = f"`ecluse {error.get('command', '')}` failed: {error.get('message', '')}"
        return {"tone": "bad", "words": words, "more": f"{error.get('details', '')}\n{state}".strip()}
    return {**_said(report), "more": state}


def _said(report: Mapping[str, Any]) -> dict[str, str]:
    passed, status = report.get("passed"), report.get("status")
    if passed is False:
        return {"tone": "bad", "words": "The last proof does NOT hold."}
    if status == "rolled_back":
        return {"tone": "note", "words": "Taken back: the old shape is in use."}
    if passed is None:
        return {"tone": "note", "words": "Nothing is proved yet."}
    aside = sum(int(account["quarantined"]) for account in report.get("accounts", ()))
    told = f" {many(aside, 'row')} set aside, with reasons." if aside else ""
    return {"tone": "good", "words": f"Proved: every row is accounted for.{told}"}


def _facts(report: Mapping[str, Any]) -> list[list[Any]]:
    if "facts" in report:
        found = facts((str(name), value) for name, value in report["facts"])
    else:
        database = report.get("database", {})
        dates = (
            ("Began", "started_at"),
            ("Switched", "switched_at"),
            ("Finished" if report.get("status") == "finished" else "Ended", "ended_at"),
        )
        found = facts(
            (
                ("Migration", report.get("migration")),
                ("Database", database.get("label")),
                ("Server", database.get("server")),
                ("Run", mono(str(report.get("run", "")))),
                ("Status", str(report.get("status", "")).replace("_", " ")),
                ("Plan", mono(report.get("plan", {}).get("fingerprint", ""))),
                *((name, moment(report[key])) for name, key in dates if report.get(key)),
            )
        )
    items: list[list[Any]] = found["items"]
    return items

"""The page in a real browser: it fits a phone, asks the network for nothing, and is whole without a script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecluse import certificate
from ecluse.certificate.content import sealed
from tests.certificate.browser import PROGRAM, browser
from tests.certificate.test_page import account, many

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium is installed here")

LONG = "a_schema_of_a_long_name.a_table_whose_name_is_as_long_as_postgresql_lets_a_name_be_which_is_63"


def _report(number: int) -> dict[str, Any]:
    """A report with every part of one, its tables as many as asked for, with names that have no place to break."""
    accounts = [*many(number - 1), account(LONG, 12_345_678, 99, 7)]
    compared = {
        "left_rows": 12_345_678,
        "right_rows": 12_345_678,
        "left_sum": "0123456789abcdef01234567-89abcdef0123456789abcdef",
        "right_sum": "0123456789abcdef01234567-89abcdef0123456789abcdee",
        "pending": 3,
        "equal": False,
        "differing": 2,
        "kinds": {"missing": 2},
        "columns": [LONG],
        "direction": "forward",
    }
    proof = {
        "id": 1,
        "at": "2026-11-30 03:00:00+00",
        "moment": "apply",
        "passed": False,
        "snapshot": "1:2:",
        "seen_at": "",
    }
    proof |= {
        "tables": number,
        "differing": 1,
        "probes": [{"title": LONG, "passed": False, "ran": True, "details": LONG}],
    }
    moment = {"began": "2026-11-30 03:00:00+00", "ended": "2026-11-30 03:00:01+00", "seconds": 1.0, "detail": {}}
    stage = {"kind": "stage", "name": "copy", "outcome": "", **moment}
    command = {
        "kind": "command",
        "name": "apply",
        "outcome": "failed",
        **moment,
        "detail": {"message": LONG, "code": "X"},
    }
    return sealed(
        {
            "made_by": "ecluse",
            "made_at": "2026-11-30T03:00:00+00:00",
            "migration": LONG,
            "run": 1,
            "database": {"label": LONG, "server": "PostgreSQL 18"},
            "status": "ready",
            "state": "the old shape is in use",
            "passed": False,
            "error": None,
            "asked": [f"convert {LONG} to uuid"],
            "accounts": accounts,
            "accounts_at": "2026-11-30 03:00:00+00",
            "proofs": [proof | {"comparisons": [{"table": a["table"], **compared} for a in accounts]}],
            "quarantine": [{"table": LONG, "reason": LONG, "state": "held", "rows": 7}],
            "parked": [],
            "timeline": [stage, command],
            "copy": [{"flow": LONG, "rows": 5, "ranges": 1, "seconds": 0.5}],
            "structure": {
                "planned": True,
                "changes": [{"kind": "table", "object": LONG, "what": LONG, "before": LONG, "after": LONG}],
            },
            "no_way_back": [{"what": LONG, "by": "finish", "since": None}],
            "plan": {
                "fingerprint": "f" * 12,
                "sha256": "a" * 64,
                "text_sha256": "b" * 64,
                "hazards": [{"id": "x", "level": "warn", "object": LONG, "message": LONG}],
                "census": [],
            },
        }
    )


# Colours as the browser has them: text that is drawn, against what is behind it. WCAG asks 4.5 of small letters.
_CONTRASTS = """
(() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const found = {};
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest("desc, title")) continue;
    const style = getComputedStyle(e);
    const color = e.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(parse(color)), light(behind(e))].sort((x, y) => y - x);
    found[e.tagName + "." + e.getAttribute("class") + " " + color] = (a + 0.05) / (b + 0.05);
  }
  return found;
})()
"""

_WIDE = "[...document.querySelectorAll('body *')].filter((e) => !e.closest('desc, title, thead') && "
_WIDE += "e.getBoundingClientRect().right > innerWidth + 0.5).map((e) => e.tagName + ' ' + e.className).slice(0, 5)"


@pytest.mark.parametrize("tables", [1, 60])
def test_a_phone_a_desk_the_dark_and_paper_without_network_or_script(tables: int, tmp_path: Path) -> None:
    report = _report(tables)
    file = tmp_path / "report.html"
    file.write_text(certificate.html(report), encoding="utf-8")
    with browser(tmp_path / "profile") as tab:
        for width in (390, 320, 1280):
            tab.open(file, width)
            assert tab.ask("document.documentElement.scrollWidth") <= width
            assert tab.ask(_WIDE) == []
        for scheme, media in (("light", ""), ("dark", ""), ("light", "print")):
            tab.media(scheme, media)
            pale = {what: ratio for what, ratio in tab.ask(_CONTRASTS).items() if ratio < 4.5}
            assert pale == {}, (scheme, media)
        text = tab.ask("document.body.innerText")
        assert tab.ask("document.querySelectorAll('svg.sankey path').length") >= 3
        printed = tab.printed()
        assert set(tab.asked) == {file.as_uri()}, "nothing but the page itself is asked for"
        assert tab.said == []
    assert "12,345,678" in text and report["sha256"][:8] in text
    assert text.count(LONG) > 10, "a long name wraps, and is not cut"
    assert printed.startswith(b"%PDF")

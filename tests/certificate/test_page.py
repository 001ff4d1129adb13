"""The page and its picture, made of values alone."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from ecluse import certificate
from ecluse.certificate import sankey
from ecluse.certificate.words import duration, moment


def account(name: str, carried: int, merged: int = 0, quarantined: int = 0) -> dict[str, Any]:
    rows_in = carried + merged + quarantined
    figures = {"rows_in": rows_in, "carried": carried, "merged": merged, "quarantined": quarantined}
    return {"table": name, "becomes": [name], "balanced": True, "reasons": {}, **figures}


def many(number: int) -> list[dict[str, Any]]:
    marked = {7: (3, 0), 55: (0, 1)}
    return [account(f"public.table_{n}", 4 ** (n % 11), *marked.get(n, (0, 0))) for n in range(number)]


@pytest.mark.parametrize("number", [1, 2, 15, 16, 60])
def test_the_picture_keeps_every_row_and_fits(number: int) -> None:
    accounts = many(number)
    drawn = sankey.draw(accounts)
    assert drawn is not None
    assert len(drawn.tables) <= 15
    assert drawn.grouped == (number - 14 if number > 15 else 0)
    whole = sum(a["rows_in"] for a in accounts)
    assert sum(int(bar.number.replace(",", "")) for bar in drawn.tables) == whole
    assert sum(int(bar.number.replace(",", "")) for bar in drawn.fates) == whole
    for bars in (drawn.tables, drawn.fates):
        assert all(one.top + one.high < following.label_at for one, following in pairwise(bars))
        assert all(bar.top >= 0 and bar.top + bar.high <= drawn.height for bar in bars)
    assert all(ribbon.thick >= 3 for ribbon in drawn.ribbons)
    for fate in drawn.fates:
        assert sum(r.thick for r in drawn.ribbons if r.fate == fate.fate) == pytest.approx(fate.high, abs=0.5)
    if number == 60:
        shown = {bar.title.split(":")[0] for bar in drawn.tables}
        assert {"public.table_7", "public.table_55"} <= shown, "what was merged or quarantined is never in the group"


def test_no_rows_no_picture() -> None:
    assert sankey.draw([account("public.empty", 0)]) is None
    assert sankey.draw([]) is None


def test_what_comes_with_a_report_is_text_and_nothing_else() -> None:
    evil = "</style><script>alert(1)</script><img src=http://x.example/y onerror=z>"
    section = {
        "id": evil,
        "title": evil,
        "lead": evil,
        "blocks": [
            {"kind": "text", "text": evil, "tone": evil},
            {"kind": "facts", "items": [[evil, evil]]},
            {"kind": "list", "items": [evil]},
            {
                "kind": "table",
                "caption": evil,
                "columns": [evil],
                "rows": [[{"text": evil, "mono": True}]],
                "right": [],
            },
            {"kind": "picture", "picture": evil},
        ],
    }
    facts = [[evil, evil]]
    page = certificate.html(
        {"title": evil, "verdict": {"tone": evil, "words": evil}, "facts": facts, "sections": [section]}
    )
    assert "<script" not in page and "<img" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 10
    page = certificate.html({"accounts": [account(evil, 3, 2, 1)], "accounts_at": evil})
    assert "<script" not in page and "<img" not in page
    # Nothing is asked of the network, and the one style is the one that the policy lets in.
    assert re.findall(r"<[^<>]*\s(?:src|href)=(?!\"#)", page) == []
    assert "url(" not in page and "@import" not in page and " style=" not in page
    assert "default-src 'none'" in page


def test_another_kind_of_report_has_its_own_sections_in_their_order() -> None:
    rows = [["copy", 1000, {"text": "2.0 s", "bar": 0.5}], ["verify", None, True]]
    block = {"kind": "table", "caption": "Steps", "columns": ["Step", "rows", "time"], "rows": rows, "right": [1]}
    page = certificate.html(
        {
            "title": "Rehearsal of 'x'",
            "verdict": {"tone": "good", "words": "It works.", "more": ""},
            "facts": [["Migration", "x"]],
            "sections": [{"id": "steps", "title": "The steps", "blocks": [block]}],
            "accounts": [account("public.t", 5)],
            "accounts_at": "2026-01-01 00:00:00+00",
        }
    )
    assert page.index("The account of rows") < page.index("The steps")
    assert "What was asked" not in page and "1,000" in page and 'width="50.0"' in page


def test_a_hash_that_does_not_depend_on_how_it_is_written() -> None:
    made = certificate.sealed({"b": [1, 2.5, None, "é"], "a": {"y": 1, "x": 2}})
    assert certificate.intact({"a": {"x": 2, "y": 1}, "sha256": made["sha256"], "b": [1, 2.5, None, "é"]})
    assert not certificate.intact({**made, "b": [1, 2.5, None, "e"]})


def test_words() -> None:
    assert moment("2026-11-30 04:05:06.789+01") == "2026-11-30 03:05:06 UTC"
    assert (moment(None), moment("not one")) == ("–", "not one")
    assert [duration(s) for s in (0.0221, 3.21, 75, 500, 5000, 90_000, 400_000)] == [
        "22 ms",
        "3.2 s",
        "75 s",
        "8 min 20 s",
        "83 min",
        "25 h 0 min",
        "4 days 15 h",
    ]


def test_commands_stand_out_and_a_lone_backtick_stays() -> None:
    page = certificate.html({"verdict": {"words": "run `a & b`, then ` or"}, "facts": [], "title": "t"})
    assert "run <code>a &amp; b</code>, then ` or" in page

"""The sections of the certificate of a run, each made of the part of the report that it is about. Pure.

A part that the report does not have makes no section, so another kind of report can have some of them only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ecluse.certificate import sankey
from ecluse.certificate.blocks import Block, Cell, answer, facts, given, hash_cell, listed, mono, section, table, text
from ecluse.certificate.history import history
from ecluse.certificate.words import count, moment
from ecluse.words import many

Report = Mapping[str, Any]
Section = dict[str, Any]

_DIRECTIONS = {"forward": "new = mapping of old", "inverse": "old = inverse of new"}
_MOMENTS = {"apply": "before the switch", "verify": "verify", "probes": "right after the switch"}


def sections(report: Report) -> list[Section]:
    """All of them, in the order of the page."""
    made = (
        _asked(report),
        _account(report),
        _proof(report),
        _aside(report),
        *given(report.get("sections")),
        history(report),
        _catalogue(report),
        _no_way_back(report),
        _plan(report),
        _archive(report),
        _replay(report),
    )
    return [each for each in made if each is not None and each["blocks"]]


# --- asked, and accounted for -----------------------------------------------------------------------


def _asked(report: Report) -> Section | None:
    if "asked" not in report:
        return None
    asked = [line[:1].upper() + line[1:] for line in report["asked"]]
    missing = text(
        "The plan of this run is of an earlier version, which did not keep the words of the migration.", "note"
    )
    roles = report.get("plan", {}).get("old_shape_for", ())
    kept = text(f"The old shape stays beside the new one, for {', '.join(roles)}.") if roles else None
    reason = report.get("without_rehearsal")
    bare = text(f"This plan was not rehearsed, for this reason: {reason}", "note") if reason else None
    return section("asked", "What was asked", [listed(asked) or missing, kept, bare])


def _account(report: Report) -> Section | None:
    accounts = report.get("accounts")
    if not accounts:
        return None
    whole = {key: sum(int(a[key]) for a in accounts) for key in ("rows_in", "carried", "merged", "quarantined")}
    balanced = all(a["balanced"] for a in accounts)
    sums = (
        f"{count(whole['rows_in'])} rows in = {count(whole['carried'])} carried + {count(whole['merged'])} merged + "
        f"{count(whole['quarantined'])} quarantined"
    )
    verdict = "Every row is accounted for." if balanced else "It does NOT add up: rows are missing from the account."
    picture = sankey.draw(accounts)
    rows = [
        (
            a["table"],
            ", ".join(a.get("becomes", ())) or "–",
            *(int(a[key]) for key in ("rows_in", "carried", "merged", "quarantined")),
            answer(a["balanced"], "adds up", "does NOT add up"),
        )
        for a in accounts
    ]
    columns = ("Old table", "becomes", "rows in", "carried", "merged", "quarantined", "")
    return section(
        "account",
        "The account of rows",
        [
            text(f"{sums}. {verdict}", "good" if balanced else "bad"),
            {"kind": "picture", "picture": picture} if picture else None,
            table(f"Counted at {moment(report.get('accounts_at'))}", columns, rows, (2, 3, 4, 5)),
        ],
        "Each row of an old table is carried, merged with others into one, or set aside with a reason. Rows in are "
        "counted in the old tables, carried and merged by reading the old rows back out of the new ones.",
    )


# --- proof ------------------------------------------------------------------------------------------


def _proof(report: Report) -> Section | None:
    proofs = report.get("proofs")
    if proofs is None:
        return None
    full = [p for p in proofs if p.get("comparisons")]
    blocks: list[Block | None] = []
    if not full:
        blocks.append(text("No proof of the rows is recorded yet.", "note"))
    for proof in full[-1:]:
        rows = [_compared(c) for c in proof["comparisons"]]
        columns = ("Table", "Proved", "rows expected", "rows found", "waiting", "Checksum", "")
        blocks.append(table(_seen(proof), columns, rows, (2, 3, 4)))
        blocks += [_differing(proof), _rows_that_differ(proof)]
    probes = next((p["probes"] for p in reversed(proofs) if p.get("probes")), ())
    titles = ("Probe", "", "Details")
    blocks.append(
        table("Probes: structure, foreign keys and behaviour, the last time they ran", titles, map(_probed, probes))
    )
    blocks.append(_all_proofs(proofs))
    return section(
        "proof",
        "The proof",
        blocks,
        "Every column of every row is compared, both ways, by checksums that do not depend on order. Left out on both "
        "sides, and counted: rows in quarantine, and units of rows that were just written and waited for their turn.",
    )


def _compared(c: Mapping[str, Any]) -> tuple[Cell, ...]:
    same = c["left_sum"] == c["right_sum"]
    sums = c["left_sum"] if same else f"{c['left_sum']} and {c['right_sum']}"
    numbers = (int(c["left_rows"]), int(c["right_rows"]), int(c["pending"]))
    name = f"{c['table']} (kept beside, for the way back)" if c.get("aside") else c["table"]
    return (name, _DIRECTIONS.get(c["direction"], c["direction"]), *numbers, mono(sums), answer(c["equal"]))


def _seen(proof: Mapping[str, Any]) -> str:
    when = moment(proof.get("seen_at") or proof["at"])
    snapshot = f", at snapshot {proof['snapshot']}" if proof.get("snapshot") else ""
    return f"{_MOMENTS.get(proof['moment'], proof['moment']).capitalize()}, {when}{snapshot}"


def _differing(proof: Mapping[str, Any]) -> Block | None:
    rows = [
        (
            c["table"],
            c["direction"],
            int(c["differing"]),
            ", ".join(f"{n} {kind}" for kind, n in c["kinds"].items()),
            ", ".join(c["columns"]) or "–",
        )
        for c in proof["comparisons"]
        if not c["equal"]
    ]
    return table("What differs", ("Table", "Direction", "rows", "of which", "in columns"), rows, (2,))


def _rows_that_differ(proof: Mapping[str, Any]) -> Block | None:
    rows = [
        (c["table"], d["key"], d["kind"], column, d["left"].get(column), d["right"].get(column))
        for c in proof["comparisons"]
        for d in c.get("rows", ())
        for column in (d["columns"] or [""])
    ]
    return table("Rows that differ", ("Table", "Key", "", "Column", "expected", "found"), rows)


def _probed(probe: Mapping[str, Any]) -> tuple[Cell, ...]:
    verdict = answer(probe["passed"], "passed", "FAILED") if probe["ran"] else {"text": "did NOT run", "tone": "bad"}
    return probe["title"], verdict, probe["details"] or "–"


def _all_proofs(proofs: list[Mapping[str, Any]]) -> Block | None:
    rows = [
        (
            moment(p["at"]),
            _MOMENTS.get(p["moment"], p["moment"]),
            int(p["tables"]) or "probes only",
            answer(p["passed"]),
            mono(p["snapshot"] or "–"),
        )
        for p in proofs
    ]
    return table("All proofs of this run", ("When", "What", "tables", "", "Snapshot"), rows, (2,))


# --- set aside --------------------------------------------------------------------------------------


def _aside(report: Report) -> Section | None:
    if "quarantine" not in report:
        return None
    held = [(q["table"], q["reason"], q["state"], int(q["rows"])) for q in report["quarantine"]]
    parked = [(p["table"], p["reason"], int(p["rows"])) for p in report["parked"]]
    none = text("No row was set aside.", "good") if not (held or parked) else None
    rows = [(r["place"], r["table"], r["key"], r["reason"], mono(_shown(r["row"]))) for r in report.get("rows", ())]
    return section(
        "aside",
        "Rows set aside",
        [
            none,
            table(
                "In quarantine: old rows that cannot be carried, kept whole",
                ("Table", "Reason", "State", "rows"),
                held,
                (3,),
            ),
            table(
                "Parked: new rows that the old shape cannot hold, kept whole", ("Table", "Reason", "rows"), parked, (2,)
            ),
            table("The rows themselves", ("Place", "Table", "Key", "Reason", "Row"), rows),
        ],
        "`ecluse quarantine list` and `ecluse quarantine export` give the rows." if held or parked else "",
    )


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{column}: {'NULL' if value is None else value}" for column, value in row.items())


# --- catalogue, way back, plan ----------------------------------------------------------------------


def _catalogue(report: Report) -> Section | None:
    found = report.get("structure")
    if found is None:
        return None
    if not found["planned"]:
        blocks: list[Block | None] = [text("The plan is of an earlier version, which did not keep the shape.", "note")]
    else:
        rows = [(f"{c['kind']} {c['object']}", c["what"] or "–", c["before"], c["after"]) for c in found["changes"]]
        whole = f"{many(len(rows), 'change')}, before the run and after its switch"
        blocks = [table(whole, ("Object", "What", "before", "after"), rows) or text("The catalogue does not change.")]
    return section(
        "catalogue",
        "What changes in the catalogue",
        blocks,
        "As it was planned for, and as the server printed the new shape when the plan was tried. The probes of "
        "structure say whether it is so. What scripts of the migration make is not in this list.",
    )


def _no_way_back(report: Report) -> Section | None:
    found = report.get("no_way_back")
    if found is None:
        return None
    back = report.get("status") == "rolled_back"
    rows = [(each["what"], f"ecluse {each['by']}", _since(each, back)) for each in found]
    return section(
        "way-back", "What cannot be taken back", [table("Since when", ("What", "comes with", "since"), rows)]
    )


def _since(each: Mapping[str, Any], rolled_back: bool) -> Cell:
    if each["since"]:
        return moment(each["since"])
    return "never: the run is rolled back" if rolled_back else "not yet"


def _plan(report: Report) -> Section | None:
    plan = report.get("plan")
    if plan is None:
        return None
    hashes = facts(
        (
            ("Fingerprint", mono(plan["fingerprint"])),
            ("sha256 of the plan", hash_cell(plan["sha256"])),
            ("sha256 of the migration file", hash_cell(plan.get("text_sha256", ""))),
            ("Digest of all that it says", mono(plan.get("migration_digest", ""))),
        )
    )
    names = {"warn": "warning", "note": "note"}
    found = [(names.get(h["level"], h["level"]), h["object"], h["message"]) for h in plan["hazards"]]
    census = [
        (f"{c['table']}.{c['column']}", c["policy"], *(int(c[k]) for k in ("rows", "invalid", "unusual", "mapped")))
        for c in plan["census"]
    ]
    titles = ("Column", "Policy", "values", "that do not fit", "unusual", "mapped")
    return section(
        "plan",
        "The plan",
        [
            hashes,
            table("Values counted before anything ran", titles, census, (2, 3, 4, 5)),
            table("What the plan found", ("", "Object", "Finding"), found),
        ],
    )


def _archive(report: Report) -> Section | None:
    archive = report.get("archive")
    if not archive:
        return None
    tables = [(t["table"], t["file"], int(t["rows"]), hash_cell(t["sha256"])) for t in archive["tables"]]
    place = facts(
        (("Folder", mono(archive["folder"])), ("sha256 of its manifest", hash_cell(archive["manifest_sha256"])))
    )
    missing = None if tables else text("The folder was not at hand when this report was made.", "note")
    titles = ("Old table", "File", "rows", "sha256")
    return section("archive", "The archive of the old shape", [place, missing, table("Files", titles, tables, (2,))])


def _replay(report: Report) -> Section | None:
    if "sha256" not in report or "migration" not in report:
        return None
    return section("replay", "To check this report", list(_how(report)))


def _how(report: Report) -> Iterator[Block | None]:
    yield text(
        "Keep the file report.json that belongs to this page, and run: `ecluse verify --report report.json`. It finds "
        "out whether the report was edited, whether the journal of the database says the same, and proves again what "
        f"can be proved: {_PROVABLE.get(str(report.get('status')), _PROVABLE['building'])}"
    )
    seals = report.get("seals")
    if seals:
        rows = [(t["table"], int(t["rows"]), mono(t["sum"])) for t in seals["tables"]]
        yield table(f"The new tables, sealed at {moment(seals['at'])}", ("Table", "rows", "Checksum"), rows, (1,))
    yield facts((("sha256 of this report", hash_cell(report["sha256"])),))


_PROVABLE = {
    "building": "nothing yet, for the new shape is not complete.",
    "ready": "the whole proof, both ways, while old and new tables stand side by side.",
    "switched": "the whole proof, both ways, for the old tables are kept until finish.",
    "finished": "the old tables are gone, so old and new cannot be compared again. Whether each new table is what it "
    "was when it was sealed, whether the archive is as it was written, and whether the catalogue is as the migration "
    "left it, can be told.",
    "rolled_back": "the new tables are gone. Whether the definitions of the old ones are what they were can be told, "
    "and how many rows they have now.",
}

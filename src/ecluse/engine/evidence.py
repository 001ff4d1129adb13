"""The evidence of a run: all that its journal knows, as the values of which the certificate is made.

No value of a row is in it unless it was asked for: no key, no text that a script of the migration raised.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ecluse import __version__
from ecluse.certificate.content import sealed
from ecluse.engine import journal, quarantine, seals, timeline
from ecluse.engine.context import Connection
from ecluse.engine.journal import Proved, RunRecord
from ecluse.engine.moving.closing import half_closed
from ecluse.engine.no_way_back import no_way_back
from ecluse.engine.states import describe
from ecluse.model.plan import Plan
from ecluse.model.report import Account, Comparison, Probe
from ecluse.planning.shapes import changes
from ecluse.postgres.connect import Database, open_session
from ecluse.redaction import redact, unless_secret

FORMAT = 1
MADE_BY = f"ecluse {__version__}"
_IN_FULL = 3  # of the latest proofs; of those between them and the first, what they came to
_MOST_ROWS = 500  # that are listed where values are asked for


def gather(database: Database, migration: str, *, values: bool = False) -> dict[str, Any] | None:
    """The report of a migration's latest run as it stands, with its own hash; None where no run is recorded.

    Reads the journal only. Raises what a connection raises.
    """
    with open_session(database, role="report") as conn, conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        record = journal.last_run(conn, migration)
        return sealed(of_run(conn, database, record, values=values)) if record else None


def of_run(conn: Connection, database: Database, record: RunRecord, *, values: bool) -> dict[str, Any]:
    """The report of a run, without its hash."""
    text = journal.plan_text(conn, record.id)
    plan = journal.stored_plan(conn, record.id)
    proofs = journal.proofs(conn, record.id)
    told = [_moment(each, values) for each in timeline.read(conn, record.id)]
    accounts_at, accounts = counted(plan, proofs)
    done = journal.steps_done(conn, record.id)
    return {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_by": MADE_BY,
        "command": last_command(told),
        "migration": record.migration,
        "run": record.id,
        "database": {"name": database.name, "label": redact(str(database)), "server": _server(conn)},
        "status": record.status,
        "stage": record.stage,
        "state": describe(record, record.migration, closed=half_closed(done)),
        "passed": proofs[-1].result.passed if proofs else None,
        "error": last_error(told),
        "started_at": record.started_at,
        "switched_at": record.switched_at,
        "ended_at": record.ended_at,
        "restarts": record.restarts,
        "asked": list(plan.asked),
        "plan": _plan(plan, text),
        "structure": {"planned": plan.structure is not None, "changes": [asdict(each) for each in changes(plan)]},
        "accounts_at": accounts_at,
        "accounts": accounts,
        "proofs": list(proved(plan, proofs, values=values)),
        "timeline": told,
        "copy": _copied(conn, record.id),
        **_aside(conn, record.id, values),
        "no_way_back": no_way_back(plan, record),
        "archive": _archive(record),
        "seals": seals.recorded(conn, record.id),
        "without_rehearsal": done.get(journal.NOT_REHEARSED, {}).get("reason", ""),
        "shows_values": values,
    }


def _server(conn: Connection) -> str:
    row = conn.execute("SELECT current_setting('server_version')").fetchone()
    return f"PostgreSQL {row[0]}" if row else ""


def _plan(plan: Plan, text: str) -> dict[str, Any]:
    return {
        "fingerprint": plan.fingerprint,
        "sha256": sha256(text.encode()).hexdigest(),
        "migration_digest": plan.source,
        "text_sha256": plan.text_sha256,
        "old_shape_for": list(plan.old_shape_for),
        # What a finding says of values may hold some, where the plan was made with them: the census has the counts.
        "hazards": [
            {"id": h.id, "level": h.level, "object": h.object, "message": h.message}
            for h in plan.hazards
            if h.level != "refuse" and h.id != "invalid-values"
        ],
        "census": [
            {k: v for k, v in asdict(c).items() if k not in ("samples", "table")} | {"table": str(c.table)}
            for c in plan.census
            if c.invalid or c.unusual or c.mapped or c.collisions
        ],
    }


def counted(plan: Plan, proofs: tuple[Proved, ...]) -> tuple[str, list[dict[str, Any]]]:
    """The account of rows of the latest proof that has any, and when it was made."""
    at, accounts = next(((p.at, p.result.accounts) for p in reversed(proofs) if p.result.accounts), ("", ()))
    return at, [_account(plan, each) for each in accounts]


def _account(plan: Plan, account: Account) -> dict[str, Any]:
    becomes = [
        str(member.table.name)
        for flow in plan.builds
        if account.table in (str(m.table.name) for m in flow.old.members)
        for member in flow.new.members
        if member.role != "aside"
    ]
    return asdict(account) | {"balanced": account.balanced, "becomes": becomes}


# --- proofs -----------------------------------------------------------------------------------------


def proved(plan: Plan, proofs: tuple[Proved, ...], *, values: bool) -> Iterator[dict[str, Any]]:
    """All proofs; what each compared is told of the first and of the latest."""
    first = next((p.id for p in proofs if p.result.comparisons), 0)
    late = {p.id for p in proofs[-_IN_FULL:]} | {p.id for p in [q for q in proofs if q.result.comparisons][-1:]}
    asides = {str(m.table.name) for flow in plan.builds for m in flow.new.members if m.role == "aside"}
    raised = {d.title for d in plan.defines} | {s.title for s in plan.scripts}
    for each in proofs:
        result = each.result
        value: dict[str, Any] = {
            "id": each.id,
            "at": each.at,
            "moment": each.moment,
            "passed": result.passed,
            "snapshot": result.snapshot,
            "seen_at": result.seen_at,
            "tables": len({c.table for c in result.comparisons}),
            "differing": sum(not c.equal for c in result.comparisons),
        }
        if each.id == first or each.id in late:
            compared = [comparison(c, values) | {"aside": c.table in asides} for c in result.comparisons]
            value["comparisons"] = compared
            value["probes"] = [_probe(p, values or p.title not in raised) for p in result.probes]
        yield value


def comparison(found: Comparison, values: bool = False) -> dict[str, Any]:
    """A comparison without the rows: how many of which kind differ, and in which columns."""
    kinds = Counter(d.kind for d in found.differences)
    value = {k: v for k, v in asdict(found).items() if k != "differences"}
    value |= {
        "equal": found.equal,
        "differing": len(found.differences) + found.more,
        "kinds": dict(kinds),
        "columns": sorted({c for d in found.differences for c in d.columns}),
    }
    if values:
        value["rows"] = [asdict(d) for d in found.differences]
    return value


def _probe(found: Probe, told: bool) -> dict[str, Any]:
    details = found.details if told or not found.details else "its message may hold values: `ecluse verify` shows it"
    return {"title": found.title, "passed": found.passed, "ran": found.ran, "details": details}


# --- what happened ----------------------------------------------------------------------------------


def _moment(found: timeline.Moment, values: bool) -> dict[str, Any]:
    value = asdict(found)
    if found.outcome == "failed" and not values:
        value["detail"] = _without_values(found.detail)
    return value


def _without_values(error: dict[str, Any]) -> dict[str, Any]:
    """An error without what somebody's own script or probe said: that may hold values of rows."""
    code = str(error.get("code", ""))
    if code.startswith("P0"):
        return error | {"message": "a script or a trigger of the database raised an error", "details": ""}
    return error | {"details": ""} if code == "ECL601" else error


def last_command(moments: Sequence[Mapping[str, Any]]) -> str:
    """The command that worked on the run last."""
    return next((str(m["name"]) for m in reversed(moments) if m["kind"] == "command"), "")


def last_error(moments: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How the last command failed; None where it did not, whatever became of those before it."""
    commands = [m for m in moments if m["kind"] == "command"]
    last = commands[-1] if commands else None
    return {**last["detail"], "command": last["name"]} if last and last["outcome"] == "failed" else None


def _copied(conn: Connection, run: int) -> list[dict[str, Any]]:
    rows = conn.execute(
        "SELECT flow, count(*), sum(rows)::bigint, (sum(ms) / 1000)::float8 FROM ecluse.chunk WHERE run = %s "
        "GROUP BY flow ORDER BY sum(rows) DESC, flow",
        (run,),
    ).fetchall()
    return [{"flow": flow, "ranges": ranges, "rows": n, "seconds": seconds} for flow, ranges, n, seconds in rows]


def _aside(conn: Connection, run: int, values: bool) -> dict[str, Any]:
    held = conn.execute(
        "SELECT source, reason, state, count(*) FROM ecluse.quarantine WHERE run = %s "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        (run,),
    ).fetchall()
    parked = conn.execute(
        "SELECT source, reason, count(*) FROM ecluse.parked WHERE run = %s GROUP BY 1, 2 ORDER BY 1, 2", (run,)
    ).fetchall()
    found: dict[str, Any] = {
        "quarantine": [{"table": t, "reason": r, "state": s, "rows": n} for t, r, s, n in held],
        "parked": [{"table": t, "reason": r, "rows": n} for t, r, n in parked],
    }
    if values:
        found["rows"] = [_row(each) for each in quarantine.of_run(conn, run, _MOST_ROWS)]
    return found


def _row(held: quarantine.Held) -> dict[str, Any]:
    row = {column: unless_secret(column, value) for column, value in held.row.items()}
    return {"place": held.place, "table": held.source, "key": held.key, "reason": held.reason, "row": row}


def _archive(record: RunRecord) -> dict[str, Any] | None:
    """What `finish` wrote, where the folder is at hand."""
    if record.status != "finished" or not record.note:
        return None
    folder = Path(record.note)
    manifest = folder / "manifest.json"
    try:
        content = manifest.read_bytes()
        tables = json.loads(content)["tables"]
    except (OSError, ValueError, KeyError):
        return {"folder": str(folder), "manifest_sha256": "", "tables": []}
    kept = [{"table": t["table"], "file": t["file"], "rows": t["rows"], "sha256": t["sha256"]} for t in tables]
    return {"folder": str(folder), "manifest_sha256": sha256(content).hexdigest(), "tables": kept}

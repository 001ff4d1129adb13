"""What can still be proved of a run that has ended: seals, archive, catalogue after `finish`; else the old shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ecluse.engine import drift, journal, seals
from ecluse.engine.context import Connection
from ecluse.engine.journal import RunRecord
from ecluse.model.catalog import Catalog, Role
from ecluse.model.names import Name
from ecluse.model.report import CHANGED, NO, UNKNOWN, YES, Check
from ecluse.planning.key_text import same_words
from ecluse.planning.structure import Deviation, difference
from ecluse.planning.switch_sql import old_tables
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.files import sha256_of
from ecluse.proof.readers import readers

Connect = Callable[[], Connection]

_MANY = 10  # deviations that are listed


# --- after finish -----------------------------------------------------------------------------------


def after_finish(connect: Connect, conn: Connection, report: Mapping[str, Any], record: RunRecord) -> Iterator[Check]:
    """Whether the new tables are as they were sealed, the archive as it was written, the catalogue as it was left.

    Reads every row of the new tables once. Locks: ACCESS SHARE.
    """
    yield from _sealed(connect, conn, record)
    yield _archive(report, record)
    yield _catalogue(conn, record)


def _sealed(connect: Connect, conn: Connection, record: RunRecord) -> Iterator[Check]:
    sealed = seals.recorded(conn, record.id)
    if sealed is None:
        yield Check(
            "the new tables are as they were sealed", UNKNOWN, "the version that finished this run made no seals"
        )
        return
    with readers(connect) as both:
        now = seals.again(both, sealed["tables"])
    for each in sealed["tables"]:
        title = f"{each['table']} is what it was at {sealed['at']}, when the old shape was dropped"
        found = now[each["table"]]
        if found is None:
            yield Check(title, CHANGED, "it has gone, or a column of it")
        elif found == (each["rows"], each["sum"]):
            yield Check(title, YES, f"{each['rows']:,} rows with the same checksum")
        else:
            yield Check(title, CHANGED, f"changed since: {found[0]:,} rows now, {each['rows']:,} then")


def _archive(report: Mapping[str, Any], record: RunRecord) -> Check:
    title = "the archive of the old tables is as it was written"
    folder = Path(record.note)
    try:
        content = (folder / "manifest.json").read_bytes()
        files = {entry["file"]: entry["sha256"] for entry in json.loads(content)["tables"]}
        damaged = [name for name, digest in files.items() if sha256_of(folder / name) != digest]
    except FileNotFoundError as error:
        return Check(title, UNKNOWN, f"'{error.filename}' is not here")
    except (OSError, ValueError, KeyError):
        return Check(title, NO, f"the archive in '{folder}' cannot be read")
    claimed = (report.get("archive") or {}).get("manifest_sha256", "")
    if claimed and claimed != sha256(content).hexdigest():
        damaged.append("manifest.json")
    return Check(title, NO if damaged else YES, f"not as they were: {', '.join(damaged)}" if damaged else str(folder))


def _catalogue(conn: Connection, record: RunRecord) -> Check:
    title = "the catalogue is as the migration left it"
    found = next((each for each in drift.drift(conn) if each.run == record.id), None)
    if found is None or not found.known:
        return Check(title, UNKNOWN, "the plan of this run promised nothing")
    return _deviating(title, found.deviations)


def _deviating(title: str, found: tuple[Deviation, ...]) -> Check:
    """Somebody may have changed a definition with every right: that is told, and speaks against no report."""
    lines = [str(each) for each in found[:_MANY]]
    lines += [f"and {len(found) - _MANY} more"] if len(found) > _MANY else []
    return Check(title, CHANGED if found else YES, "\n".join(lines))


# --- after a rollback -------------------------------------------------------------------------------


def after_rollback(conn: Connection, report: Mapping[str, Any], record: RunRecord) -> Iterator[Check]:
    """Whether the old tables are defined as the plan found them, and how many rows they have now."""
    plan = journal.stored_plan(conn, record.id)
    was = {table.name: same_words(table) for table in old_tables(plan)}
    read = read_catalog(conn, tuple({name.schema for name in was}), measure=False) if was else None
    now = {name: same_words(read.tables[name]) for name in was if read and name in read.tables}
    yield _deviating("the old tables are defined as they were before the run", difference(_of(was), _of(now)))
    for account in report["accounts"]:
        name = Name.parse(account["table"])
        if name in now:
            yield _counted(conn, name, int(account["rows_in"]))


def _of(tables: Mapping[Name, Any]) -> Catalog:
    return Catalog("", 0, Role("", superuser=False, bypass_rls=False), tables=tables)


def _counted(conn: Connection, name: Name, then: int) -> Check:
    row = conn.execute(f"SELECT count(*) FROM {name.sql}").fetchone()
    now = int(row[0]) if row else 0
    told = f"{now:,} rows now, {then:,} when they were counted"
    return Check(f"{name} has the rows that were counted", YES if now == then else CHANGED, told)

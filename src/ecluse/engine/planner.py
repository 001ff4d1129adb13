"""Planning with a connection: read the catalogue, compile, count what does not fit, and try the shape on empty tables.

Nothing is changed: the trial is a transaction that is rolled back, and touches no table of the application but to
read its definition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import psycopg

from ecluse.engine import enums, journal
from ecluse.engine.context import Connection
from ecluse.engine.moving.planning import Origins, require_rights, unknown_origin
from ecluse.engine.trial import trial
from ecluse.errors import DatabaseChanged, PlanRefused
from ecluse.model.catalog import Catalog, Role, Table
from ecluse.model.migration import Migration
from ecluse.model.names import Name
from ecluse.model.plan import Census, Hazard, Plan
from ecluse.operations.base import Operation
from ecluse.operations.census import NO_LABEL
from ecluse.operations.compile import CensusQuery, Findings, RowCounts, compile_migration, origins_of
from ecluse.planning import switch_sql
from ecluse.planning.assemble import assemble
from ecluse.planning.foreign_keys import orphans
from ecluse.planning.promise import promise
from ecluse.planning.soft_references import changed_keys, stays
from ecluse.planning.structure import difference
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.failures import translate
from ecluse.postgres.references import likely_references

_NOTHING = "nothing was changed"
_WAYS = {
    "not in the map": 'unmapped = "quarantine"  # or "keep"; or find out who they are: ecluse identity map',
    NO_LABEL: 'values = { text = "label" }, or a label for all others: other = "…"; see which: --show-values',
}
_OTHER_WAYS = 'invalid = "quarantine"  # or "regenerate"'
_SAMPLE = 2_000  # distinct values of a column: enough to see a reference


def make_plan(
    database: Database,
    migration: Migration,
    *,
    show_values: bool = False,
    origins: Callable[[str], Database] = unknown_origin,
) -> Plan:
    """The plan for a migration on a database as it stands. Reads every converted column once (the census).

    `origins` gives the databases that tables come from, by name.

    Raises errors of families 2xx, and MissingRights naming all that the role may not do.
    """
    with (
        Origins(origins_of(migration), origins) as there,
        open_session(database, role=f"plan {migration.name}") as conn,
    ):
        try:
            catalog = read_catalog(conn)
            compiled = compile_migration(migration, catalog, there.catalogs)
            plan = assemble(
                migration.name,
                compiled.changes,
                catalog,
                compiled.hazards,
                migration.digest,
                there.catalogs,
                migration.old_shape_for,
            )
            _require_rights(catalog, plan)
            there.require_rights(plan)
            for statement in compiled.setup:
                conn.execute(statement.encode())
            census = tuple(_census(conn, query, show_values) for query in _readable(plan, compiled.census_queries))
            hazards = [
                *_others(conn, plan),
                *_of_census(census, show_values),
                *_unfinished(conn, migration.name),
                *enums.foresee(conn, plan),
                *there.hazards(plan),
            ]
            hazards += _soft_references(conn, plan, catalog)
            hazards += [hazard for each in compiled.findings for hazard in _findings(conn, each)]
            plan = replace(plan, census=census, hazards=tuple(hazards), **_asked(migration))
            if not plan.refused:
                counted = tuple(hazard for counts in compiled.row_counts for hazard in _row_counts(conn, counts))
                plan = replace(plan, hazards=(*plan.hazards, *counted, *_broken_keys(conn, plan)))
                plan = _tried(conn, plan, catalog)
        except psycopg.Error as error:
            raise translate(error, _NOTHING) from None
    return plan


def _asked(migration: Migration) -> dict[str, Any]:
    told = (operation.describe() for operation in migration.operations if isinstance(operation, Operation))
    return {"asked": tuple(told), "text_sha256": sha256(migration.source.text.encode()).hexdigest()}


def _tried(conn: Connection, plan: Plan, catalog: Catalog) -> Plan:
    found, reading = trial(conn, plan)
    structure = promise(plan, catalog, reading.bare, reading.whole) if reading else None
    return replace(plan, hazards=(*plan.hazards, *found), structure=structure)


def _require_rights(catalog: Catalog, plan: Plan) -> None:
    tables: list[Table] = [m.table for f in plan.flows for m in f.old.members] + list(plan.archives)
    tables += [catalog.tables[a.table] for a in plan.added if a.table in catalog.tables]
    tables += [table for script in plan.scripts for table in script.tables]
    require_rights(catalog, tables)


# --- census -----------------------------------------------------------------------------------------


def _readable(plan: Plan, queries: tuple[CensusQuery, ...]) -> list[CensusQuery]:
    """Without the tables that cannot be read, or whose rows would be hidden from us: they are refused by name."""
    closed = {h.object for h in plan.refused if h.id in ("foreign-table", "force-rls")}
    return [query for query in queries if str(query.table) not in closed]


def _census(conn: Connection, query: CensusQuery, show_values: bool) -> Census:
    try:
        row = conn.execute(query.sql.encode()).fetchone()
    except psycopg.Error as error:
        error.add_note(f"while the values of {query.table}.{query.column} were converted, to count what does not fit")
        raise
    assert row is not None
    rows, invalid, unusual, collisions, samples, *mapped = row
    return Census(
        table=query.table,
        column=query.column,
        rows=rows,
        invalid=invalid,
        policy=query.policy,
        unusual=unusual,
        collisions=collisions,
        samples=tuple(s if show_values else mask(s) for s in samples or ()),
        reason=query.reason,
        mapped=sum(mapped),
    )


def mask(value: str) -> str:
    """A value's shape without the value: letters become x, digits 9, the rest stays."""
    return "".join("x" if c.isalpha() else "9" if c.isdigit() else c for c in value)


def _of_census(census: tuple[Census, ...], show_values: bool) -> Iterator[Hazard]:
    like = "like" if show_values else "masked, like"
    for count in census:
        where = f"{count.table}.{count.column}"
        if count.invalid:
            level = "refuse" if count.policy == "refuse" else "note"
            becomes = {
                "refuse": "are refused",
                "quarantine": "go to quarantine, whole rows",
                "regenerate": "get a new value; the old one is kept for the way back",
                "keep": "stay as they are",
                "other": "get the label of all others",
            }[count.policy]
            samples = ", ".join(count.samples)
            yield Hazard(
                "invalid-values",
                level,
                where,
                f"{count.invalid:,} of {count.rows:,} values of {where} do not fit and {becomes} ({like} {samples})",
                _WAYS.get(count.reason, _OTHER_WAYS) if level == "refuse" else "",
            )
        if count.mapped:
            yield Hazard(
                "remapped",
                "note",
                where,
                f"{count.mapped:,} of {count.rows:,} values of {where} become the ids that the map has for them; a "
                "rollback gives back the old ones",
            )
        if count.collisions:
            yield Hazard(
                "collision",
                "refuse",
                where,
                f"{count.collisions:,} values of {where} would become equal to another row's value: "
                "two texts that are one value are never merged silently",
                f"decide which rows stay: SELECT * FROM {count.table.sql} and correct {count.column}",
            )
        if count.unusual:
            yield Hazard(
                "unusual-values",
                "note",
                where,
                f"{count.unusual:,} values of {where} are valid but written differently (upper case, braces, no "
                "dashes); the old texts are kept for the way back",
            )


def _soft_references(conn: Connection, plan: Plan, catalog: Catalog) -> Iterator[Hazard]:
    """Columns whose values are keys that change, and that nothing changes with them: only people can judge that."""
    keys = changed_keys(plan)
    if not keys:
        return
    for one in likely_references(conn, catalog, sample=_SAMPLE, only=keys):
        if not stays(plan, one.table, one.column):
            continue
        place = f"{one.table}.{one.column}" + (f" -> {one.path}" if one.path else "")
        key = f"{one.key_table}.{one.key_column}"
        path = f', path = "{one.path}"' if one.path else ""
        yield Hazard(
            "soft-reference",
            "warn",
            place,
            f"{place} looks like a reference to {key} ({one.share:.0%} of {one.values_sampled:,} values are there) and "
            f"stays as it is, while {key} changes",
            f"where a convert_column converts {key}, add to it:\n"
            f'references = [{{ table = "{one.table}", column = "{one.column}"{path} }}]\n'
            f"else bring {one.table} into the migration, or let the application look for both",
        )


def _row_counts(conn: Connection, counts: RowCounts) -> Iterator[Hazard]:
    with conn.transaction(force_rollback=True):
        cursor = conn.execute(counts.script.encode())
        while cursor.nextset():
            pass
        for who, before, after in cursor.fetchall():
            told = f"rows of {counts.table} that {who} sees: {before} before, {after} after"
            yield Hazard("rows-reached", "note", str(counts.table), told)


def _broken_keys(conn: Connection, plan: Plan) -> Iterator[Hazard]:
    """Orphans of a foreign key that was validated: who wrote past it was a superuser, or a tool that loads dumps."""
    for one in (*plan.foreign_keys, *plan.outside_keys):
        key = one.before
        if key is None or not key.valid or key.references is None:
            continue
        row = conn.execute(orphans(key, one.table.sql, key.references.sql).encode()).fetchone()
        if row and row[0]:
            yield Hazard(
                "orphans",
                "refuse",
                str(one.table),
                f"{row[0]:,} rows of {one.table} refer to no row of {key.references}, although foreign key {key.name} "
                "forbids that: the new one could not be made",
                "give them the rows that they lack, or delete them; they are\n"
                + orphans(key, one.table.sql, key.references.sql, "c.*"),
            )


def _findings(conn: Connection, asked: Findings) -> Iterator[Hazard]:
    for id_, level, message in conn.execute(asked.sql.encode()):
        yield Hazard(id_, level, str(asked.table), message)


def _others(conn: Connection, plan: Plan) -> Iterator[Hazard]:
    """The findings so far, without what an unfinished run of this very migration has put there itself."""
    own = journal.unfinished(conn, plan.migration) is not None
    yield from (h for h in plan.hazards if not (own and h.id == "captured-already"))


def _unfinished(conn: Connection, migration: str) -> Iterator[Hazard]:
    for run in journal.runs(conn):
        if run.unfinished and run.migration != migration:
            touched = "another migration has an unfinished run"
            yield Hazard(
                "unfinished-run",
                "refuse",
                run.migration,
                f"{touched}: '{run.migration}' is '{run.status}' since {run.updated_at}",
                f"ecluse finish {run.migration}, or ecluse rollback {run.migration}",
            )


# --- fingerprint ------------------------------------------------------------------------------------


def refuse(plan: Plan) -> None:
    """Raise PlanRefused where the plan found what it will not do."""
    if plan.refused:
        raise PlanRefused(
            f"the plan for '{plan.migration}' is refused for {len(plan.refused)} reasons",
            details="\n".join(h.message for h in plan.refused),
            hint="\n".join(dict.fromkeys(h.hint for h in plan.refused if h.hint)),
            state="nothing was changed",
        )


def check_fingerprint(stored: Plan, now: Plan) -> None:
    """Raise DatabaseChanged where a plan made earlier does not fit the database, or its file, any more."""
    if stored.fingerprint == now.fingerprint:
        return
    changes = [str(d) for d in difference(_touched(stored), _touched(now))]
    raise DatabaseChanged(
        f"the database or the migration file changed since the plan was made ({stored.fingerprint} then, "
        f"{now.fingerprint} now)",
        details="\n".join(changes) or "the migration file is another one",
        hint=f"ecluse plan {now.migration}",
        state=_NOTHING,
    )


def _touched(plan: Plan) -> Catalog:
    """The tables that a plan was made for as a catalogue, without sizes."""
    tables: dict[Name, Table] = {table.name: table for table in switch_sql.watched(plan)}
    return Catalog(plan.database, plan.server_version, Role("", superuser=False, bypass_rls=False), tables=tables)

"""Hazards of tables, flows and servers: handled, told, or refused by name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ecluse.model.catalog import Catalog, Table
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, ident
from ecluse.model.plan import Define, Hazard


def table_hazards(catalog: Catalog, tables: Iterable[Table]) -> Iterator[Hazard]:
    """What is special about the old tables."""
    for table in tables:
        yield from _unsupported(table)
        yield from _handled(table)
        if table.force_rls and not (catalog.role.superuser or catalog.role.bypass_rls):
            yield Hazard(
                "force-rls",
                "refuse",
                str(table.name),
                f"{table.name} has FORCE ROW LEVEL SECURITY and role '{catalog.role.name}' has not BYPASSRLS: "
                "reads would silently be empty",
                f'run as a role with BYPASSRLS, or: ALTER ROLE "{catalog.role.name}" BYPASSRLS',
            )


def captured_by_another(table: Table, origin: str) -> Iterator[Hazard]:
    """A table of another database whose writes a run captures already, which that database's journal may not know."""
    if any(trigger.name.startswith("zz_ecluse_capture") for trigger in table.triggers):
        yield Hazard(
            "captured-already",
            "refuse",
            str(table.name),
            f"another run captures what is written to {table.name} in '{origin}'",
            "finish that migration, or roll it back: `ecluse status` of the databases shows which one it is",
        )


def _unsupported(table: Table) -> Iterator[Hazard]:
    name = str(table.name)
    if table.kind == "p" or table.children or table.inherits:
        word = "partitioned" if table.kind == "p" else "part of an inheritance tree"
        yield Hazard(
            "inheritance",
            "refuse",
            name,
            f"{name} is {word}; its rows are in other tables as well",
            "migrate the partitions one by one, each as a table of its own, or detach them first",
        )
    if table.kind == "f":
        yield Hazard(
            "foreign-table",
            "refuse",
            name,
            f"{name} is a foreign table; nothing can be captured there",
            "run the migration on the server where the table is",
        )
    if table.extension:
        yield Hazard(
            "extension-owned",
            "refuse",
            name,
            f"{name} belongs to extension {table.extension}, whose scripts expect it as it is",
            f"leave it to the extension, or: ALTER EXTENSION {ident(table.extension)} DROP TABLE {table.name.sql}",
        )
    if table.of_type:
        yield Hazard(
            "typed-table",
            "refuse",
            name,
            f"{name} is a table of type {table.of_type}",
            f"ALTER TABLE {table.name.sql} NOT OF",
        )
    for rule, _ in table.rules:
        yield Hazard(
            "rule",
            "refuse",
            name,
            f"rule {rule} on {name} rewrites statements, ours as well",
            f'DROP RULE "{rule}" ON {table.name.sql}, or turn it into a trigger',
        )
    if table.access_method not in ("heap", ""):
        yield Hazard(
            "access-method",
            "refuse",
            name,
            f"{name} is stored by access method {table.access_method}, whose pages Écluse does not know",
            f"ALTER TABLE {table.name.sql} SET ACCESS METHOD heap (PostgreSQL 15 and newer)",
        )


def _handled(table: Table) -> Iterator[Hazard]:
    name = str(table.name)

    def note(id_: str, message: str) -> Hazard:
        return Hazard(id_, "note", name, message)

    if table.persistence == "u":
        yield note("unlogged", f"{name} is unlogged: after a crash of the server it is empty, and so is what is copied")
    if generated := [c.name for c in table.columns if c.generated]:
        yield note("generated-column", f"{', '.join(generated)} of {name}: generated, so computed anew, then compared")
    if identity := [c.name for c in table.columns if c.identity]:
        yield note("identity-column", f"{', '.join(identity)} of {name}: values are kept, the sequence goes on")
    if deferrable := [c.name for c in table.constraints if c.deferrable]:
        yield note("deferrable", f"{', '.join(deferrable)} of {name} stay deferrable")
    if exclusions := [c.name for c in table.constraints if c.kind == "x"]:
        yield note("exclusion", f"exclusion constraints {', '.join(exclusions)} of {name} are built after the copy")
    if loose := [c.name for c in table.columns if not c.deterministic]:
        yield note(
            "nondeterministic-collation",
            f"{', '.join(loose)} of {name} compare equal where bytes differ; proofs compare bytes",
        )
    for trigger in table.triggers:
        if trigger.before and trigger.row:
            yield note(
                "user-trigger",
                f"trigger {trigger.name} on {name} may rewrite columns: it does not run on copied rows",
            )
    for published in table.published:
        extra = " with its column list or filter" if published.columns or published.where else ""
        yield note(
            "publication",
            f"{name} leaves publication {published.publication} and the new table joins{extra}: "
            "subscribers see the new shape from then on",
        )


def trigger_hazards(
    old: Mapping[Name, Table], new: Mapping[Name, Table], defines: Iterable[Define]
) -> Iterator[Hazard]:
    """Triggers that a table which is replaced by one of its name does not hand on."""
    made = {thing.signature: define.title for define in defines for thing in define.objects if thing.kind == "trigger"}
    for name in old.keys() & new.keys():
        carried = {trigger.name for trigger in new[name].triggers}
        for trigger in old[name].triggers:
            if trigger.name in carried or trigger.name.startswith("zz_ecluse_capture"):
                continue
            by = made.get(f"{ident(trigger.name)} ON {name.sql}")
            if by is not None:
                told = f"trigger {trigger.name} of {name} is made anew by '{by}'"
                yield Hazard("trigger-redefined", "note", str(name), told)
                continue
            yield Hazard(
                "trigger-left",
                "warn",
                str(name),
                f"trigger {trigger.name} of {name} is not made on the new table",
                f'carry_triggers = ["{trigger.name}"], or a define operation that makes another',
            )


def flow_hazards(flows: Iterable[Flow]) -> Iterator[Hazard]:
    """What is special about the mappings."""
    for flow in flows:
        for note in flow.notes:
            yield Hazard("mapping", "note", flow.name, note)
        yield from left_over_indexes(flow)
        satellites = [s for s in (*flow.old.satellites, *flow.new.satellites) if s.placed and not _join_indexed(s)]
        # A table that keeps its name is on both sides.
        for name, join in dict.fromkeys((satellite.table.name, satellite.join) for satellite in satellites):
            yield Hazard(
                "join-not-indexed",
                "warn",
                str(name),
                f"{name} is joined by `{join}` and has no index that begins with "
                "one of these columns: every chunk and every drain reads it whole",
                "CREATE INDEX CONCURRENTLY on the column before the run",
            )


def left_over_indexes(flow: Flow) -> Iterator[Hazard]:
    """Indexes that a build left INVALID, by its rows or by a timeout: it would fail again when all rows are copied."""
    built = {index.name for member in flow.new.members for index in member.table.indexes}
    for table in dict.fromkeys(member.table for member in flow.old.members):
        for index in table.indexes:
            if not index.valid and index.name in built:
                name = f"{ident(table.name.schema)}.{ident(index.name)}"
                yield Hazard(
                    "invalid-index",
                    "refuse",
                    str(table.name),
                    f"index {index.name} of {table.name} is INVALID: a build failed and left it, and can fail again",
                    f"DROP INDEX CONCURRENTLY {name}, or make it whole: REINDEX INDEX CONCURRENTLY {name}",
                )


def client_hazards(flows: Iterable[Flow]) -> Iterator[Hazard]:
    """What running clients will notice: statements that they prepared keep the types that they had then."""
    old = {m.table.name: m.table for f in flows for m in f.old.members}
    for flow in flows:
        for member in flow.new.members:
            was = old.get(member.table.name)
            if was is None or not member.placed:
                continue
            now = {c.name: c.type for c in member.table.columns}
            changed = [c.name for c in was.columns if now.get(c.name, c.type) != c.type]
            if changed:
                yield Hazard(
                    "prepared-statements",
                    "note",
                    str(was.name),
                    f"the type of {', '.join(changed)} of {was.name} changes: statements that clients have prepared "
                    "fail after the switch until they reconnect",
                    "ecluse switch --recycle-clients ends their sessions, so that pools reconnect",
                )


def _join_indexed(member: Member) -> bool:
    leading = [i.columns[0] for i in member.table.indexes if i.columns and i.columns[0]]
    leading += [c.columns[0] for c in member.table.constraints if c.kind in "pu" and c.columns]
    return any(f"m.{c}" in member.join or f'm."{c}"' in member.join for c in leading)


def activity_hazards(catalog: Catalog) -> Iterator[Hazard]:
    """What the server is busy with at this moment, and what listens to all of it."""
    now = catalog.activity
    for publication in catalog.publications:
        if publication.all_tables:
            yield Hazard(
                "publication-of-all-tables",
                "warn",
                publication.name,
                f"publication {publication.name} is FOR ALL TABLES: it sends the tables being built as well, and "
                "a subscriber that has no such tables stops",
                "list its tables instead for the time of the migration, or make sure that nobody subscribes",
            )
    for one in now.prepared_transactions:
        yield Hazard(
            "prepared-transaction",
            "warn",
            one,
            f"prepared transaction {one} holds its locks until it ends",
            "COMMIT PREPARED or ROLLBACK PREPARED it",
        )
    for one in now.long_transactions:
        yield Hazard(
            "long-transaction",
            "warn",
            one,
            f"long transaction: {one}; the capture waits for it where it wrote to these tables",
            "wait for it, or end it with pg_terminate_backend(pid)",
        )
    for one in now.stale_slots:
        yield Hazard(
            "stale-slot",
            "warn",
            one,
            f"replication slot {one} is not read and keeps all WAL that this run writes",
            "SELECT pg_drop_replication_slot(name), where nobody needs it",
        )


def missing_rights(catalog: Catalog, tables: Iterable[Table]) -> list[str]:
    """What the role may not do and the plan needs, all at once; empty where nothing is missing."""
    role = catalog.role
    if role.superuser:
        return []
    missing = [] if role.create_in_database else [f"CREATE on database {catalog.database}"]
    for table in tables:
        if table.owner not in role.member_of:
            missing.append(f"ownership of {table.name} (it belongs to {table.owner})")
    return missing

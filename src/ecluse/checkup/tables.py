"""Tables: indexes, constraints, keys and triggers that are not what they seem."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.checkup.check import OF_APPLICATION, Found, Patient, Topic, of_extension
from ecluse.model.names import Name, ident
from ecluse.words import size

TABLES = Topic("tables", "Tables, indexes and constraints")


@TABLES.check(
    "invalid-index",
    "wrong",
    "an index is INVALID",
    means="CREATE or REINDEX INDEX CONCURRENTLY failed half way and left it. It answers no query and is written to "
    "all the same; where it is to be unique, nothing is.",
    fix="REINDEX INDEX CONCURRENTLY <schema>.<name>   -- or DROP INDEX, where its name ends in _ccnew or _ccold",
)
def invalid_indexes(at: Patient) -> Iterator[Found]:
    """Indexes that nobody builds at this moment."""
    for schema, name, table, kind in at.rows(
        "SELECT n.nspname, c.relname, i.indrelid::regclass::text, c.relkind::text FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE (NOT i.indisvalid OR NOT i.indisready) AND {OF_APPLICATION} AND NOT EXISTS "
        "(SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid OR p.relid = i.indrelid) "
        "ORDER BY 1, 2"
    ):
        index = Name(schema, name).sql
        fix = f"REINDEX INDEX CONCURRENTLY {index}"
        if kind == "I":
            fix = f"ALTER INDEX {index} ATTACH PARTITION <the index of each partition that has none>"
        elif "_ccnew" in name or "_ccold" in name:
            fix = f"DROP INDEX CONCURRENTLY {index}"
        yield Found(index, f"index {name} of {table} is INVALID", fix)


@TABLES.check(
    "unvalidated-constraint",
    "wrong",
    "a constraint is NOT VALID",
    means="New rows must keep to it, and the rows that were there were never looked at: what the schema promises may "
    "not be so, and a dump of them may not load.",
    fix="ALTER TABLE <table> VALIDATE CONSTRAINT <name>   -- takes no lock that stops writers",
)
def unvalidated(at: Patient) -> Iterator[Found]:
    """Of tables, and of domains; what is NOT ENFORCED was meant so."""
    enforced = " AND c.conenforced" if at.major >= 18 else ""
    for schema, relation, name, domain in at.rows(
        "SELECT n.nspname, coalesce(r.relname, t.typname), c.conname, c.contypid <> 0 FROM pg_constraint c "
        "JOIN pg_namespace n ON n.oid = c.connamespace LEFT JOIN pg_class r ON r.oid = c.conrelid "
        "LEFT JOIN pg_type t ON t.oid = c.contypid "
        f"WHERE NOT c.convalidated AND c.conparentid = 0 AND {OF_APPLICATION}{enforced} ORDER BY 1, 2, 3"
    ):
        of = Name(schema, relation)
        fix = f"ALTER {'DOMAIN' if domain else 'TABLE'} {of.sql} VALIDATE CONSTRAINT {ident(name)}"
        yield Found(str(of), f"constraint {name} of {of} is NOT VALID", fix)


@TABLES.check(
    "no-primary-key",
    "warning",
    "a table has no key",
    means="Its rows cannot be told apart: the same one may be there twice, nothing can refer to one, and a "
    "subscriber cannot follow a change of one. Most migrations refuse such a table.",
    fix="ALTER TABLE <table> ADD PRIMARY KEY (<columns>)   -- or: ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY "
    "PRIMARY KEY, which writes the table anew",
)
def no_primary_key(at: Patient) -> Iterator[Found]:
    """Tables with neither a primary key nor another unique key that is never NULL."""
    for schema, name, octets in at.rows(
        "SELECT n.nspname, c.relname, pg_total_relation_size(c.oid) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OF_APPLICATION} AND n.nspname <> ALL (%s) "
        f"AND NOT {of_extension('pg_class', 'c.oid')} AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid "
        "AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND (i.indisprimary OR NOT "
        "EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - "
        "1]) AND NOT a.attnotnull))) ORDER BY 1, 2",
        at.managed,
    ):
        table = Name(schema, name)
        fix = f"ALTER TABLE {table.sql} ADD PRIMARY KEY (<columns>)"
        yield Found(str(table), f"{table} has no primary key ({size(octets)})", fix)


@TABLES.check(
    "published-without-identity",
    "wrong",
    "a published table has no replica identity",
    means="A publication sends its updates and deletes, and nothing says which row is meant: every UPDATE and DELETE "
    "of the application fails with SQLSTATE 55000.",
    fix="ALTER TABLE <table> ADD PRIMARY KEY (<columns>)   -- or: ALTER TABLE <table> REPLICA IDENTITY FULL",
)
def published_without_identity(at: Patient) -> Iterator[Found]:
    """Tables in a publication of updates or deletes by which a row cannot be found."""
    for schema, name, publications in at.rows(
        "SELECT t.schemaname, t.tablename, string_agg(DISTINCT p.pubname, ', ') FROM pg_publication p "
        "JOIN pg_publication_tables t ON t.pubname = p.pubname "
        "JOIN pg_namespace n ON n.nspname = t.schemaname "
        "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename "
        f"WHERE (p.pubupdate OR p.pubdelete) AND {OF_APPLICATION} AND (c.relreplident = 'n' "
        "OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) "
        "OR c.relreplident = 'i' AND NOT EXISTS "
        "(SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)) GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        table = Name(schema, name)
        told = f"{table} is in {publications}, and UPDATE and DELETE of it fail"
        yield Found(str(table), told, f"ALTER TABLE {table.sql} REPLICA IDENTITY FULL")


@TABLES.check(
    "foreign-key-not-enforced",
    "wrong",
    "foreign keys of a table are switched off",
    means="DISABLE TRIGGER ALL was never taken back, as after an import: the foreign keys are shown and nobody keeps "
    "to them.",
    fix="ALTER TABLE <table> ENABLE TRIGGER ALL   -- then look for rows that refer to nothing",
)
def keys_off(at: Patient) -> Iterator[Found]:
    """Tables whose internal triggers are disabled."""
    for schema, name, keys in at.rows(
        "SELECT n.nspname, c.relname, string_agg(DISTINCT k.conname, ', ') FROM pg_trigger t "
        "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_constraint k ON k.oid = t.tgconstraint AND k.contype = 'f' "
        f"WHERE t.tgisinternal AND t.tgenabled = 'D' AND {OF_APPLICATION} GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        table = Name(schema, name)
        told = f"{table} does not keep to {keys}: its triggers are disabled"
        yield Found(str(table), told, f"ALTER TABLE {table.sql} ENABLE TRIGGER ALL")


@TABLES.check(
    "disabled-trigger",
    "warning",
    "a trigger is switched off",
    means="What it should do for each row does not happen: a time of change, a counter, a profile for a new user.",
    fix="ALTER TABLE <table> ENABLE TRIGGER <name>",
)
def disabled_triggers(at: Patient) -> Iterator[Found]:
    """Triggers of users that do not fire."""
    for schema, table, name in at.rows(
        "SELECT n.nspname, c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE NOT t.tgisinternal AND t.tgenabled = 'D' AND {OF_APPLICATION} ORDER BY 1, 2, 3"
    ):
        of = Name(schema, table)
        fix = f"ALTER TABLE {of.sql} ENABLE TRIGGER {ident(name)}"
        yield Found(str(of), f"trigger {name} of {of} is disabled", fix)


@TABLES.check(
    "empty-materialised-view",
    "warning",
    "a materialised view was never filled",
    means="Every query of it fails: it was made, or restored, WITH NO DATA.",
    fix="REFRESH MATERIALIZED VIEW <name>",
)
def unfilled(at: Patient) -> Iterator[Found]:
    """Materialised views that cannot be read."""
    for schema, name in at.rows(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relkind = 'm' AND NOT c.relispopulated AND {OF_APPLICATION} ORDER BY 1, 2"
    ):
        view = Name(schema, name)
        yield Found(str(view), f"{view} was never filled", f"REFRESH MATERIALIZED VIEW {view.sql}")

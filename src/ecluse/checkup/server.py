"""The server: its version, its room, what we may do there, and whether it can still be written to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from ecluse.checkup.check import OF_APPLICATION, Found, Patient, Topic, Unseen, listed, of_extension
from ecluse.errors import EcluseError
from ecluse.model.names import ident, literal
from ecluse.postgres.binaries import client_programs
from ecluse.words import many, size

SERVER = Topic("server", "The server")

_FREE_SESSIONS = 8
_LEAST_FREE = 1_000_000_000  # bytes: a server stops for good when it cannot write its log
_OLD = 0.5  # of the age at which a server refuses to write


@SERVER.check(
    "server",
    "told",
    "what server it is",
    means="Told, so that a report says what was looked at.",
    fix="",
)
def server(at: Patient) -> Iterator[Found]:
    """Version and size."""
    version, octets, tables = at.rows(
        "SELECT current_setting('server_version'), pg_database_size(current_database()), "
        f"(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relkind IN ('r', 'p') AND {OF_APPLICATION})"
    )[0]
    yield Found("", f"PostgreSQL {version.split()[0]}, {many(tables, 'table')}, {size(octets)}")


@SERVER.check(
    "read-only-server",
    "wrong",
    "nothing can be written here",
    means="This is a standby, or the database is set to read only: no run can begin, and no application can write. A "
    "full disk makes managed servers read only as well.",
    fix="connect to the primary; or: ALTER DATABASE <name> RESET default_transaction_read_only",
)
def read_only(at: Patient) -> Iterator[Found]:
    """A standby, or a database that is closed for writing."""
    standby, setting, name = at.rows(
        "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'), current_database()"
    )[0]
    if standby:
        yield Found(name, "the server is a standby", "put the address of its primary into ecluse.toml")
    elif setting == "on":
        fix = f"ALTER DATABASE {ident(name)} RESET default_transaction_read_only   -- or the same of the role"
        yield Found(name, "default_transaction_read_only is on", fix)


@SERVER.check(
    "pg-dump-too-old",
    "wrong",
    "no pg_dump here can back this server up",
    means="pg_dump refuses a server that is newer than itself, so there is no backup, and no rehearsal, from this "
    "machine.",
    fix="apt-get install postgresql-client-<version>   # or: brew install postgresql@<version>",
)
def pg_dump(at: Patient) -> Iterator[Found]:
    """The client programs that `ecluse backup` would use."""
    try:
        client_programs(at.major)
    except EcluseError as error:
        yield Found("pg_dump", error.message, f"apt-get install postgresql-client-{at.major}")


@SERVER.check(
    "no-right-to-create",
    "wrong",
    "our role may not create schemas",
    means="A run builds the new shape in a schema of its own and keeps its journal in another: it could not begin.",
    fix="GRANT CREATE ON DATABASE <name> TO <role>",
)
def rights(at: Patient) -> Iterator[Found]:
    """The right to make schemas."""
    name, may = at.rows("SELECT current_database(), has_database_privilege(current_database(), 'CREATE')")[0]
    if not may:
        fix = f"GRANT CREATE ON DATABASE {ident(name)} TO {ident(at.role)}"
        yield Found(at.role, f"'{at.role}' may not create schemas in '{name}'", fix)


@SERVER.check(
    "tables-of-others",
    "told",
    "tables belong to another role",
    means="Not wrong by itself: a migration needs to own the tables that it touches, or to be a member of their owner.",
    fix="GRANT <owner> TO <role>",
)
def tables_of_others(at: Patient) -> Iterator[Found]:
    """Tables that our role could not replace."""
    rows = at.rows(
        "SELECT pg_get_userbyid(c.relowner), count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relkind IN ('r', 'p') AND {OF_APPLICATION} AND n.nspname <> ALL (%s) "
        f"AND NOT pg_has_role(c.relowner, 'USAGE') AND NOT {of_extension('pg_class', 'c.oid')} GROUP BY 1 ORDER BY 1",
        at.managed,
    )
    for owner, count in rows:
        yield Found(owner, f"{many(count, 'table')} of '{owner}'", f"GRANT {ident(owner)} TO {ident(at.role)}")


@SERVER.check(
    "few-sessions-left",
    "wrong",
    "few connections are left",
    means="A run opens several sessions. The application that asks for the next connection is refused as well.",
    fix="SELECT pid, usename, application_name, state_change FROM pg_stat_activity WHERE state = 'idle' ORDER BY 4; "
    "then smaller pools, or a larger max_connections",
)
def sessions(at: Patient) -> Iterator[Found]:
    """Connections of the server, of the database and of our role."""
    for what, free in at.rows(
        "WITH a AS (SELECT count(*) AS all_of, count(*) FILTER (WHERE datname = current_database()) AS here, "
        "count(*) FILTER (WHERE usename = current_user) AS ours FROM pg_stat_activity "
        # What is hidden from us is NULL.
        "WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend') "
        "SELECT 'the server', current_setting('max_connections')::int "
        "- current_setting('superuser_reserved_connections')::int - a.all_of FROM a "
        "UNION ALL SELECT 'the database', d.datconnlimit - a.here FROM a, pg_database d "
        "WHERE d.datname = current_database() AND d.datconnlimit >= 0 "
        "UNION ALL SELECT 'the role', r.rolconnlimit - a.ours FROM a, pg_roles r "
        "WHERE r.rolname = current_user AND r.rolconnlimit >= 0"
    ):
        if free < _FREE_SESSIONS:
            yield Found(what, f"{many(max(free, 0), 'more session')} may be opened, by the limit of {what}")


@SERVER.check(
    "disk-nearly-full",
    "wrong",
    "the disk of the server is nearly full",
    means="A server that cannot write its log stops. A migration needs as much again as the tables that it touches, "
    "with their indexes, and the log of writing them.",
    fix="a larger disk; meanwhile: SELECT slot_name FROM pg_replication_slots WHERE NOT active; DROP INDEX of "
    "INVALID ones",
)
def disk(at: Patient) -> Iterator[Found]:
    """The room where the data is, where that is on this machine and may be known."""
    whole, largest = at.rows(
        "SELECT pg_database_size(current_database()), coalesce(max(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
        f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND {OF_APPLICATION}"
    )[0]
    need = f"a migration needs up to {size(largest)} for the largest table, and {size(whole)} for all of them"
    folder = _data_folder(at)
    if folder is None:
        raise Unseen(f"the disk of a server on another machine, or not ours to see; {need}")
    free = shutil.disk_usage(folder).free
    if (level := judge_disk(free, largest, whole)) != "good":
        told = f"{size(free)} are free where the data is; {need}"
        yield Found("data directory", told, level="warning" if level == "warning" else None)


def judge_disk(free: int, largest: int, whole: int) -> str:
    """wrong: the largest table could not be built beside itself; warning: not all of them at once."""
    if free < max(_LEAST_FREE, largest):
        return "wrong"
    return "warning" if free < whole else "good"


def _data_folder(at: Patient) -> Path | None:
    """The server's data directory, where this machine has it: a host of the same name could have another one."""
    host = str(conninfo_to_dict(at.database.conninfo).get("host", "") or "")
    if host and not host.startswith(("/", "@")):
        return None
    may = at.value("SELECT pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')")
    folder = Path(str(at.value("SHOW data_directory"))) if may else None
    try:
        return folder if folder is not None and folder.exists() else None
    except PermissionError:
        # It is there, and closed to us; the folder above is on the same disk, or nobody knows.
        return None


@SERVER.check(
    "transaction-ids-run-out",
    "wrong",
    "transaction numbers are running out",
    means="Autovacuum did not come to freeze old rows: something holds it up, as an old transaction, a prepared one "
    "or a replication slot does. When the age reaches two thousand million, the server refuses all writes.",
    fix="VACUUM (FREEZE, VERBOSE) <table>   -- after ending what holds it up: long-transaction, prepared-transaction, "
    "inactive-slot",
)
def wraparound(at: Patient) -> Iterator[Found]:
    """The age of the oldest transaction number, of the database and of its tables."""
    limit = 2**31
    rows = at.rows(
        "SELECT c.oid::regclass::text, age(c.relfrozenxid), mxid_age(c.relminmxid) FROM pg_class c "
        "WHERE c.relkind IN ('r', 'm', 't') AND greatest(age(c.relfrozenxid), mxid_age(c.relminmxid)) > %s "
        "ORDER BY greatest(age(c.relfrozenxid), mxid_age(c.relminmxid)) DESC",
        int(limit * _OLD),
    )
    for name, age, multi in rows[:5]:
        oldest = max(age, multi)
        told = f"{name} has rows that are {oldest:,} transactions old; at {limit:,} writes are refused"
        yield Found(name, told, f"VACUUM (FREEZE, VERBOSE) {name}")


@SERVER.check(
    "collation-changed",
    "wrong",
    "the collations of the operating system changed",
    means="Texts are sorted otherwise than when the indexes were built, as after an upgrade of the system or a move to "
    "another image: an index may not find rows that are there, and a unique one lets the same value in twice.",
    fix="REINDEX DATABASE CONCURRENTLY <name>; ALTER DATABASE <name> REFRESH COLLATION VERSION; ALTER COLLATION <name> "
    "REFRESH VERSION",
)
def collations(at: Patient) -> Iterator[Found]:
    """The versions that were recorded, and those that are in use."""
    if at.major >= 15:
        for name, was, now in at.rows(
            "SELECT datname, datcollversion, pg_database_collation_actual_version(oid) FROM pg_database "
            "WHERE datname = current_database() "
            "AND datcollversion <> pg_database_collation_actual_version(oid)"
        ):
            fix = f"REINDEX DATABASE CONCURRENTLY {ident(name)}; ALTER DATABASE {ident(name)} REFRESH COLLATION VERSION"
            yield Found(name, f"the collation of the database was version {was}, and is {now}", fix)
    # Hundreds of collations come with a server; those that no column and no index uses are nobody's business.
    for name, was, now in at.rows(
        "SELECT c.oid::regcollation::text, c.collversion, pg_collation_actual_version(c.oid) FROM pg_collation c "
        "WHERE c.collversion <> pg_collation_actual_version(c.oid) AND (EXISTS (SELECT FROM pg_attribute a "
        "WHERE a.attcollation = c.oid AND a.attrelid >= 16384) "
        "OR EXISTS (SELECT FROM pg_index i WHERE c.oid = ANY (i.indcollation) AND i.indrelid >= 16384)) ORDER BY 1"
    ):
        fix = f"REINDEX DATABASE CONCURRENTLY {ident(at.conn.info.dbname)}; ALTER COLLATION {name} REFRESH VERSION"
        yield Found(name, f"collation {name} was version {was}, and is {now}", fix)


@SERVER.check(
    "outdated-extension",
    "warning",
    "an extension is older than what is installed on the server",
    means="The server was upgraded and the extension in this database was not: new functions are missing, and repaired "
    "ones are not in use.",
    fix="ALTER EXTENSION <name> UPDATE",
)
def outdated_extensions(at: Patient) -> Iterator[Found]:
    """Extensions whose files are newer than what the database has."""
    for name, have, offered in at.rows(
        "SELECT e.extname, e.extversion, a.default_version FROM pg_extension e "
        "JOIN pg_available_extensions a ON a.name = e.extname WHERE a.default_version <> e.extversion ORDER BY 1"
    ):
        # A version that somebody chose to go back to is offered as well: it can be reached by no update.
        if at.value(
            "SELECT count(*) FROM pg_extension_update_paths(%s) WHERE source = %s AND target = %s AND path IS NOT NULL",
            *(name, have, offered),
        ):
            yield Found(name, f"{name} is {have}, and {offered} is installed", f"ALTER EXTENSION {ident(name)} UPDATE")


@SERVER.check(
    "extension-without-files",
    "wrong",
    "the server lacks the files of an extension",
    means="The database says that it has the extension and the server has no files of it: its functions fail when they "
    "are called, and a dump cannot be restored here.",
    fix="apt-get install postgresql-<version>-<name>   # or: DROP EXTENSION <name>, where nothing uses it",
)
def extensions_without_files(at: Patient) -> Iterator[Found]:
    """Extensions in the catalogue that the server does not offer."""
    for (name,) in at.rows(
        "SELECT e.extname FROM pg_extension e WHERE NOT EXISTS "
        "(SELECT FROM pg_available_extensions a WHERE a.name = e.extname) ORDER BY 1"
    ):
        yield Found(name, f"there are no files of extension {name} on the server")


_OF_EXTENSIONS = {
    "uuid_generate_v4": "uuid-ossp",
    "uuid_generate_v1": "uuid-ossp",
    "gen_salt": "pgcrypto",
    "gen_random_bytes": "pgcrypto",
    "pgp_sym_encrypt": "pgcrypto",
    "unaccent": "unaccent",
    "word_similarity": "pg_trgm",
}


@SERVER.check(
    "missing-extension",
    "wrong",
    "a function calls what only an extension has, and it is not there",
    means="The body of a function is not looked into before it is called: it fails then.",
    fix="CREATE EXTENSION <name>",
)
def missing_extensions(at: Patient) -> Iterator[Found]:
    """Functions whose bodies name a function of an extension that no schema has."""
    pattern = rf"\m({'|'.join(_OF_EXTENSIONS)})\s*\("
    found: dict[str, list[str]] = {}
    for name, called in at.rows(
        "SELECT p.oid::regprocedure::text, m[1] FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql') "
        f"CROSS JOIN LATERAL regexp_matches(p.prosrc, {literal(pattern)}, 'g') AS m "
        f"WHERE {OF_APPLICATION} AND NOT EXISTS (SELECT FROM pg_proc o WHERE o.proname = m[1]) ORDER BY 1"
    ):
        found.setdefault(_OF_EXTENSIONS[called], []).append(f"{name} calls {called}()")
    for extension, uses in found.items():
        yield Found(extension, listed(list(dict.fromkeys(uses))), f"CREATE EXTENSION {ident(extension)}")

"""One memory into the table: a transaction that reads what is there, inserts, reads it back, and records the file.

It is REPEATABLE READ, so that beside what was there when it began it sees its own rows only, whatever the application
writes meanwhile: the rows after it are those before it and those of the file, or it is rolled back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from importlib import resources

import psycopg

from ecluse.errors import MissingRights, ProofFailed
from ecluse.model.names import Name, ident
from ecluse.postgres.connect import Session
from ecluse.postgres.failures import translate
from ecluse.recipes.self_hosted_supabase.memories.rows import TEXTS, UNFIT, Fault, Row, digest
from ecluse.recipes.self_hosted_supabase.memories.target import Target

_BATCH = 500
# What a table, or a trigger of it, says to a row: 22 values, 23 constraints, P0 its own code.
_REFUSALS = ("22", "23", "P0")


@dataclass(frozen=True, slots=True)
class Record:
    """What became of the rows of a file."""

    rows: int
    imported: int
    there: int
    empty: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Job:
    """The rows of a file, for their owner; `empty` and `rejected` of it are not among them."""

    file: str
    sha256: str
    owner: str
    rows: Sequence[Row]
    empty: int
    rejected: int

    def came_to(self, imported: int) -> Record:
        """The record, where so many rows were not in the table."""
        total = len(self.rows) + self.empty + self.rejected
        return Record(total, imported, len(self.rows) - imported, self.empty, self.rejected)


class TableRefuses(Exception):
    """The table does not take rows of a file, which is rolled back: these, or for `reason` nobody knows which."""

    def __init__(self, faults: tuple[Fault, ...], reason: str) -> None:
        super().__init__(reason)
        self.faults = faults
        self.reason = reason


# --- records ----------------------------------------------------------------------------------------


def install(session: Session) -> None:
    """Make the table of records where it is missing."""
    if records_there(session):
        return
    try:
        with session.transaction():
            # With IF NOT EXISTS it would ask for the right even where the schema is there.
            if session.execute("SELECT to_regnamespace('ecluse')").fetchone() == (None,):
                session.execute("CREATE SCHEMA ecluse")
            session.execute(resources.files(__package__).joinpath("imports.sql").read_bytes())
    except psycopg.errors.InsufficientPrivilege as error:
        raise MissingRights(
            "this role may not make the table that records what was imported, ecluse.imported_file",
            details=translate(error).message,
            hint="GRANT CREATE ON DATABASE ... TO ...;",
            state="nothing was changed",
        ) from None


def records_there(session: Session) -> bool:
    """Whether this database has the table of records."""
    return session.execute("SELECT to_regclass('ecluse.imported_file')").fetchone() != (None,)


def recorded(session: Session, file: str, sha256: str, table: Name) -> Record | None:
    """What became of a file of this name and content, where it was imported into this table before."""
    row = session.execute(
        "SELECT rows, imported, there, empty, rejected FROM ecluse.imported_file "
        "WHERE file = %s AND sha256 = %s AND into_table = %s",
        (file, sha256, str(table)),
    ).fetchone()
    return Record(*row) if row else None


def _record(session: Session, job: Job, table: Name, found: Record, keys: list[str]) -> None:
    session.execute(
        "INSERT INTO ecluse.imported_file (file, sha256, into_table, rows, imported, there, empty, rejected, keys) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::text[])",
        (job.file, job.sha256, str(table), *astuple(found), keys),
    )


# --- rows -------------------------------------------------------------------------------------------


def foresee(session: Session, target: Target, job: Job) -> Record:
    """What would become of the file; nothing is changed."""
    with session.transaction():
        return job.came_to(len(_missing(_digests(session, target, job.owner), job.rows)))


def load(session: Session, target: Target, job: Job, last: Callable[[], None]) -> Record:
    """Insert the rows that the table does not have, prove it, and record the file; all of it or nothing.

    `last` is done before the commit. Raises TableRefuses and ProofFailed.
    """
    missing: list[Row] = []
    try:
        with session.transaction():
            before = _digests(session, target, job.owner)
            missing = _missing(before, job.rows)
            keys = _insert(session, target, job.owner, missing)
            expected = before + Counter(row.digest for row in missing)
            _prove(expected, _digests(session, target, job.owner), job.file)
            found = job.came_to(len(missing))
            _record(session, job, target.table, found, keys)
            last()
            return found
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in _REFUSALS:
            raise
        reason = _refusal(error)
    raise TableRefuses(_refused(session, target, job.owner, missing), reason)


def _digests(session: Session, target: Target, owner: str) -> Counter[bytes]:
    """The rows of a person, each as often as it is there."""
    texts = [f"{ident(name)}::text" if name in target.columns else "NULL::text" for name in TEXTS]
    # In UTC, which is what sessions are pinned to.
    moment = """pg_catalog.to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US')"""
    query = (
        f"SELECT {', '.join([*texts, moment])} FROM {_escaped(target.table.sql)} "
        f"WHERE user_id = %s::text::{target.user_type}"
    )
    with session.cursor(name="ecluse_memories") as cursor:
        cursor.execute(query.encode(), (owner,))
        return Counter(digest(row) for row in cursor)


def _missing(before: Counter[bytes], rows: Sequence[Row]) -> list[Row]:
    """What the table has less often than the file."""
    left = before.copy()
    missing = []
    for row in rows:
        if left[row.digest] > 0:
            left[row.digest] -= 1
        else:
            missing.append(row)
    return missing


def _insert(session: Session, target: Target, owner: str, rows: Sequence[Row]) -> list[str]:
    """Insert rows and return their keys, where the table has one column for them."""
    names = [*target.texts, "created_at"]
    given = ", ".join(f"g{number}" for number in range(len(names) - 1))
    columns = ", ".join(ident(name) for name in ("user_id", *names))
    key = f"{_escaped(ident(target.key))}::text" if target.key else "NULL"
    query = (
        f"INSERT INTO {_escaped(target.table.sql)} ({columns}) "
        f"SELECT %s::text::{target.user_type}, {given}{', ' if given else ''}moment::{target.moment_type} "
        f"FROM unnest({', '.join(['%s::text[]'] * len(names))}) WITH ORDINALITY "
        f"AS rows_of_file ({given}{', ' if given else ''}moment, place) ORDER BY place RETURNING {key}"
    )
    keys: list[str] = []
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        values = [dict(zip((*TEXTS, "created_at"), row.values, strict=True)) for row in some]
        parameters = [owner, *([one[name] for one in values] for name in names)]
        keys += [found for (found,) in session.execute(query.encode(), parameters) if found is not None]
    return keys


def _prove(expected: Counter[bytes], found: Counter[bytes], file: str) -> None:
    """Raise where the rows of the person are not those before and those of the file, by number and by hash."""
    if found == expected:
        return
    lacking, extra = (sum(part.values()) for part in (expected - found, found - expected))
    raise ProofFailed(
        f"the table does not hold what was read from {file}",
        details=f"read back, {lacking:,} rows are missing or changed, and {extra:,} are there that should not be",
        hint="look for a trigger or a rule of the table that changes rows",
    )


def _refused(session: Session, target: Target, owner: str, rows: Sequence[Row]) -> tuple[Fault, ...]:
    """Which rows the table refuses: each is tried, and all are rolled back."""
    faults: list[Fault] = []
    with session.transaction(force_rollback=True):
        for row in rows:
            try:
                with session.transaction():
                    _insert(session, target, owner, [row])
            except psycopg.Error as error:
                if (error.sqlstate or "")[:2] not in _REFUSALS:
                    raise
                faults.append(Fault(row.index, UNFIT, _refusal(error)))
    return tuple(faults)


def _refusal(error: psycopg.Error) -> str:
    """Why, without the words of a trigger or of a DETAIL: they can hold values."""
    if error.diag.constraint_name:
        return f"the table refuses it: constraint {error.diag.constraint_name}"
    if (error.sqlstate or "").startswith("P0"):
        return "a trigger of the table refuses it"
    return f"the table refuses it: {translate(error).message}"


def _escaped(sql: str) -> str:
    """SQL in which a percent sign is itself, beside parameters."""
    return sql.replace("%", "%%")

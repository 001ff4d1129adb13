"""Sequences: whether the next value is one that the column has already, or one that it cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from ecluse.checkup.check import OF_APPLICATION, Found, Patient, Topic, Unseen, listed
from ecluse.model.names import Name, ident, literal

SEQUENCES = Topic("sequences", "Sequences")

_SMALL = 64 * 2**20  # bytes of a table that are read whole where no index has the largest value
_NEARLY = 0.8

# Columns that take their values from a sequence: identity and serial ones own it, others have nextval() as a default.
_SEQUENCES = f"""
WITH used AS (
    SELECT d.refobjid AS relation, d.refobjsubid AS number, d.objid AS sequence FROM pg_depend d
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
       AND d.refobjsubid > 0
    UNION
    SELECT a.adrelid, a.adnum, d.refobjid FROM pg_attrdef a JOIN pg_depend d
        ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass)
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL), m.nspname, s.relname, q.seqincrement, q.seqmin,
    q.seqmax, q.seqcycle,
    has_sequence_privilege(s.oid, 'SELECT') AND has_column_privilege(c.oid, a.attnum, 'SELECT'),
    c.relkind = 'p' OR EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree' WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum
        AND i.indisvalid AND i.indpred IS NULL), row_security_active(c.oid)
  FROM used u JOIN pg_class c ON c.oid = u.relation AND c.relkind IN ('r', 'p')
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number AND NOT a.attisdropped
  JOIN pg_class s ON s.oid = u.sequence AND s.relkind = 'S' JOIN pg_namespace m ON m.oid = s.relnamespace
  JOIN pg_sequence q ON q.seqrelid = s.oid
 WHERE {OF_APPLICATION} AND NOT c.relispartition
   AND a.atttypid = ANY ('{{smallint,integer,bigint,numeric}}'::regtype[]) ORDER BY 1, 2, 3
"""
_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class _Use:
    """A column, the sequence that its values come from, and how it can be read."""

    table: Name
    column: str
    type: str
    sequence: Name
    increment: int
    minimum: int
    maximum: int
    cycles: bool
    ours: bool
    indexed: bool
    hidden: bool

    @property
    def words(self) -> str:
        return f"{self.table}.{self.column}"


def _uses(at: Patient) -> list[_Use]:
    return [_Use(Name(r[0], r[1]), r[2], r[3], Name(r[4], r[5]), *r[6:]) for r in at.rows(_SEQUENCES)]


def _stands(at: Patient, sequence: Name) -> tuple[int, bool]:
    last, called = at.rows(f"SELECT last_value, is_called FROM {sequence.sql}")[0]
    return int(last), bool(called)


@SEQUENCES.check(
    "sequence-behind",
    "wrong",
    "a sequence is behind its column",
    means="The next INSERT gets a number that is there already and fails on the key, or, without a key, two rows "
    "have one number. Rows that were copied with their numbers do not move the sequence.",
    fix="SELECT setval('<sequence>', (SELECT max(<column>) FROM <table>))",
)
def behind(at: Patient) -> Iterator[Found]:
    """Identity and serial columns, and those with nextval() as their default."""
    unseen = []
    for use in _uses(at):
        if not use.ours or use.hidden:
            unseen.append(f"{use.words} (no right to read it)" if not use.ours else f"{use.words} (row level security)")
        else:
            try:
                with at.conn.transaction():
                    small = use.indexed or at.value("SELECT pg_relation_size(%s::regclass)", use.table.sql) <= _SMALL
                    found = tuple(_behind(at, use)) if small else ()
                yield from found
                if not small:
                    unseen.append(f"{use.words} (large, and without an index)")
            except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
                locked = isinstance(error, psycopg.errors.LockNotAvailable)
                unseen.append(f"{use.words} ({'somebody holds a lock' if locked else 'it took too long'})")
    if unseen:
        raise Unseen(listed(unseen))


def _behind(at: Patient, use: _Use) -> Iterator[Found]:
    end = "max" if use.increment > 0 else "min"
    largest = at.value(f"SELECT {end}({ident(use.column)}) FROM {use.table.sql}")
    last, called = _stands(at, use.sequence)
    following = last + use.increment if called else last
    if largest is None or not use.minimum <= largest <= use.maximum:
        # A value that the sequence never gives was put there by hand, and is met by no next one.
        return
    if (largest >= following) if use.increment > 0 else (largest <= following):
        largest_of = f"(SELECT {end}({ident(use.column)}) FROM {use.table.sql})"
        fix = f"SELECT setval({literal(use.sequence.sql)}, {largest_of})"
        told = f"{use.words} goes to {largest}, and the next of {use.sequence} is {following}"
        yield Found(str(use.sequence), told, fix)


@SEQUENCES.check(
    "sequence-near-its-end",
    "warning",
    "a sequence has used most of its numbers",
    means="At its end every INSERT fails. An integer ends at 2,147,483,647.",
    fix="convert_column to bigint in a migration, or: ALTER SEQUENCE <name> AS bigint, where the column is one",
)
def near_the_end(at: Patient) -> Iterator[Found]:
    """By the end of the sequence or of the column's type, whichever comes first."""
    unseen = []
    for use in _uses(at):
        if use.cycles or use.increment < 0:
            continue
        if not use.ours:
            unseen.append(str(use.sequence))
            continue
        end = min(use.maximum, _LARGEST.get(use.type, use.maximum))
        last, _ = _stands(at, use.sequence)
        if last > end * _NEARLY:
            yield Found(str(use.sequence), f"{use.sequence} is at {last:,} of {end:,}, for {use.words} ({use.type})")
    if unseen:
        raise Unseen(listed(unseen))

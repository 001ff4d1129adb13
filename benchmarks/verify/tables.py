"""The two tables, six or thirty columns wide, and the faults that are planted in the second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# name, type, value of row i
_NARROW = (
    ("id", "bigint", "i"),
    ("title", "text", "CASE WHEN i % 11 > 0 THEN 'Invoice ' || i END"),
    ("note", "text", "md5(i::text)"),
    ("amount", "numeric", "(i % 100000) * 0.01"),
    ("ratio", "float8", "sqrt(i)"),
    ("made_at", "timestamptz", "timestamptz '2024-01-01 00:00:00.000001Z' + i * interval '1.000007 seconds'"),
)
_WIDE = (
    *_NARROW,
    ("owner", "uuid", "md5('owner' || i % 5000)::uuid"),
    ("session", "uuid", "md5('session' || i)::uuid"),
    ("trace", "uuid", "CASE WHEN i % 5 > 0 THEN md5('trace' || i)::uuid END"),
    ("settings", "jsonb", "jsonb_build_object('language', 'en', 'turn', i % 97, 'score', i * 0.5)"),
    ("extra", "jsonb", "CASE WHEN i % 3 = 0 THEN jsonb_build_object('tags', jsonb_build_array(i, 'x', null)) END"),
    ("digest", "bytea", "decode(md5('digest' || i), 'hex')"),
    ("thumbnail", "bytea", "decode(repeat(md5(i::text), 2), 'hex')"),
    ("labels", "text[]", "ARRAY['a' || i % 7, 'b,c', NULL]"),
    ("roles", "text[]", "CASE WHEN i % 2 = 0 THEN ARRAY['reader', 'writer'] ELSE '{}' END"),
    ("mood", "mood", "(ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood"),
    ("mood_before", "mood", "CASE WHEN i % 4 > 0 THEN (ARRAY['sad', 'ok', 'happy'])[1 + i % 2]::mood END"),
    ("price", "numeric(12,4)", "i * 0.0137"),
    ("tax", "numeric", "(i % 977) / 7.0"),
    ("balance", "numeric", "-i::numeric * 31.07"),
    ("latitude", "float8", "sin(i) * 90"),
    ("longitude", "float8", "cos(i) * 180"),
    ("seen_at", "timestamptz", "CASE WHEN i % 13 > 0 THEN timestamptz '2024-06-01Z' + i * interval '7 seconds' END"),
    ("changed_at", "timestamptz", "timestamptz '2025-01-01Z' + i * interval '11 milliseconds'"),
    ("city", "text", "(ARRAY['Genève', 'Paris', 'Lausanne', 'Évian'])[1 + i % 4]"),
    ("address", "text", "'rue ' || i % 999 || ', ' || md5('street' || i % 1000)"),
    ("state", "text", "CASE i % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'closed' ELSE '' END"),
    ("visits", "integer", "i % 1000"),
    ("active", "boolean", "i % 2 = 0"),
    ("gross", "numeric", ""),  # generated
)
_GENERATED = {"gross": "amount * 1.077"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one row: `before` is set in both tables, `after` in the second. `equal`: it is no fault."""

    name: str
    key: int
    before: str
    after: str
    equal: bool

    def plant(self) -> Iterator[str]:
        """The statements."""
        if self.before:
            yield from (f"UPDATE {table} SET {self.before} WHERE id = {self.key}" for table in ("first", "second"))
        if self.after == _GONE:
            yield f"DELETE FROM second WHERE id = {self.key}"
        elif self.after == _NEW:
            yield f"DELETE FROM first WHERE id = {self.key}"
        else:
            yield f"UPDATE second SET {self.after} WHERE id = {self.key}"


@dataclass(frozen=True, slots=True)
class Shape:
    """One pair of tables: its name, and the columns in the order of the first table."""

    name: str
    columns: tuple[tuple[str, str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(name for name, _, _ in self.columns)

    def create(self, rows: int) -> Iterator[str]:
        """Both tables, with the same rows: the second with these and its columns in another order, and one dropped."""
        yield "DROP TABLE IF EXISTS first, second, loose_first, loose_second"
        yield "DROP TYPE IF EXISTS mood"
        yield "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')"
        turned = [self.columns[0], *reversed(self.columns[1:])]
        yield f"CREATE TABLE first ({', '.join(_definition(name, kind) for name, kind, _ in self.columns)})"
        yield f"CREATE TABLE second (gone text, {', '.join(_definition(name, kind) for name, kind, _ in turned)})"
        yield "ALTER TABLE second DROP COLUMN gone"
        written = [(name, value) for name, _, value in self.columns if value]
        names, values = (", ".join(each) for each in zip(*written, strict=True))
        yield f"INSERT INTO first ({names}) SELECT {values} FROM generate_series(1, {rows}::bigint) i"
        yield f"INSERT INTO second ({names}) SELECT {names} FROM first ORDER BY hashint8(id)"
        yield from (f"ALTER TABLE {table} ADD PRIMARY KEY (id)" for table in ("first", "second"))
        numbers = "FROM generate_series(1, 1000) i"
        yield f"CREATE TABLE loose_first AS SELECT i % 500 AS number, 'row ' || i % 500 AS word {numbers}"
        yield "CREATE TABLE loose_second AS TABLE loose_first"

    def faults(self, rows: int) -> tuple[Fault, ...]:
        """The faults that these columns can hold, each in a row of its own, spread over the table."""
        fitting = [fault for fault in _FAULTS if not fault[1] or fault[1] in self.names]
        step = rows // (len(fitting) + 1)
        return tuple(
            Fault(name, (number + 1) * step, before, after, equal)
            for number, (name, _, before, after, equal) in enumerate(fitting)
        )


DUPLICATE = "duplicate without a key"
"""The twelfth fault has no key by which it could be told: it is in the tables that have none."""
DUPLICATED = "INSERT INTO loose_second SELECT * FROM loose_second LIMIT 1"
UNDO_DUPLICATED = "TRUNCATE loose_second; INSERT INTO loose_second TABLE loose_first"


def _definition(name: str, kind: str) -> str:
    generated = f" GENERATED ALWAYS AS ({_GENERATED[name]}) STORED" if name in _GENERATED else ""
    return f"{name} {kind}{generated}"


SHAPES = {6: Shape("narrow", _NARROW), 30: Shape("wide", _WIDE)}

_GONE, _NEW = "gone", "new"

# Name, a column that it needs, what is done to both tables, what to the second, whether they are equal nevertheless.
_FAULTS = (
    ("NULL to '<null>'", "title", "title = NULL", "title = '<null>'", False),
    ("separator shift", "title", "title = 'x', note = '|y'", "title = 'x|', note = 'y'", False),
    ("trailing blank", "note", "", "note = note || ' '", False),
    ("case", "note", "note = 'ecluse'", "note = 'Ecluse'", False),
    ("float 1e-15 to 2e-15", "ratio", "ratio = 1e-15", "ratio = 2e-15", False),
    ("numeric scale", "amount", "amount = 1.1", "amount = 1.10", False),
    ("a microsecond", "made_at", "", "made_at = made_at + interval '1 microsecond'", False),
    ("a byte of bytea", "digest", "", "digest = set_byte(digest, 7, get_byte(digest, 7) # 1)", False),
    (
        "key order of jsonb",
        "settings",
        """settings = '{"a": 1, "bb": 2}'""",
        """settings = '{"bb": 2, "a": 1}'""",
        True,
    ),
    ("missing row", "", "", _GONE, False),
    ("extra row", "", "", _NEW, False),
)

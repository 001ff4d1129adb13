"""The canonical form of a row, and its checksum: a row count, the sum of 64-bit hashes and of the hashes of these.

Each value goes in as bytes that no collation and no equality touches, and PostgreSQL hashes the row of these: a value
its bytes, NULL nothing, each column with a factor of its own. A text goes in under the collation "C": its hash is that
of its bytes; other types as their wire form (`int8send`, `numeric_send`, ...) or as text, where that is known to be
exact and the same on every server. What is not known goes in as `ROW(c)::text`, which tells NULL from the empty string
and keeps the blanks of bpchar, as `c::text` does not. (An array's wire form is not exact: it tells whether there was
once a NULL in it.)

The values themselves are not hashed as they are, although that is faster still: PostgreSQL's hashes follow each type's
idea of equality (1.10 = 1.1, -0 = 0, 'a ' = 'a', nondeterministic collations) and fold a bigint to 32 bits. The hash of
a row is a linear combination of those of its columns, so the first sum stays when two rows exchange a value. The
second sum does not: it adds up what is no linear function of the first hash.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.model.names import ident

_MASK = (1 << 96) - 1

# What a row is called in every query of the proof; a column of that name would be taken for it.
ROW = "ecluse_row"

# The functions of the wire form; of the types that have none here, the hash goes over all bits already.
_SEND = {
    "int8": "int8send",
    "json": "json_send",
    "float4": "float4send",
    "float8": "float8send",
    "bpchar": "bpcharsend",
    "time": "time_send",
    "timestamp": "timestamp_send",
    "timestamptz": "timestamptz_send",
    "interval": "interval_send",
    "timetz": "timetz_send",
    "numeric": "numeric_send",
}

ANY_ENUM = 3500  # an enum goes by this OID here: its own says nothing, and is another one on each server

# Types by OID -> the type under which they are sent. Types that share a target compare by value across the two sides.
_EXACT = {
    16: "bool",
    17: "bytea",
    19: "text",  # name
    20: "int8",
    21: "int8",
    23: "int8",
    25: "text",
    114: "json",
    700: "float4",
    701: "float8",
    1042: "bpchar",
    1043: "text",  # varchar
    1082: "date",
    1083: "time",
    1114: "timestamp",
    1184: "timestamptz",
    1186: "interval",
    1266: "timetz",
    1700: "numeric",
    2950: "uuid",
    ANY_ENUM: "text",
}

# Whose text says all there is: jsonb, and arrays of types that are sent.
_AS_TEXT = frozenset(
    {3802, 199, 1000, 1001, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1115, 1182, 1183, 1185, 1231, 2951, 3807}
)
# Whose own hash is that of the number, as long as no other integer type stands on the other side.
_SHORT = {21: "int2", 23: "int4"}


@dataclass(frozen=True, slots=True)
class Sum:
    """The checksum of a set of rows; those of disjoint sets add up."""

    rows: int = 0
    first: int = 0
    second: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.rows + other.rows, self.first + other.first, self.second + other.second)

    @property
    def hex(self) -> str:
        """Both sums."""
        return f"{self.first & _MASK:024x}-{self.second & _MASK:024x}"


@dataclass(frozen=True, slots=True)
class Projection:
    """What is hashed of each row of a query: expressions over its row, and the flag column that picks rows."""

    forms: tuple[str, ...]
    when: str = ""

    @property
    def hash(self) -> str:
        """The hash of a row's canonical form, as SQL; NULL for a row that `when` leaves out."""
        whole = f"pg_catalog.hash_record_extended(ROW({', '.join(self.forms)}), 0)"
        return f"CASE WHEN ({ROW}).{ident(self.when)} THEN {whole} END" if self.when else whole


def text_form(column: str) -> str:
    """A value of any type as text that tells NULL from ''."""
    return f"ROW(({ROW}).{ident(column)})::pg_catalog.text"


def form(column: str, oid: int, other_oid: int) -> str:
    """A value as it goes into the canonical form, given its type here and on the other side."""
    value = f"({ROW}).{ident(column)}"
    if oid == other_oid and oid in _AS_TEXT:
        return _printed(value)
    sent = _SHORT[oid] if oid == other_oid and oid in _SHORT else _EXACT.get(oid)
    if sent is None or sent not in (_EXACT.get(other_oid), _SHORT.get(other_oid)):
        return f"pg_catalog.textsend({text_form(column)})"
    if oid == ANY_ENUM:
        return _printed(value)
    value = f"{value}::pg_catalog.{sent}"  # strips a domain
    if sent == "text":
        return f'{value} COLLATE pg_catalog."C"'
    if sent in ("float4", "float8"):  # there are many NaNs, and they are one value
        value = f"CASE WHEN {value} = 'NaN' THEN 'NaN'::pg_catalog.{sent} ELSE {value} END"
    return f"pg_catalog.{_SEND[sent]}({value})" if sent in _SEND else value


def _printed(value: str) -> str:
    """A value as its type prints it, NULL for NULL. Not a cast: the owner of a type can make one that says less."""
    return f'CASE WHEN {value} IS NOT NULL THEN pg_catalog.concat({value}) END COLLATE pg_catalog."C"'


def second_hash(first: str) -> str:
    """What the second sum adds up: no rows whose first hashes merely add up to the same do so here as well.

    The hash of a bigint folds it to 32 bits; but that and its upper half together are all of it.
    """
    return f"pg_catalog.hash_record_extended(ROW({first}, {first} >> 32), 1)"


def sums_sql(query: str, projections: tuple[Projection, ...]) -> str:
    """One scan of `query` -> one row: rows, first sum, second sum of each projection in turn."""
    # OFFSET 0 keeps the planner from pulling the hash up, and so from making it twice.
    inner = ", ".join(f"{p.hash} AS h{i}" for i, p in enumerate(projections))
    outer = ", ".join(_totals(f"h{i}", bool(p.when)) for i, p in enumerate(projections))
    return f"SELECT {outer} FROM (SELECT {inner} FROM ({query}\n) AS {ROW} OFFSET 0) AS hashes"


def _totals(first: str, partial: bool) -> str:
    # int8send(NULL) is NULL, but the hash of ROW(NULL) is not, so the rows left out need a word of their own.
    # sum(bigint) is exact: it is numeric, and added up in 128 bits, which is faster than adding numerics.
    only = f" FILTER (WHERE {first} IS NOT NULL)" if partial else ""
    return f"pg_catalog.count({first}), pg_catalog.sum({first}), pg_catalog.sum({second_hash(first)}){only}"


def read_sums(row: tuple[int | None, ...]) -> list[Sum]:
    """The row that `sums_sql` yields."""
    whole = [int(value or 0) for value in row]
    return [Sum(*whole[i : i + 3]) for i in range(0, len(whole), 3)]

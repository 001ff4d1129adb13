"""From two checksums that differ to the rows that do.

Both sides are cut into buckets by the hash of the key (of the row, where there is no key), so that two versions
of one row fall into one bucket; only buckets that differ are cut further, and at last their rows are fetched as
key and hashes. Values do not leave the server unless they are asked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from ecluse.model.names import ident, literal
from ecluse.model.report import Difference
from ecluse.proof.checksum import ROW, Projection, Sum, second_hash, text_form
from ecluse.proof.readers import Readers, Row, run_all
from ecluse.redaction import unless_secret

_FIRST_BITS = 12
_MORE_BITS = 6
_MOST_BITS = 60
_MANY_BUCKETS = 2_048  # differing ones; more than that are sampled, not cut further
_MANY_ROWS = 20_000  # fetched from each side, as key and hashes: about a kilobyte of memory each, both sides together

Hashes = tuple[int, int]
Unpaired = tuple[str, str, Hashes | None, Hashes | None]  # key, kind, left, right


@dataclass(frozen=True)
class Target:
    """One side, with what is hashed of each of its rows and who reads it."""

    readers: Readers
    parts: tuple[str, ...]
    projection: Projection
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @cached_property
    def key_text(self) -> str:
        """The key of a row: the value, or all values as a composite."""
        if len(self.key) == 1:
            return f"COALESCE({_shown(self.key[0])}, '(null)')"
        return (
            f"ROW({', '.join(f'({ROW}).{ident(column)}' for column in self.key)})::pg_catalog.text"
            if self.key
            else "''"
        )

    def bucket(self, key: str, row: str) -> str:
        """What a row's bucket is taken from: the hash of its key or, where it has none, that of the row."""
        return f'pg_catalog.hashtextextended({key} COLLATE pg_catalog."C", 0)' if self.key else row

    def rows_of(self, part: str, within: _Buckets) -> str:
        """Each row in these buckets as `k` (key), `b` (bucket hash), `h1`, `h2` and the row itself, under its name."""
        # Here and not further out: so the rows of other buckets are not hashed, but for their keys.
        bucket = self.bucket(self.key_text, self.projection.hash)
        only = f" WHERE {_bucket(bucket, within.bits)} = ANY ({_array(within.values)})" if within.bits else ""
        # Each OFFSET 0 keeps what is below it from being computed more than once.
        first = (
            f"SELECT {ROW}, {self.projection.hash} AS h1, {self.key_text} AS k FROM ({part}\n) AS {ROW}{only} OFFSET 0"
        )
        hashes = f"{self.bucket('k', 'h1')} AS b, h1, {second_hash('h1')} AS h2"
        return f"SELECT {ROW}, k, {hashes} FROM ({first}) AS t WHERE h1 IS NOT NULL OFFSET 0"

    def queries(self, select: str, within: _Buckets, tail: str) -> list[str]:
        """A query over each part."""
        return [f"SELECT {select} FROM ({self.rows_of(part, within)}) AS r {tail}" for part in self.parts]


@dataclass(frozen=True, slots=True)
class Located:
    """Rows that differ, and how many more there are: counted up to some thousands, beyond that estimated."""

    differences: tuple[Difference, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class _Buckets:
    bits: int
    values: frozenset[int]
    left_out: int = 0  # rows in differing buckets that are not looked at
    left_out_buckets: int = 0


_ALL = _Buckets(0, frozenset({0}))


def locate(left: Target, right: Target, names: Sequence[str], *, show_values: bool, limit: int) -> Located:
    """Find the rows in which two sides differ, and describe the first `limit` of them."""
    buckets = _differing(left, right)
    mine, others = _fetch(left, right, buckets)
    unpaired = sorted(_classify(mine, others, bool(left.key)), key=lambda found: (found[1], found[0]))
    shown = unpaired[:limit]
    described = _describe(shown, (left, right), buckets, names, show_values)
    return Located(tuple(described), len(unpaired) - len(shown) + _estimate(buckets, len(unpaired), mine, others))


def _ask(left: Target, right: Target, select: str, within: _Buckets, tail: str = "") -> tuple[list[Row], list[Row]]:
    """The rows of a query over the parts of either side; both sides are asked at the same time."""
    mine, others = left.queries(select, within, tail), right.queries(select, within, tail)
    if left.readers is right.readers:
        found = left.readers.run([*mine, *others])
        answers = found[: len(mine)], found[len(mine) :]
    else:
        both = run_all({left.readers: mine, right.readers: others})
        answers = both[left.readers], both[right.readers]
    return list(chain.from_iterable(answers[0])), list(chain.from_iterable(answers[1]))


def _differing(left: Target, right: Target) -> _Buckets:
    buckets = _ALL
    while True:
        bits = _FIRST_BITS if not buckets.bits else buckets.bits + _MORE_BITS
        mine, others = _sums(left, right, bits, buckets)
        sizes = {
            value: max(mine[value].rows, others[value].rows)
            for value in sorted(mine.keys() | others.keys())
            if mine[value] != others[value]
        }
        chosen = _sample(sizes) if len(sizes) > _MANY_BUCKETS else list(sizes)
        rows = sum(sizes[value] for value in chosen)
        buckets = _Buckets(
            bits,
            frozenset(chosen),
            buckets.left_out + sum(sizes.values()) - rows,
            buckets.left_out_buckets + len(sizes) - len(chosen),
        )
        if rows <= _MANY_ROWS or bits >= _MOST_BITS:
            return buckets


def _sample(sizes: dict[int, int]) -> list[int]:
    """Buckets that together hold few enough rows; at least one."""
    chosen: list[int] = []
    rows = 0
    for value, size in sizes.items():
        rows += size
        if chosen and rows > _MANY_ROWS:
            break
        chosen.append(value)
    return chosen


def _sums(left: Target, right: Target, bits: int, within: _Buckets) -> Iterator[defaultdict[int, Sum]]:
    select = f"{_bucket('b', bits)}, pg_catalog.count(*), pg_catalog.sum(h1), pg_catalog.sum(h2)"
    for rows_of_side in _ask(left, right, select, within, "GROUP BY 1"):
        found: defaultdict[int, Sum] = defaultdict(Sum)
        for value, rows, first, second in rows_of_side:
            found[value] += Sum(rows, int(first), int(second))
        yield found


def _bucket(hashed: str, bits: int) -> str:
    return f"({hashed} & {(1 << bits) - 1})"


def _array(numbers: Iterable[int]) -> str:
    return literal("{" + ",".join(map(str, sorted(numbers))) + "}") + "::pg_catalog.int8[]"


def _fetch(left: Target, right: Target, buckets: _Buckets) -> Iterator[dict[str, Counter[Hashes]]]:
    for rows in _ask(left, right, "k, h1, h2, pg_catalog.count(*)", buckets, "GROUP BY 1, 2, 3"):
        found: defaultdict[str, Counter[Hashes]] = defaultdict(Counter)
        for key, h1, h2, times in rows:
            found[key][h1, h2] += times
        yield found


def _classify(mine: dict[str, Counter[Hashes]], others: dict[str, Counter[Hashes]], keyed: bool) -> Iterator[Unpaired]:
    for key in mine.keys() | others.keys():
        here, there = mine.get(key, Counter()), others.get(key, Counter())
        only_here, only_there = list((here - there).elements()), list((there - here).elements())
        pairs = min(len(only_here), len(only_there)) if keyed else 0
        for one, other in zip(only_here[:pairs], only_there[:pairs], strict=True):
            yield key, "different", one, other
        # Without a key, only an identical row on the other side makes a row a duplicate.
        for one in only_here[pairs:]:
            yield key, "duplicate" if (there if keyed else there[one]) else "missing", one, None
        for other in only_there[pairs:]:
            yield key, "duplicate" if (here if keyed else here[other]) else "extra", None, other


def _estimate(
    buckets: _Buckets, found: int, mine: dict[str, Counter[Hashes]], others: dict[str, Counter[Hashes]]
) -> int:
    """How many rows differ in the buckets left out: as many in proportion, at least one in each."""
    looked_at = max(sum(sum(rows.values()) for rows in side.values()) for side in (mine, others))
    return max(buckets.left_out_buckets, round(found * buckets.left_out / max(looked_at, 1)))


# --- describing the rows ----------------------------------------------------------------------------

Details = dict[Hashes, tuple[list[str], list[str | None]]]  # hash of each column, value of each column


def _describe(
    found: Sequence[Unpaired], sides: tuple[Target, Target], within: _Buckets, names: Sequence[str], show_values: bool
) -> Iterator[Difference]:
    # Without values, only rows that are on both sides have anything to tell.
    wanted = [row for row in found if show_values or row[1] == "different"]
    mine = _details(sides[0], {row[2] for row in wanted if row[2]}, within, show_values)
    others = _details(sides[1], {row[3] for row in wanted if row[3]}, within, show_values)
    for key, kind, one, other in found:
        here, there = (mine.get(one) if one else None), (others.get(other) if other else None)
        columns: tuple[str, ...] = ()
        if here and there:
            columns = tuple(name for name, a, b in zip(names, here[0], there[0], strict=True) if a != b)
        told = columns or tuple(names)
        yield Difference(key, kind, columns, _told(names, here, told), _told(names, there, told))


def _told(
    names: Sequence[str], details: tuple[list[str], list[str | None]] | None, told: Iterable[str]
) -> dict[str, str | None]:
    values = dict(zip(names, details[1], strict=False)) if details else {}  # no values were fetched: nothing is told
    return {name: unless_secret(name, values[name]) for name in told if name in values}


def _details(target: Target, wanted: set[Hashes], within: _Buckets, show_values: bool) -> Details:
    if not wanted:
        return {}
    hashed = ", ".join(f"pg_catalog.md5(pg_catalog.record_send(ROW({value})))" for value in target.projection.forms)
    shown = ", ".join(_shown(column) for column in target.columns) if show_values else ""
    select = f"h1, h2, ARRAY[{hashed}]::pg_catalog.text[], ARRAY[{shown}]::pg_catalog.text[]"
    queries = target.queries(select, within, f"WHERE h1 = ANY ({_array(h1 for h1, _ in wanted)})")
    rows = chain.from_iterable(target.readers.run(queries))
    return {(h1, h2): (hashes, values) for h1, h2, hashes, values in rows if (h1, h2) in wanted}


def _shown(column: str) -> str:
    """A value as people see it; `text_form` knows NULL, where IS NULL takes a composite of NULLs for one."""
    value = f"pg_catalog.format('%s', ({ROW}).{ident(column)})"
    return f"CASE WHEN {text_form(column)} <> '()' THEN {value} END"

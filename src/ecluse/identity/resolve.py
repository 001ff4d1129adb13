"""The resolver: asks every source about many values at once. It knows sources only as functions. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from ecluse.identity.outcomes import Hit, Outcome, could_be, settle
from ecluse.model.identity import Kind, Source

BATCH = 1000
ALL = frozenset(Kind)

Lookup = Callable[[Sequence[str], frozenset[Kind]], Mapping[str, Sequence[Hit]]]
"""The rows of one source that have these values in its id columns of these kinds; raises Silent."""


class Silent(Exception):
    """A source did not answer. Never leaves the resolver: it becomes the outcome of the values."""


class Resolver:
    """One resolver over any set of sources. One question to each source for a thousand values, or for `batch`."""

    def __init__(self, sources: Mapping[Source, Lookup], batch: int = BATCH) -> None:
        self._sources = sources
        self._size = batch

    def resolve(
        self,
        values: Iterable[str],
        *,
        kinds: frozenset[Kind] = ALL,
        prefer: Kind | None = None,
        without: Source | None = None,
    ) -> Iterator[tuple[str, Outcome]]:
        """Each distinct value of a batch with its outcome, batch after batch, in the order in which they came.

        `kinds` are the ids that the values may be, `prefer` is what they should be, `without` a source that is not
        asked: one whose own values these are.
        """
        pending = iter(values)
        while batch := list(dict.fromkeys(islice(pending, self._size))):
            yield from self._batch(batch, kinds, prefer, without)

    def _batch(
        self, batch: list[str], kinds: frozenset[Kind], prefer: Kind | None, without: Source | None
    ) -> Iterator[tuple[str, Outcome]]:
        hits: defaultdict[str, list[Hit]] = defaultdict(list)
        silent: list[Source] = []
        for source, lookup in self._sources.items():
            wanted = kinds & source.ids.keys()
            asked = [value for value in batch if _concerns(wanted, value)]
            if source == without or not asked:
                continue
            try:
                for value, found in lookup(asked, wanted).items():
                    hits[value] += found
            except Silent:
                silent.append(source)
        for value in batch:
            # What is found as what it is declared to be needs no answer about what else it may be.
            sure = prefer is not None and any(hit.kind is prefer for hit in hits[value])
            unsure = kinds & {prefer} if sure else kinds
            quiet = [source for source in silent if _concerns(unsure & source.ids.keys(), value)]
            yield value, settle(hits[value], quiet, prefer)


def _concerns(kinds: Iterable[Kind], value: str) -> bool:
    return any(could_be(kind, value) for kind in kinds)

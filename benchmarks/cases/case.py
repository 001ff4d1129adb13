"""What a case says of itself: its tables, its migration, who else does the same, and the application on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.load import Application

Notes = dict[str, float]


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who does the whole job on a database: a title for the tables, and a function at the top of a module.

    The function is found again by its name in another process.
    """

    title: str
    work: Callable[[str], Notes]


@dataclass(frozen=True, slots=True)
class Case:
    """A legacy database and what it becomes."""

    name: str
    """Of the rows, in the plural: so many of them are asked for."""
    tables: tuple[str, ...]
    """Scripts that make the legacy database; `{rows}` stands for how many."""
    read: str
    """A query that reads it once, so that nobody pays for the first read."""
    operations: str
    """Écluse's migration without its head, in TOML."""
    peers: Mapping[str, Peer]
    """By name: `floor`, and what people do today."""
    application: Application

    @property
    def contenders(self) -> tuple[str, ...]:
        """All that run, in this order: Écluse after the floor."""
        return ("floor", "ecluse", *(name for name in self.peers if name != "floor"))

    @property
    def titles(self) -> dict[str, str]:
        """Contenders as the tables call them, and the application alone."""
        ours = {"ecluse": "**Écluse**, proof included"}
        named = {name: ours.get(name) or self.peers[name].title for name in self.contenders}
        return named | {"nothing": "the application alone"}

    @property
    def migration(self) -> str:
        """Écluse's migration file; it has the name of the case."""
        return f'name = "{self.name}"\ndatabase = "bench"\n{self.operations}'

"""From what a step took on the copy to what it would take on the real database: a range, and what it rests on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, log10

from ecluse.model.rehearsal import Figures

_FIXED = 0.3  # seconds of a step that do not grow: sessions, definitions, records
_FEW = 10_000  # rows below which a measurement is mostly of what does not grow
_SPREAD = 1.5  # two runs of one machine differ by so much
_UNKNOWN_MACHINE = (0.4, 3.0)

# How each step grows: with the rows; with the rows and their order; not at all.
LINEAR, SORTED, FIXED = "rows", "sorted", "fixed"
_GROWTH = {
    "plan": LINEAR,
    "verify": LINEAR,
    "finish": LINEAR,
    "prepare": FIXED,
    "capture": FIXED,
    "seed": LINEAR,
    "copy": LINEAR,
    "repair": FIXED,
    "index": SORTED,
    "drain": FIXED,
    "switch": FIXED,
    "rollback": FIXED,
}


@dataclass(frozen=True, slots=True)
class Scale:
    """The copy against the real database. `machine`: how much longer the same read takes there; None if not known."""

    rows: int
    real_rows: int
    machine: float | None = None

    @property
    def ratio(self) -> float:
        """How many times as many rows the real tables have."""
        return max(1.0, self.real_rows / self.rows) if self.rows else 1.0

    @property
    def spread(self) -> float:
        """How far the truth may be from the measurement, either way: wider where little was measured."""
        thin = 2.0 if self.rows < _FEW else 1.0
        return (_SPREAD + log10(self.ratio)) * thin

    @property
    def basis(self) -> str:
        """What an estimate rests on, in words."""
        said = f"{self.rows:,} rows here, about {self.real_rows:,} there"
        if self.machine is None:
            return f"{said}; how fast that machine is, is not known"
        much = max(self.machine, 1 / self.machine)
        word = "as fast as here" if much < 1.1 else f"{much:.1f} times {'slower' if self.machine > 1 else 'faster'}"
        return f"{said}; a table is read there {word}"


def expected(figures: Figures, scale: Scale, stages: dict[str, float] | None = None) -> Figures:
    """The figures with what the step would take on the real database.

    `stages` are the seconds of the parts of an `apply`, of which each grows in its own way.
    """
    step = figures.step.partition(" ")[0]
    if stages:
        parts = [_range(seconds, _GROWTH.get(stage, LINEAR), scale) for stage, seconds in stages.items()]
        low, high = sum(low for low, _ in parts), sum(high for _, high in parts)
        basis = "copying and proving grow with the rows, indexes a little faster"
    elif step in _GROWTH:
        low, high = _range(figures.seconds, _GROWTH[step], scale)
        basis = "it grows with the rows" if _GROWTH[step] == LINEAR else "it does not grow with the rows"
    else:
        return figures
    return replace(figures, low=low, high=high, basis=basis)


def _range(seconds: float, growth: str, scale: Scale) -> tuple[float, float]:
    fixed = min(seconds, _FIXED)
    grown = scale.ratio
    if growth == SORTED and scale.rows > 1:
        grown *= log(max(scale.real_rows, 2)) / log(max(scale.rows, 2))
    elif growth == FIXED:
        grown = 1.0
    slower, faster = _UNKNOWN_MACHINE[1], _UNKNOWN_MACHINE[0]
    if scale.machine is not None:
        slower, faster = max(1.0, min(scale.machine, 10.0)), min(1.0, max(scale.machine, 0.1))
    # What does not grow may be all of it, at the low end, and nothing of it at the high end.
    low = ((seconds - fixed) * grown + fixed) * faster / scale.spread
    high = (seconds * grown + fixed) * slower * scale.spread
    return low, high

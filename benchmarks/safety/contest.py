"""One hazard, one tool, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg

from benchmarks.ground import connect
from benchmarks.safety import running
from benchmarks.safety.contenders import Contender
from benchmarks.safety.disturbers import Written
from benchmarks.safety.ground import Scene, TwoServers
from benchmarks.safety.hazards import Hazard
from benchmarks.safety.judge import OUTCOMES, Verdict, converted, differences, judge, with_writes
from benchmarks.safety.picture import look
from benchmarks.safety.running import Missed

_TRIES = 6


@dataclass(frozen=True, slots=True)
class Result:
    """One cell of the matrix."""

    hazard: str
    contender: str
    verdict: Verdict
    seconds: float = 0.0  # of the last command, at work in the database
    writes: int = 0  # rows that clients were told are committed meanwhile
    how_often: str = ""  # where it was tried several times, with several outcomes
    remark: str = ""  # what the outcome does not tell


class Contest:
    """The servers and the templates; each contender gets a fresh scene."""

    def __init__(self, ground: TwoServers, rows: int, rows_to_kill: int) -> None:
        self._ground = ground
        self._rows, self._rows_to_kill = rows, rows_to_kill
        self._number = 0
        self._undisturbed: dict[str, float] = {}

    def measure(self, hazard: Hazard, contender: Contender) -> Result:
        """Put the hazard into a fresh database, let the contender work, judge what it leaves."""
        if contender.copies and hazard.for_copies:
            return Result(hazard.name, contender.name, Verdict("does not apply", why=hazard.for_copies))
        if not contender.version():
            return Result(hazard.name, contender.name, Verdict("does not apply", why="the program is not here"))
        seconds = self._time(contender) if isinstance(hazard.kill, float) else 0.0
        results = [self._insist(hazard, contender, seconds) for _ in range(hazard.times)]
        worst = max(results, key=lambda result: _badness(result.verdict))
        times = sum(_badness(result.verdict) == _badness(worst.verdict) for result in results)
        how_often = f"in {times} of {hazard.times} tries" if times < hazard.times else ""
        return replace(worst, how_often=how_often)

    def _insist(self, hazard: Hazard, contender: Contender, seconds: float) -> Result:
        """Again, where it ended before it could be killed."""
        for _ in range(_TRIES):
            try:
                return self._once(hazard, contender, seconds)
            except Missed as missed:
                seconds = min(seconds, missed.seconds)  # the machine was busier when it was timed
        raise Missed(f"{contender.name} could not be killed in time: {hazard.name}")

    def _once(self, hazard: Hazard, contender: Contender, seconds: float) -> Result:
        scene = self._scene(self._rows if hazard.kill is None else self._rows_to_kill)
        put(hazard, scene)
        source = look(scene.admin)
        old = look(scene.elsewhere_admin) if contender.copies else source
        written: Written = {}
        with contextmanager(hazard.disturber)(scene, written):
            if hazard.kill is not None:
                killed = running.run(contender, scene, hazard.kill, seconds)
                there, end = (scene.elsewhere_admin, source) if contender.copies else (scene.admin, converted(source))
                if not any(differences(end, look(there))):
                    raise Missed("it had done its work", killed.seconds)
            elif hazard.again:
                running.run(contender, scene)
            ran = running.run(contender, scene, resumed=hazard.kill is not None)
        found = look(scene.elsewhere_admin if contender.copies else scene.admin)
        wanted = with_writes(source if contender.copies else converted(source), written)
        verdict = judge(ran.ended, found, wanted, old if contender.copies else with_writes(old, written))
        writes = sum(map(len, written.values()))
        poor = [(t, n, len(source.rows[t])) for t, n in found.backups.items() if n < len(source.rows[t])]
        remark = "; ".join(f"the backup of {t} that its script made has {n:,} of {rows:,} rows" for t, n, rows in poor)
        return Result(hazard.name, contender.name, verdict, round(ran.seconds, 2), writes, remark=remark)

    def _scene(self, rows: int) -> Scene:
        self._number += 1
        return self._ground.scene(self._ground.template(rows), self._number)

    def _time(self, contender: Contender) -> float:
        """How long it is at work where nothing is in its way; measured once."""
        if contender.name not in self._undisturbed:
            self._undisturbed[contender.name] = running.run(contender, self._scene(self._rows_to_kill)).seconds
        return self._undisturbed[contender.name]


def _badness(verdict: Verdict) -> tuple[int, bool]:
    return OUTCOMES.index(verdict.outcome), verdict.left == "half done"


def put(hazard: Hazard, scene: Scene) -> None:
    """Put the hazard there. Raises AssertionError where a statement that must fail does not."""
    for conninfo, statements in ((scene.admin, hazard.admin), (scene.keeper, hazard.put)):
        _execute(conninfo, statements)


def _execute(conninfo: str, statements: Sequence[str]) -> None:
    with connect(conninfo) as conn:
        for statement in statements:
            try:
                conn.execute(statement.removeprefix("!").encode())
            except psycopg.Error:
                if not statement.startswith("!"):
                    raise
            else:
                assert not statement.startswith("!"), statement

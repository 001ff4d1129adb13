"""Ranges of the copy carried by a Dask cluster: each is a task of its own, and the journal tells which are done.

A worker that dies takes its open transaction with it, and the scheduler gives the range to another one. A range that
was committed, and whose answer was lost, is found in the journal and not copied twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ecluse.engine import copy, journal
from ecluse.engine.context import Connection, Options, Run
from ecluse.engine.moving import carry
from ecluse.errors import ClusterUnavailable
from ecluse.model.flow import Flow
from ecluse.postgres.connect import Database, open_session

_SCHEME = "dask:"
_PATIENCE = "10s"


@dataclass(frozen=True, slots=True)
class Range:
    """A range of pages as a worker gets it. A database does not show its connection string, so no log of Dask does."""

    database: Database
    origins: Mapping[str, Database] = field(repr=False)
    run: int
    flow: str
    lo: int
    hi: int


def carry_range(job: Range) -> tuple[int, float]:
    """Carry a range and record it, in one transaction; returns rows and seconds. Runs on a worker of the cluster."""

    def connect(what: str, origin: str) -> Connection:
        return open_session(job.origins[origin] if origin else job.database, role=what)

    with connect("copy", "") as conn:
        plan = journal.stored_plan(conn, job.run)
        run = Run(job.run, plan, connect, lambda event: None, Options())
        if (rows := copy.recorded(conn, run, job.flow, job.lo)) is not None:
            return rows, 0.0
        try:
            with _hired(run, job.flow) as worker:
                return worker.chunk(job.lo, job.hi)
        except psycopg.errors.UniqueViolation:
            # A worker that was taken for dead has recorded the range meanwhile; ours was rolled back.
            if (rows := copy.recorded(conn, run, job.flow, job.lo)) is not None:
                return rows, 0.0
            raise


@contextmanager
def _hired(run: Run, name: str) -> Iterator[copy.Worker]:
    for move in run.plan.moves:
        if move.flow.name == name:
            with carry.hire(run, move) as worker:
                yield worker
            return
    flow = next(flow for flow in run.plan.flows if flow.name == name)
    with copy.hire(run, flow) as worker:
        yield worker


class Cluster:
    """A client of a cluster, for the length of the copy."""

    def __init__(self, client: Any, database: Database, origins: Mapping[str, Database]) -> None:
        self._client = client
        self._database = database
        self._origins = origins

    def crew(self, run: Run, flow: Flow) -> copy.Crew:
        """As many hands as the cluster has threads, each waiting for one range at a time."""
        hands = max(1, sum(self._client.nthreads().values()))
        return copy.Crew(lambda: self._hire(run, flow), hands)

    @contextmanager
    def _hire(self, run: Run, flow: Flow) -> Iterator[copy.Worker]:
        def chunk(lo: int, hi: int) -> tuple[int, float]:
            job = Range(self._database, self._origins, run.id, flow.name, lo, hi)
            rows, seconds = self._client.submit(carry_range, job, pure=False).result()
            run.journaled(f"chunk {flow.name} {lo}")
            return rows, seconds

        # Who waits behind its sessions is not seen: they are the workers' own.
        yield copy.Worker(None, chunk)


@contextmanager
def cluster(run: Run, database: Database, origins: Callable[[str], Database]) -> Iterator[Cluster | None]:
    """The cluster that the options name, None where they name none. Raises ClusterUnavailable."""
    address = run.options.executor
    if not address:
        yield None
        return
    if not address.startswith(_SCHEME):
        raise ClusterUnavailable(f"'{address}' is no executor", hint="--executor dask:tcp://scheduler:8786")
    try:
        from distributed import Client  # noqa: PLC0415  an extra, and slow to import
    except ImportError:
        raise ClusterUnavailable("Dask is not installed", hint="pip install 'ecluse[dask]'") from None
    try:
        client = Client(address.removeprefix(_SCHEME), timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterUnavailable(
            f"no Dask scheduler answers at '{address.removeprefix(_SCHEME)}'",
            details=str(error),
            hint="look at its address, and whether this machine may reach it",
        ) from None
    with client:
        there = {move.origin: origins(move.origin) for move in run.plan.moves}
        yield Cluster(client, database, there)

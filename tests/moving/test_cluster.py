"""The copy on a Dask cluster of two workers, one of which is killed while it works."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import LocalCluster

from ecluse.errors import ClusterUnavailable
from ecluse.postgres.connect import Database
from tests.harness import Listener, load
from tests.moving.places import AS_IT_WAS, Places, prepared, rows


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as running:
        yield running


@pytest.fixture
def places(database: Database, second_database: Database, tmp_path: Path) -> Places:
    return prepared(second_database, database, tmp_path, AS_IT_WAS)


def _pids(cluster: LocalCluster) -> dict[str, int]:
    with cluster.get_client() as client:
        return dict(client.run(os.getpid))


def test_a_killed_worker_costs_a_range_and_no_row(cluster: LocalCluster, places: Places) -> None:
    load(
        places.origin,
        "INSERT INTO public.invitations (id, inviter_email, invited_email, token) SELECT gen_random_uuid(), "
        "repeat('x', 400), 'y', 'm' || n FROM generate_series(1, 20000) n",
    )
    places = replace(places, options=replace(places.options, executor=f"dask:{cluster.scheduler_address}"))
    victims = list(_pids(cluster).values())
    killed: list[int] = []

    def kill(record: str) -> None:
        if record.startswith("chunk") and not killed:
            killed.append(victims[0])
            os.kill(victims[0], signal.SIGKILL)

    heard = Listener(on_record=kill)
    places.apply(heard)
    assert killed
    assert sum(record.startswith("chunk") for record in heard.heard) > 3, "there was too little to do"
    chunks = rows(places.database, "SELECT sum(rows) FROM ecluse.chunk")
    assert chunks == rows(places.origin, "SELECT count(*) FROM public.invitations")
    places.verify()
    places.switch()
    places.verify()


def test_a_cluster_that_is_not_there_is_told(places: Places) -> None:
    for address, said in (("dask:tcp://127.0.0.1:9", "no Dask scheduler answers"), ("spark:x", "is no executor")):
        with pytest.raises(ClusterUnavailable, match=said):
            replace(places, options=replace(places.options, executor=address)).apply()
    assert places.apply() == "ready", "the run goes on without it"

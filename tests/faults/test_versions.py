"""The whole way there and back on every server version there is, and the refusal of those that are too old."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecluse.checkup.examine import examine_database
from ecluse.errors import ServerTooOld
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from tests import harness
from tests.conftest import OLDEST, PROGRAMS
from tests.faults.conftest import sql
from tests.harness import SCENARIOS, Listener, Stage, Writer, lines_of, load


@pytest.mark.parametrize("case", ["convert_column/fk_family", "merge_rows/sessions"])
def test_there_and_back(any_server_database: Database, case: str, tmp_path: Path) -> None:
    folder = SCENARIOS / case
    load(any_server_database, folder / "before.sql")
    before = harness.snapshot(any_server_database)
    stage = Stage(any_server_database, folder / "migration.toml")
    stage.apply()
    stage.switch()
    stage.verify()
    stage.rollback()
    harness.same(harness.snapshot(any_server_database), before)
    with Writer(any_server_database, lines_of(folder / "writers_old.sql")).running():
        assert stage.apply() == "ready"
        listener = Listener()
        stage.switch(listener)
    assert "switched" in listener.heard
    stage.finish(tmp_path)
    left = harness.snapshot(any_server_database).catalog
    assert [t for t in left.tables if t.schema.startswith("ecluse_")] == []


# --- too old --------------------------------------------------------------------------------------

ANCIENT = [major for major in PROGRAMS if major < OLDEST]


class Greeter:
    """Greets as a server of some version does, and notes whatever the client sends after that."""

    def __init__(self, version: str) -> None:
        self.heard = b""
        self._version = version
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.thread = threading.Thread(target=self._greet, daemon=True)
        self.thread.start()

    def _greet(self) -> None:
        with self._listening, self._listening.accept()[0] as client:
            client.recv(4096)  # the start-up message
            parameter = f"server_version\0{self._version}\0".encode()
            parts = [(b"R", struct.pack("!i", 0)), (b"S", parameter), (b"K", bytes(8)), (b"Z", b"I")]
            client.sendall(b"".join(kind + struct.pack("!i", len(body) + 4) + body for kind, body in parts))
            while said := client.recv(4096):
                self.heard += said


def test_a_server_that_says_it_is_too_old_is_asked_nothing(
    staged: Callable[..., Stage], database: Database, tmp_path: Path
) -> None:
    greeter = Greeter("13.23")
    stage = staged(database)
    plain = "user=postgres dbname=app sslmode=disable gssencmode=disable"
    stage.database = Database("app", f"host=127.0.0.1 port={greeter.port} {plain}")
    with pytest.raises(ServerTooOld, match="PostgreSQL 13") as refused:
        stage.plan()
    assert "14 or newer" in refused.value.hint
    assert refused.value.state == "nothing was changed"
    greeter.thread.join(timeout=5)
    again = Greeter("13.23")
    refused_there = Database("app", f"host=127.0.0.1 port={again.port} {plain}")
    assert [f.id for f in examine_database(refused_there, tmp_path, {"drift"})] == ["server-too-old"]
    assert greeter.heard == b"X" + struct.pack("!i", 4), "it only said good-bye"


@pytest.fixture(params=ANCIENT or [None], ids=lambda major: f"too_old_{major}")
def ancient(request: pytest.FixtureRequest, servers: Callable[[int], EmbeddedServer]) -> Iterator[Database]:
    """A database on each server that is too old."""
    if request.param is None:
        pytest.skip(f"no server before {OLDEST} is installed")
    yield Database("app", servers(request.param).create_database("ancient"))


def test_a_real_server_that_is_too_old(ancient: Database, staged: Callable[..., Stage], tmp_path: Path) -> None:
    stage = staged(ancient)
    before = "SELECT count(*) FROM pg_namespace", "SELECT count(*) FROM pg_class"
    counts = [sql(stage, each) for each in before]
    with pytest.raises(ServerTooOld, match=r"is PostgreSQL \d+"):
        stage.plan()
    (found,) = examine_database(ancient, tmp_path, {"drift"})
    assert (found.id, found.level) == ("server-too-old", "wrong")
    assert "pg_upgrade" in found.fix
    assert [sql(stage, each) for each in before] == counts

"""What needs a server of its own: those who are not let in, and what replication slots keep and lose."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.checkup import activity
from ecluse.checkup.check import Finding
from ecluse.checkup.examine import examine_database
from ecluse.postgres.binaries import DEFAULT_VERSION
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from tests.conftest import FAST, PROGRAMS
from tests.harness import load

_RULES = """
local all postgres trust
local all locked scram-sha-256
local all barred reject
local all limited trust
local all closed trust
local all nobody_here trust
local all asleep trust
"""


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedServer]:
    """A server with rules about who may come in."""
    folder = Path(tempfile.mkdtemp(prefix="ecluse-own-", dir="/tmp"))
    folder.chmod(0o755)
    rules = folder / "rules.conf"
    rules.write_text(_RULES, encoding="utf-8")
    rules.chmod(0o644)
    settings = {"wal_keep_size": "0", "wal_level": "logical", "hba_file": str(rules)}
    server = EmbeddedServer(folder / "server", PROGRAMS[DEFAULT_VERSION], FAST | settings)
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder, ignore_errors=True)


def _without_encryption() -> int:
    """The port of a server that offers no TLS, as one that was installed without certificates does."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listening, listening.accept()[0] as client:
            client.recv(8)
            client.sendall(b"N")

    threading.Thread(target=answer, daemon=True).start()
    return int(listening.getsockname()[1])


def only(database: Database, id_: str) -> list[Finding]:
    """The findings of one check."""
    return [f for f in examine_database(database, Path(), {id_}) if f.level != "good"]


def test_each_cause_of_a_refusal_is_told_apart(own: EmbeddedServer) -> None:
    """With a fix of its own, whichever checks were wanted, and without the password."""
    database = Database("app", own.create_database("refused"))
    load(
        database,
        "CREATE ROLE locked LOGIN PASSWORD 'right'; CREATE ROLE barred LOGIN; CREATE ROLE unruly LOGIN;"
        "CREATE ROLE limited LOGIN CONNECTION LIMIT 0; CREATE ROLE closed LOGIN; CREATE ROLE asleep NOLOGIN;"
        "REVOKE CONNECT ON DATABASE refused FROM PUBLIC; GRANT CONNECT ON DATABASE refused TO limited",
    )
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()[1]
        gone.close()
        causes: dict[str, dict[str, object]] = {
            "wrong-password": {"user": "locked", "password": "hunter2"},
            "not-let-in": {"user": "barred"},
            "no-such-role": {"user": "nobody_here"},
            "no-such-database": {"dbname": "nothing"},
            "no-connect-right": {"user": "closed"},
            "no-session-left": {"user": "limited"},
            "no-socket": {"host": "/tmp/no-such-folder"},
            "no-such-host": {"host": "no-such-host.invalid", "password": "hunter2"},
            "connection-refused": {"host": "127.0.0.1", "port": closed, "password": "hunter2"},
            "connection-timeout": {"host": "127.0.0.1", "port": silent.getsockname()[1], "connect_timeout": 2},
        }
        for id_, changed in causes.items():
            conninfo = make_conninfo(database.conninfo, **changed)  # type: ignore[arg-type]
            (found,) = examine_database(replace(database, conninfo=conninfo), Path(), {"invalid-index"})
            assert (found.id, found.level) == (id_, "wrong"), found
            assert "hunter2" not in f"{found}"
            assert found.means and found.fix
    asleep = replace(database, conninfo=make_conninfo(database.conninfo, user="asleep"))
    assert only(asleep, "drift")[0].id == "no-such-role"
    unruly = replace(database, conninfo=make_conninfo(database.conninfo, user="unruly"))
    assert only(unruly, "drift")[0].id == "not-let-in"
    encrypted = make_conninfo(host="127.0.0.1", port=_without_encryption(), sslmode="require")
    assert only(Database("app", encrypted), "drift")[0].id == "tls"
    assert only(Database("app", "postgresql://me:hun%ter2@h/d"), "drift")[0].id == "bad-address"


def test_slots_and_those_who_are_behind(own: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database("app", own.create_database("slots"))
    load(database, "CREATE PUBLICATION feed; SELECT pg_create_physical_replication_slot('gone', true)")
    (found,) = only(database, "inactive-slot")
    assert (found.level, found.fix) == ("wrong", "SELECT pg_drop_replication_slot('gone')")
    assert only(database, "lost-slot") == only(database, "standby-behind") == []
    load(database, "SELECT pg_create_logical_replication_slot('slow', 'pgoutput')")
    reading = psycopg.connect(f"{database.conninfo} replication=database", autocommit=True)
    with contextlib.closing(reading) as reader:
        options = "proto_version '1', publication_names 'feed'"
        reader.execute(f"START_REPLICATION SLOT slow LOGICAL 0/0 ({options})".encode())
        # It says once that it has all up to the beginning, and then nothing more.
        reader.pgconn.put_copy_data(b"r" + struct.pack("!QQQqB", 1, 1, 1, 0, 0))
        reader.pgconn.flush()
        monkeypatch.setattr(activity, "_LAG_BYTES", 2**30)
        _await(lambda: _replay(database) is not None)
        assert only(database, "standby-behind") == []
        monkeypatch.setattr(activity, "_LAG_BYTES", 2**20)
        load(database, "SELECT pg_logical_emit_message(false, 'x', repeat('x', 3000000))")
        (late,) = only(database, "standby-behind")
        assert (late.level, "the slowest of 1 is" in late.found) == ("warning", True)
    load(database, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    load(database, "SELECT pg_reload_conf()")
    for _ in range(4):
        load(database, "SELECT pg_logical_emit_message(true, 'x', 'x')")
        load(database, "SELECT pg_switch_wal()")
    load(database, "CHECKPOINT")
    assert {f.object for f in only(database, "lost-slot")} == {"gone", "slow"}
    load(database, "ALTER SYSTEM SET wal_level = 'replica'")
    for name in ("gone", "slow"):
        load(database, f"SELECT pg_drop_replication_slot('{name}')")
    own.stop()
    own.start()
    (found,) = only(database, "wal-level-not-logical")
    assert found.fix.startswith("ALTER SYSTEM SET wal_level = 'logical'")


def _replay(database: Database) -> object:
    with psycopg.connect(database.conninfo) as conn:
        row = conn.execute("SELECT replay_lsn::text FROM pg_stat_replication").fetchone()
        return row and row[0]


def _await(answer: Callable[[], bool]) -> None:
    for _ in range(100):
        if answer():
            return
        time.sleep(0.05)
    raise AssertionError("it never came about")

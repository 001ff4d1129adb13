"""A volume that is full, a server that goes away: `ecluse` as a process stops with one readable error, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer, StopMode
from tests.cli.conftest import (
    MANY,
    SLOW,
    Project,
    Result,
    await_answer,
    await_copy,
    ended,
    enlarge,
    load,
    mounted,
    write_project,
)
from tests.conftest import FAST, MAJOR, PROGRAMS

ROWS = 2000


@pytest.fixture
def on_server(tmp_path: Path) -> Iterator[Callable[[Path], tuple[EmbeddedServer, Project]]]:
    """Makes a project on a server of its own, in a folder."""
    made: list[EmbeddedServer] = []

    def make(home: Path) -> tuple[EmbeddedServer, Project]:
        lean = FAST | {"fsync": "on", "synchronous_commit": "on", "max_wal_size": "64MB", "min_wal_size": "32MB"}
        server = EmbeddedServer(home, PROGRAMS[MAJOR], lean)
        made.append(server)
        server.start()
        project = write_project(tmp_path, Database("app", server.create_database("app")))
        load(project, ROWS)
        return server, project

    yield make
    for server in made:
        server.stop("immediate")


def goes_on(project: Project, before: list[tuple[object, ...]]) -> None:
    """`apply` takes the run up again; everything that was in the old shape is in the new one."""
    resumed = project.run("apply", "uuids")
    assert resumed.status == 0, resumed
    assert "going on with run 1" in resumed.err
    assert project.run("switch", "uuids").status == 0
    assert project.run("verify", "uuids").status == 0
    assert project.execute(CONTENT) == before
    assert project.execute("SELECT pg_typeof(id)::text FROM conversations LIMIT 1") == [("uuid",)]


CONTENT = "SELECT count(*), md5(string_agg(id::text || question, ',' ORDER BY id::text)) FROM conversations"


# --- a full volume ----------------------------------------------------------------------------------


@pytest.fixture
def volume(open_folder: Path) -> Iterator[Path]:
    """A file system of its own, small enough to be filled."""
    with mounted(open_folder / "volume", "320m", "0755") as folder:
        yield folder


def fill(volume: Path) -> Path:
    """Take all the room that is left; again, what a server in the volume has let go of since."""
    filler = volume / "filler"
    with filler.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(1 << 20))
    return filler


def test_full_volume(volume: Path, on_server: Callable[[Path], tuple[EmbeddedServer, Project]]) -> None:
    """The tables cannot grow: the run stops, applications read on, and both go on when there is room."""
    _, project = on_server(volume / "pg")
    enlarge(project)
    project.execute("SELECT pg_switch_wal()")  # whose room is set aside already
    process = project.start("apply", "uuids", "--json", *SLOW)
    await_copy(project, process)
    filler = fill(volume)
    stopped = ended(process)
    assert (stopped.status, stopped.error["code"]) == (4, "ECL503")
    assert stopped.error["message"] == "the server's disk is full"
    assert "No space left on device" in stopped.error["details"]
    assert "make room" in stopped.error["hint"]
    assert "at 'copy'; the old shape is in use; resume with `ecluse apply uuids`" in stopped.error["state"]
    assert project.run("status", "--json").value["runs"][0]["stage"] == "copy"
    assert project.execute("SELECT count(*) FROM conversations") == [(ROWS + MANY,)]
    more = (  # more than the pages of the table may still have room for
        "INSERT INTO conversations"
        " SELECT gen_random_uuid()::text, 'late', repeat('l', 900) FROM generate_series(1, 4000)"
    )
    fill(volume)
    with pytest.raises(psycopg.errors.DiskFull):
        project.execute(more)
    fill(volume)
    again = project.run("apply", "uuids", "--json")
    assert (again.status, again.error["code"]) == (4, "ECL503")

    filler.unlink()
    project.execute(more)
    before = project.execute(CONTENT)
    goes_on(project, before)


def test_full_volume_takes_the_server_down(
    volume: Path, on_server: Callable[[Path], tuple[EmbeddedServer, Project]]
) -> None:
    """The log of changes cannot grow: PostgreSQL itself gives up, and may not come back before there is room."""
    server, project = on_server(volume / "pg")
    enlarge(project)
    before = project.execute(CONTENT)
    process = project.start("apply", "uuids", "--json", *SLOW)
    await_copy(project, process)
    filler = fill(volume)
    with pytest.raises(psycopg.OperationalError):
        for _ in range(10):  # one of these needs a segment that there is not
            project.execute("SELECT pg_switch_wal(), pg_logical_emit_message(true, 'room', repeat('x', 100000))")
    went_away(ended(process))
    filler.unlink()
    server.start()
    goes_on(project, before)


# --- a server that goes away ------------------------------------------------------------------------


def went_away(stopped: Result) -> None:
    assert (stopped.status, stopped.error["code"]) == (4, "ECL501")
    assert "server" in stopped.error["message"]
    assert "its log" in stopped.error["hint"]
    assert "`ecluse status` will tell" in stopped.error["state"] or "`ecluse apply uuids`" in stopped.error["state"]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_server_restarted_during_the_copy(
    open_folder: Path, on_server: Callable[[Path], tuple[EmbeddedServer, Project]], mode: StopMode
) -> None:
    server, project = on_server(open_folder / f"restarted_{mode}")
    enlarge(project)
    before = project.execute(CONTENT)
    process = project.start("apply", "uuids", "--json", *SLOW)
    await_copy(project, process)
    server.stop(mode)
    server.start()
    went_away(ended(process))
    assert project.execute("SELECT pg_typeof(id)::text FROM conversations LIMIT 1") == [("text",)]
    goes_on(project, before)


MERGE = """\
name = "uuids"
database = "app"

[[operation]]
kind = "merge_rows"
table = "public.events"
by = "conversation"
order_by = "id"
"""


def test_an_index_left_invalid_by_a_restart(
    open_folder: Path, on_server: Callable[[Path], tuple[EmbeddedServer, Project]]
) -> None:
    """A server that stops while CREATE INDEX CONCURRENTLY waits leaves half an index; `apply` makes it anew."""
    server, project = on_server(open_folder / "invalid_index")
    (project.folder / "migrations" / "uuids.toml").write_text(MERGE)
    project.execute("INSERT INTO events (conversation) SELECT conversation FROM events")
    state = "SELECT indisvalid FROM pg_index WHERE indrelid = 'events'::regclass AND NOT indisprimary"
    with psycopg.connect(project.database.conninfo) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT 1")  # a snapshot that the new index has to outlive
        process = project.start("apply", "uuids", "--json")
        await_answer(project, process, "SELECT phase FROM pg_stat_progress_create_index", "waiting for old snapshots")
        server.stop("immediate")
        went_away(ended(process))
        reader.close()
    server.start()
    assert project.execute(state) == [(False,)]
    assert "REINDEX INDEX CONCURRENTLY" in project.run("doctor").out
    assert project.run("apply", "uuids").status == 0
    assert project.execute(state) == [(True,)]
    assert project.run("switch", "uuids").status == 0
    assert project.run("verify", "uuids").status == 0
    assert project.execute("SELECT count(*) FROM events") == [(50,)]


def test_an_index_that_somebody_left_invalid(project: Project) -> None:
    """The plan refuses it before anything runs; made whole by what it says, the new shape has it too."""
    project.execute("INSERT INTO tags (conversation_id) SELECT conversation_id FROM tags LIMIT 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        project.execute("CREATE UNIQUE INDEX CONCURRENTLY once ON tags (conversation_id)")
    project.execute("DELETE FROM tags a USING tags b WHERE a.conversation_id = b.conversation_id AND a.id > b.id")
    planned = project.run("plan", "uuids")
    assert planned.status == 3
    assert "index once of public.tags is INVALID" in planned.out
    repair = 'REINDEX INDEX CONCURRENTLY "public"."once"'
    assert repair in planned.out
    project.execute(repair)
    assert project.run("apply", "uuids", "--switch").status == 0
    assert project.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'once'::regclass") == [(True,)]
    assert project.run("rollback", "uuids").status == 0

"""Ctrl-C in the middle of a run, and the way on; another terminal meanwhile."""

from __future__ import annotations

import signal
import time

from tests.cli.conftest import SLOW, Project, await_copy, ended


def test_ctrl_c_finishes_the_batch_and_apply_goes_on(large: Project) -> None:
    process = large.start("apply", "uuids", *SLOW)
    await_copy(large, process)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert stopped.status == 130
    assert "finishing this batch; press again to stop at once" in stopped.err
    assert "go on with `ecluse apply uuids`" in stopped.err
    assert "[ECL506]" in stopped.err
    assert "state: " in stopped.err
    before = large.execute("SELECT sum(rows) FROM ecluse.chunk")[0][0]
    assert 0 < before < 22000
    status = large.run("status", "--json").value["runs"][0]
    assert (status["status"], status["stage"]) == ("building", "copy")

    resumed = large.run("apply", "uuids")
    assert resumed.status == 0
    assert "going on with run 1" in resumed.err
    assert large.execute("SELECT count(*) FROM ecluse_next_uuids.conversations") == [(22000,)]
    assert large.run("verify", "uuids").status == 0


def test_a_second_ctrl_c_stops_at_once_and_loses_nothing(large: Project) -> None:
    process = large.start("apply", "uuids", *SLOW)
    await_copy(large, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    stopped = ended(process)
    assert stopped.status == 130
    assert time.monotonic() - began < 10
    assert large.run("apply", "uuids", "--switch").status == 0
    assert large.execute("SELECT count(*) FROM conversations") == [(22000,)]


def test_another_terminal_sees_the_run_and_cannot_begin_one(large: Project) -> None:
    process = large.start("apply", "uuids", "--workers", "1", "--max-rate", "300")
    try:
        await_copy(large, process)
        status = large.run("status", "--json").value
        assert len(status["working"]) == 1
        run = status["runs"][0]
        assert run["stage"] == "copy"
        assert 0 < run["rows"] <= run["total"]
        second = large.run("apply", "uuids", "--json")
        assert (second.status, second.error["code"]) == (1, "ECL302")
        assert "ecluse apply uuids" in second.error["details"]
    finally:
        process.send_signal(signal.SIGTERM)  # as a pipeline that is cancelled does
        stopped = ended(process)
    assert stopped.status == 130 and "go on with `ecluse apply uuids`" in stopped.err
    assert large.run("apply", "uuids", "--quiet").status == 0


def test_a_killed_run_is_resumed(large: Project) -> None:
    process = large.start("apply", "uuids", *SLOW)
    await_copy(large, process)
    process.kill()
    process.communicate()
    doctor = large.run("doctor")
    assert doctor.status in (0, 3)
    for _ in range(50):
        resumed = large.run("apply", "uuids")
        if "ECL302" not in resumed.err:  # the server has not noticed yet
            break
        time.sleep(0.1)
    assert resumed.status == 0
    assert large.run("verify", "uuids").status == 0


def test_a_run_whose_reader_has_seen_enough_goes_on(project: Project) -> None:
    process = project.start("apply", "uuids", "--json")
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(120) == 0
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()
    assert project.run("status", "--json").value["runs"][0]["status"] == "ready"

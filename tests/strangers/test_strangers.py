"""The whole life on databases that no test of ours was written for, each command as a process, as a stranger would."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Project, Result

SAME = {
    "pgbench": "SELECT (SELECT count(*) || ' ' || sum(abalance) FROM pgbench_accounts), (SELECT count(*) || ' ' || "
    "sum(delta) FROM pgbench_history)",
    "films": "SELECT (SELECT count(*) || ' ' || sum(amount) FROM payment), (SELECT count(*) FROM customer_list), "
    "(SELECT sum(total_sales) FROM sales_by_store)",
}


def _done(result: Result, status: int = 0) -> Result:
    assert result.status == status, (result.out[-3000:], result.err[-3000:])
    return result


@pytest.mark.parametrize("which", ["films", pytest.param("pgbench", marks=pytest.mark.slow)])
def test_a_strangers_database(which: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(which)
    before = project.execute(SAME[which])
    _done(project.run("doctor"))
    if which == "pgbench":
        refused = _done(project.run("plan", "strangers"), 3)
        assert "no-primary-key" in refused.out and "public.pgbench_history" in refused.out
        project.execute("ALTER TABLE pgbench_history ADD COLUMN hid bigserial PRIMARY KEY")
    _done(project.run("apply", "strangers", "--dry-run"))
    _done(project.run("rehearse", "strangers", "--load", "1"))
    assert project.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'ecluse%'") == [(0,)]
    _done(project.run("plan", "--check"))
    _done(project.run("backup", "--verify"))
    _done(project.run("apply", "strangers", "--switch"))
    _done(project.run("verify", "strangers"))
    assert project.execute(SAME[which]) == before
    assert "has a run that is 'switched'" in _done(project.run("rehearse", "strangers"), 1).err
    _done(project.run("rollback", "strangers"))
    assert project.execute(SAME[which]) == before
    _done(project.run("apply", "strangers", "--switch"))
    (run,) = [r for r in _done(project.run("status", "--json")).value["runs"] if r["status"] == "switched"]
    _done(project.run("finish", "strangers", "--confirm", run["fingerprint"]))
    assert project.execute(SAME[which]) == before
    _done(project.run("doctor"))
    assert "'strangers' is finished" in _done(project.run("rehearse", "strangers"), 1).err
    (report,) = sorted((project.folder / ".ecluse" / "reports").glob("strangers-2/report.json"))
    _done(project.run("verify", "--report", str(report)))

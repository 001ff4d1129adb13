"""`ecluse supabase users --via engine`: the dry run, and the whole migration by one word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecluse.cli import arguments, running
from ecluse.cli.invocation import Invocation
from ecluse.cli.project import Project
from ecluse.cli.rehearsed import require_rehearsal
from ecluse.cli.render import human
from ecluse.cli.render import users as texts
from ecluse.cli.render.json import plain
from ecluse.cli.users_asked import WORD, Asked, finish, operation_of

if TYPE_CHECKING:
    from ecluse.model.migration import Migration
    from ecluse.postgres.connect import Database, Session
    from ecluse.supabase.user_outcomes import Summary
    from ecluse.supabase.users_in_place import Judged

_WHOLE = "all that the migration says is carried out: it is applied, and goes through its switch"


def by_engine(invocation: Invocation, asked: Asked) -> int:
    """Say what would become of everybody; and, where that is asked for, apply, switch and verify."""
    from ecluse.postgres.connect import open_session
    from ecluse.supabase.users_in_place import survey

    project = Project.of(invocation)
    wanted = project.migration(asked.migration)
    operation = operation_of(wanted)
    database = project.database(wanted.database)
    if _stands(invocation, asked, wanted, database):
        return 0
    again = f"ecluse supabase users {asked.migration} --no-dry-run"
    with open_session(database, role="supabase users") as session:
        judged = survey(session, wanted, operation)
        found = judged.summary()
        value = _value(wanted, database, operation.mapping, found)
        if asked.dry_run:
            finish(invocation, asked, judged.outcomes, value)
            invocation.next(again)
            return 0
    running.confirm_protected(invocation, database, "move the users of")
    if not (asked.confirm or invocation.yes):
        running.require_terminal(invocation, "make accounts of all users", "--confirm")
        for line in texts.imported(plain(value)):
            invocation.say(line)
        running.confirm_word(invocation, f"make {human.many(found.to_create, 'account')}", WORD, "--confirm")
    return _carry_out(invocation, asked, wanted, database, value)


def _stands(invocation: Invocation, asked: Asked, wanted: Migration, database: Database) -> bool:
    """Whether nothing is left to do; then that is said, and the files are written from what was done."""
    from ecluse.cli.render import runs
    from ecluse.cli.standing import standing
    from ecluse.postgres.connect import open_session
    from ecluse.supabase.user_outcomes import write_outcomes, write_user_map

    stands = standing(database, wanted.name)
    if not stands:
        return False
    if stands["status"] == "switched" and (asked.outcomes or asked.map_file):
        with open_session(database, role="supabase users") as session:
            judged = _recorded(session, database, wanted.name)
            if asked.outcomes:
                write_outcomes(asked.outcomes, judged.outcomes(), show_values=asked.show_values)
            if asked.map_file:
                write_user_map(asked.map_file, judged.outcomes())
    invocation.conclude(stands, runs.standing)
    return True


def _carry_out(
    invocation: Invocation, asked: Asked, wanted: Migration, database: Database, value: dict[str, Any]
) -> int:
    from ecluse.cli.backed_up import before_switch
    from ecluse.cli.certificates import Certificate
    from ecluse.cli.commands.apply import plan_for
    from ecluse.postgres.connect import open_session
    from ecluse.supabase.user_outcomes import counts

    project = Project.of(invocation)
    plan = plan_for(invocation, database, wanted, None)
    require_rehearsal(project, database, wanted, plan, None)
    name = wanted.name
    certificate = Certificate(invocation, project, database, name)
    options, again = arguments.as_options({}), f"ecluse apply {name} --switch"
    with certificate.kept(), running.engine_for(invocation, database, options, again) as engine:
        engine.apply(plan)
    before_switch(invocation, project, database, wanted, database.protect, None)
    with certificate.kept(), running.engine_for(invocation, database, options, again) as engine:
        engine.switch(name)
        proof = engine.verify(name)
    value |= certificate.written()
    with open_session(database, role="supabase users") as session:
        judged = _recorded(session, database, name)
        found = judged.summary()
        wrong = sum(not c.equal for c in proof.comparisons) + sum(not (p.ran and p.passed) for p in proof.probes)
        checks = [{"title": "every row compared both ways, and every probe", "wrong": wrong}]
        value |= {"dry_run": False, "checks": checks, "good": proof.passed and found.adds_up} | counts(found)
        value["mapped"] = found.of("created") + found.of("matched")
        finish(invocation, asked, judged.outcomes, value, streamed=True)
    invocation.next(f"ecluse verify {name}")
    return 0 if value["good"] else 3


def _recorded(session: Session, database: Database, name: str) -> Judged:
    """The roster of the run that has just been switched."""
    from ecluse.engine.status import unfinished_plan
    from ecluse.planning.roster_sql import source_of
    from ecluse.supabase.users_in_place import Judged

    begun = unfinished_plan(database, name)
    assert begun is not None
    plan = begun[1]
    [roster] = plan.rosters
    return Judged(session, roster.name.sql, source_of(plan, roster).table.name.within(plan.kept_schema))


def _value(wanted: Migration, database: Database, mapping: str, found: Summary) -> dict[str, Any]:
    from ecluse.supabase.user_outcomes import counts

    return {
        "migration": wanted.name,
        "via": "engine",
        "database": str(database),
        "mapping": mapping,
        "dry_run": True,
        "good": found.adds_up,
        "mapped": 0,
        "checks": (),
        "outcomes": None,
        "map": None,
        "notes": [_WHOLE],
        **counts(found),
    }

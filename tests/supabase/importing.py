"""An import of users through the admin API, as tests make one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ecluse.operations.file import parse_migration
from ecluse.operations.import_users import ImportUsers
from ecluse.postgres.connect import Database, open_session
from ecluse.supabase.admin_api import AdminApi
from ecluse.supabase.http import Gateway
from ecluse.supabase.pace import Pace, Patience
from ecluse.supabase.roster import roster_of
from ecluse.supabase.user_outcomes import UserOutcome
from ecluse.supabase.users_by_api import Choices, ImportByApi
from tests.supabase.admin_api import AdminApiServer
from tests.supabase.legacy import MIGRATION

KEY = "a-service-key-of-this-test"
QUICK = Patience(attempts=3, first=0.01)


@contextmanager
def importing(
    database: Database,
    api: AdminApiServer,
    *,
    choices: Choices = Choices(),  # noqa: B008 - it is frozen
    patience: Patience = QUICK,
    migration: str = MIGRATION,
    stop: threading.Event | None = None,
    key: str = KEY,
    rate: float = 5000,
) -> Iterator[ImportByApi]:
    parsed = parse_migration(migration, "people.toml", lambda _: "")
    operation = parsed.operations[0]
    assert isinstance(operation, ImportUsers)
    pace = Pace(rate, stop or threading.Event())
    with open_session(database) as session:
        roster = roster_of(session, parsed, operation)
        yield ImportByApi(roster, AdminApi(Gateway(api.url, 5), key, pace, patience), choices)


def carry_out(database: Database, api: AdminApiServer, **more: object) -> dict[str, UserOutcome]:
    """A whole import that is proved; everybody's outcome by the old id."""
    with importing(database, api, **more) as work:  # type: ignore[arg-type]
        work.survey(bodies=True)
        work.carry_out()
        checks = work.prove()
        assert [check.title for check in checks if check.wrong] == []
        return {user.old_user_id: user for user in work.roster.outcomes()}


def everybody(database: Database, api: AdminApiServer, *, bodies: bool = False) -> dict[str, UserOutcome]:
    with importing(database, api) as work:
        work.survey(bodies=bodies)
        return {user.old_user_id: user for user in work.roster.outcomes()}

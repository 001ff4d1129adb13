"""Who becomes whom where the users and the accounts are in one database: before a run, and as its roster says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.errors import PlanRefused
from ecluse.model.migration import Migration
from ecluse.model.names import Name
from ecluse.operations.import_users import ImportUsers
from ecluse.operations.people_flow import ACCOUNTS
from ecluse.operations.people_tally import roster_now
from ecluse.operations.work import Work
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Session
from ecluse.supabase.user_outcomes import Summary, UserOutcome, read_outcomes, summary

_NOW = "pg_temp.ecluse_survey"


@dataclass(frozen=True, slots=True)
class Judged:
    """A relation with the columns of a roster, and the table that it is about."""

    session: Session
    relation: str
    users: Name

    def summary(self) -> Summary:
        """All users by what becomes of them. Rows are counted where they are, not where they are judged."""
        counted = self.session.execute(
            f"SELECT outcome, password, reason, count(*)::int, 0 FROM {self.relation} "
            "WHERE outcome IS NOT NULL GROUP BY 1, 2, 3".encode()
        ).fetchall()
        row = self.session.execute(f"SELECT count(*) FROM {self.users.sql}".encode()).fetchone()
        return summary(int(row[0]) if row else 0, counted)

    def outcomes(self) -> Iterator[UserOutcome]:
        """Every user, in the order of the ids."""
        return read_outcomes(self.session, f"{self.relation} r WHERE r.outcome IS NOT NULL ORDER BY r.old_user_id")


def survey(session: Session, migration: Migration, operation: ImportUsers) -> Judged:
    """Judge every user as things are now. Raises PlanRefused where there are no accounts."""
    work = Work(migration, read_catalog(session, measure=False))
    table, people = operation.people(work)
    if ACCOUNTS not in work.catalog.tables:
        raise PlanRefused(
            f"there are no accounts in '{migration.database}': {ACCOUNTS} is missing",
            hint=f"ecluse supabase prepare {migration.database}",
            state="nothing was changed",
        )
    session.execute(f"CREATE TEMP TABLE ecluse_survey AS {roster_now(people)}".encode())
    return Judged(session, _NOW, table.name)

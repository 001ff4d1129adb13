"""What would become of the users, counted before anything runs: by outcome, by password, by reason."""

from __future__ import annotations

from ecluse.model.names import Name, literal
from ecluse.operations.password_sql import carried
from ecluse.operations.people_sql import ACCOUNTS, CREATED, HELD, MATCHED, People


def roster_now(people: People) -> str:
    """The roster as it would be filled at this moment, as a SELECT that names no placeholder."""
    return people.roster(people.table.sql, f"({ACCOUNTS})")


def question(table: Name, roster: str, *, refuse: bool = False) -> str:
    """Rows of id, level and message, for the plan. `refuse`: nobody agreed to leave anyone behind."""
    of = f" of {table}: "
    with_password = f"{literal(of + 'a new account with the password that they have, ')} || s.password"
    without = (
        f"{literal(of + 'a new account without a password, which Supabase could not verify: ')} || s.password || "
        "'. They have to set a new one'"
    )
    matched = literal(of + "the account that has their e-mail address already; it stays as it is")
    held = f"{literal(of + 'cannot be carried: ')} || s.reason"
    carries = carried("s.password")
    return (
        f"WITH s AS (SELECT i.outcome, CASE WHEN i.outcome = '{CREATED}' THEN i.password END AS password, i.reason, "
        f"count(*) AS n FROM {roster} i GROUP BY 1, 2, 3)\n"
        f"SELECT 'users-' || s.outcome, CASE WHEN s.outcome = '{HELD}' THEN '{'refuse' if refuse else 'warn'}' "
        f"WHEN s.outcome = '{CREATED}' AND NOT {carries} THEN 'warn' ELSE 'note' END, "
        "ltrim(to_char(s.n, '999,999,999,999')) || CASE s.n WHEN 1 THEN ' user' ELSE ' users' END || "
        f"CASE WHEN s.outcome = '{MATCHED}' THEN {matched} "
        f"WHEN s.outcome = '{HELD}' THEN {held} WHEN {carries} THEN {with_password} ELSE {without} END\n"
        "FROM s ORDER BY s.outcome, s.n DESC, s.password, s.reason"
    )

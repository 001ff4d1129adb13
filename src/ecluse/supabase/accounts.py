"""All accounts of a stack, in a temporary table of a session: listed until the list is as long as auth says it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ecluse.postgres.connect import Session
from ecluse.supabase.admin_api import Account, AdminApi
from ecluse.supabase.outcomes import Failed
from ecluse.supabase.refusals import Cause

LISTED = "pg_temp.ecluse_listed"
"""The accounts as they were listed last: id, email, and whether that was confirmed."""

ACCOUNTS = "pg_temp.ecluse_accounts"
"""The same with the columns of `people_sql.ACCOUNTS`."""

_TIMES = 5
_FEW = 1000  # that may be asked for one by one

Tell = Callable[[int, int], None]
"""Is told how many were listed so far, and of how many."""

_STORE = f"""
INSERT INTO {LISTED} AS l (id, email, confirmed, time)
SELECT id, email, confirmed, %s FROM unnest(%s::uuid[], %s::text[], %s::boolean[]) u (id, email, confirmed)
ON CONFLICT (id) DO UPDATE SET email = excluded.email, confirmed = excluded.confirmed, time = excluded.time
"""
_JUDGE = f"""
SELECT id, email, count(*) OVER same AS known, false AS gone, bool_or(NOT confirmed) OVER same AS unproved,
    row_number() OVER (same ORDER BY id) = 1 AS first
FROM {LISTED} WINDOW same AS (PARTITION BY email)
"""


def list_accounts(api: AdminApi, session: Session, size: int, tell: Tell) -> int:
    """Fill LISTED with every account and give their number. Raises Failed where the list is never whole.

    Between two pages accounts come and go, and the order of those of one moment is not fixed. So a list that lacks
    some is made again, from the other end and with larger pages, and what one of them had is asked for by its id.
    """
    session.execute(f"DROP TABLE IF EXISTS {LISTED}".encode())
    table = LISTED.partition(".")[2]
    session.execute(
        f'CREATE TEMP TABLE {table} (id uuid PRIMARY KEY, email text COLLATE "C", confirmed boolean, time int)'.encode()
    )
    total = found = 0
    for time in range(_TIMES):
        total = _list(api, session, size * 2**time, time, tell)
        found = _count(session, f"WHERE time = {time}")
        if found != total and _count(session) >= total and _count(session) - found <= _FEW:
            _ask_for_the_rest(api, session, time)
            found = _count(session)
        if found == total:
            session.execute(f"DELETE FROM {LISTED} WHERE time <> {time}".encode())
            session.execute(f"ANALYZE {LISTED}".encode())
            return total
    why = f"auth says that there are {total:,} accounts, and its list has {found:,}, {_TIMES} times over"
    raise Failed(Cause(why, "many accounts share one created_at: --page-size larger than their number"))


def judge_accounts(session: Session) -> None:
    """Make ACCOUNTS of LISTED."""
    table = ACCOUNTS.partition(".")[2]
    for statement in (
        f"DROP TABLE IF EXISTS {ACCOUNTS}",
        f"CREATE TEMP TABLE {table} AS {_JUDGE}",
        f"CREATE INDEX ON {ACCOUNTS} (email) WHERE first",
        f"CREATE INDEX ON {ACCOUNTS} (id)",
        f"ANALYZE {ACCOUNTS}",
    ):
        session.execute(statement.encode())


def _list(api: AdminApi, session: Session, size: int, time: int, tell: Tell) -> int:
    """List once; the number that auth says there are, at the end."""
    number, done, more, total = 1, 0, True, 0
    while more:
        page = api.page(number, size, newest_first=time % 2 == 1)
        _store(session, time, {account.id: account for account in page.accounts}.values())
        number, done, more, total = number + 1, done + len(page.accounts), page.more, page.total
        tell(done, total)
    return total


def _store(session: Session, time: int, accounts: Iterable[Account]) -> None:
    rows = list(accounts)
    columns = ([a.id for a in rows], [a.email for a in rows], [a.confirmed for a in rows])
    session.execute(_STORE.encode(), (time, *columns))


def _ask_for_the_rest(api: AdminApi, session: Session, time: int) -> None:
    """Of the accounts that only an earlier list has, keep those that are still there."""
    for (uid,) in session.execute(f"SELECT id::text FROM {LISTED} WHERE time <> {time}".encode()).fetchall():
        account = api.account(uid)
        if account:
            _store(session, time, [account])
        else:
            session.execute(f"DELETE FROM {LISTED} WHERE id = %s".encode(), (uid,))


def _count(session: Session, where: str = "") -> int:
    row = session.execute(f"SELECT count(*) FROM {LISTED} {where}".encode()).fetchone()
    return int(row[0]) if row else 0

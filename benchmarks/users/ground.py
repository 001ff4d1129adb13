"""The legacy database of a benchmark of users, on a database that is prepared for Supabase; and what must arrive."""

from __future__ import annotations

from benchmarks.ground import Connection, Server, connect
from benchmarks.users.floor import floor
from ecluse.postgres.connect import Database
from ecluse.recipes.conversations_to_messages.texts import text as conversations_text
from ecluse.recipes.texts import text_of
from ecluse.supabase.prepare import prepare

SAMPLE = 20_000
"""So many users at most are created by who needs a transaction for each; a rate is what is told of it."""

Content = dict[int, tuple[object, ...]]
"""By a number of users: what must be there of these, the first ones."""

_SAMPLE = "ecluse.recipes.self_hosted_supabase.sample"
_SCRIPTS = ("chance", "passwords", "users", "accounts")
_FURTHER = "DROP TABLE public.invitations, public.password_reset_tokens, public.activity_logs"

# Ids of accounts and identities, and the time of the import, differ from one contender to the other.
_CONTENT = """
SELECT count(*), sum(hashtextextended(form, 0)::numeric), sum(hashtextextended(form, 1)::numeric)
FROM (
    SELECT ROW(m.old_user_id, m.email, m.matched, u.instance_id, u.aud, u.role, u.email, u.encrypted_password,
        u.email_confirmed_at, u.banned_until IS NULL, u.confirmation_token, u.recovery_token, u.email_change,
        u.email_change_token_new, u.raw_app_meta_data, u.raw_user_meta_data, u.created_at, u.updated_at,
        u.last_sign_in_at, i.provider, i.provider_id = u.id::text, i.identity_data - 'sub',
        i.identity_data->>'sub' = u.id::text, i.email, i.created_at, p.full_name, p.created_at)::text AS form
    FROM public.user_id_mapping m LEFT JOIN auth.users u ON u.id = m.supabase_user_id
    LEFT JOIN auth.identities i ON i.user_id = u.id LEFT JOIN public.profiles p ON p.id = u.id
    WHERE m.old_user_id <= %s OFFSET 0
) AS rows
"""


class People(Server):
    """The server with its templates of users."""

    def prepare(self, rows: int) -> tuple[str, Content]:
        """Make the template of so many users; gives its name, and what must become of them."""
        name = f"users_{rows}"
        conninfo = self.create(name)
        with connect(conninfo) as conn:
            row = conn.execute("SELECT to_regclass('public.users') IS NULL").fetchone()
            if row and row[0]:
                prepare(Database(name, conninfo))
                _load(conn, rows)
                conn.execute("VACUUM (ANALYZE, FREEZE)")
        wanted = self.fresh(name)
        floor(wanted)
        return name, {few: content(wanted, few) for few in {rows, min(rows, SAMPLE)}}

    def fresh(self, template: str, name: str = "bench") -> str:
        """A copy that has been read once, so that nobody pays for the first read."""
        conninfo = super().fresh(template, name)
        with connect(conninfo) as conn:
            conn.execute("SELECT count(*) FROM public.users, LATERAL (SELECT password_hash || full_name) t")
        return conninfo


def _load(conn: Connection, rows: int) -> None:
    """The users of the recipe's sample, with its shares of everything; the other tables of that go again."""
    slots = {"rows": str(rows), "seed": "42"}
    with conn.transaction():
        conn.execute("SET LOCAL timezone = 'UTC'")
        conn.execute(conversations_text("sample/dice.sql", **slots).encode())
        for script in _SCRIPTS:
            conn.execute(text_of(_SAMPLE, f"{script}.sql", **slots).encode())
        conn.execute(_FURTHER)


def content(conninfo: str, few: int) -> tuple[object, ...]:
    """Accounts, identities, profiles and the map of the first so many users, as sums."""
    with connect(conninfo) as conn:
        return conn.execute(_CONTENT, (few,)).fetchone() or ()
